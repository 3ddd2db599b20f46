"""stdout is not read: memory stays under its bound, the probes answer, and then everything comes out once."""

import pytest

from tests.faults.churn import ACCESS
from tests.support.processes import Process

BOUND = 64.0
"""MiB; see docs/reliability.md."""
WORST = 5.0
"""MiB, for each log whose lines are as bad as can be."""
PODS, WORST_PODS = 30, 8


def fill(process, pod, lines, size):
    path = process.log_dir / f"a_ingress-nginx-controller-{pod}_u" / "controller" / "0.log"
    path.parent.mkdir(parents=True)
    with path.open("w") as log:
        for n in range(lines):
            text = ACCESS % (f"GET /{pod}/{n}/{'x' * size} HTTP/1.1", "10.0.0.1:80", n)
            log.write(f"2026-11-22T00:00:00.{n:09d}Z stdout F {text}\n")
    return path.stat().st_size


@pytest.fixture
def process(tmp_path):
    process = Process(tmp_path)
    yield process
    process.close()


def block(process):
    """Until it writes, and can't."""
    process.until(lambda: process.metric("enricher_read_bytes_total"), reading=False)
    before = -1.0
    while (now := process.metric("enricher_read_bytes_total")) != before:
        before = now
        for _ in range(10):
            assert process.get("/livez") == (200, "ok\n")
    return now


@pytest.mark.parametrize(("lines", "size"), [(200_000, 100), (40_000, 1200), (60, 900_000)])
def test_a_backlog_of_50_megabytes(process, lines, size):
    written = fill(process, 0, lines, size)
    assert written > 48 << 20
    assert block(process) < written / 2
    process.until(lambda: process.out.count(b"\n") == lines, 100)
    process.until(lambda: process.metric("enricher_lag_bytes") == 0)
    numbers = [int(line.partition(b'"GET /0/')[2].partition(b"/")[0]) for line in process.out.splitlines()]
    assert numbers == list(range(lines))
    print(f"{written >> 20} MiB in {lines} lines, peak memory {process.memory():.0f} MiB")
    assert process.memory() < BOUND


def test_many_blocked_logs(process):
    for pod in range(PODS):
        fill(process, pod, 2000, 200)
    process.until(lambda: process.metric("enricher_sources") == PODS, reading=False)
    block(process)
    process.until(lambda: process.out.count(b"\n") == PODS * 2000, 60)
    print(f"{PODS} logs, peak memory {process.memory():.0f} MiB")
    assert process.memory() < BOUND


def test_the_worst_lines(process):
    """As long as lines may be, of bytes that are no text: each becomes four characters of JSON, and more."""
    for pod in range(WORST_PODS):
        path = process.log_dir / f"a_ingress-nginx-controller-{pod}_u" / "controller" / "0.log"
        path.parent.mkdir(parents=True)
        path.write_bytes(
            b"".join(b"2026-11-22T00:00:00Z stdout F %d %s\n" % (n, b"\xff" * 1_048_000) for n in range(2))
        )
    process.until(lambda: process.metric("enricher_sources") == WORST_PODS, reading=False)
    block(process)
    process.until(lambda: process.out.count(b"\n") == WORST_PODS * 2, 60)
    print(f"{WORST_PODS} logs of the worst lines, peak memory {process.memory():.0f} MiB")
    assert process.memory() < BOUND + WORST_PODS * WORST


def test_a_stop_while_blocked(tmp_path):
    """The write that is stuck is given up; nobody can know how much of its chunk will be read: it comes again."""
    process = Process(tmp_path)
    fill(process, 0, 20_000, 100)
    block(process)
    code, took = process.stop(reading=False)
    assert code == 0
    assert took < 15  # the kubelet waits for 30
    first = bytes(process.out[: process.out.rfind(b"\n") + 1]).splitlines()
    process.close()
    process = Process(tmp_path)
    process.until(lambda: b"GET /0/19999/" in process.out[-4096:])
    process.stop()
    second = bytes(process.out).splitlines()
    process.close()
    assert len({*first, *second}) == 20_000
    assert 0 <= len(first) + len(second) - 20_000 <= 1000
