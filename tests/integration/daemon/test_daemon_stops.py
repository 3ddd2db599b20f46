"""However the daemon ends, no line is lost, and after a clean end none comes twice."""

import json
import signal
import time

import pytest

from tests.support.controller_logs import access, cri
from tests.support.daemons import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_and_a_start(node, number):
    node.write(*(cri(access(n)) for n in range(100)))
    first = node.start()
    until(lambda: len(first.out) >= 50)
    node.write(*(cri(access(n)) for n in range(100, 200)))
    code, took = first.stop(number)
    assert code == 0
    assert took < 5
    assert b"Traceback" not in b"".join(first.stderr_lines)
    node.write(*(cri(access(n)) for n in range(200, 300)))
    second = node.start()
    until(lambda: second.ids()[-1:] == ["request-299"])
    assert second.stop()[0] == 0
    assert first.ids() + second.ids() == [f"request-{n}" for n in range(300)]


def test_stopped_again_and_again_while_lines_come(node):
    ids, written = [], 0
    for _ in range(3):
        daemon = node.start()
        for _ in range(20):
            node.write(*(cri(access(written + n)) for n in range(50)))
            written += 50
        until(lambda: daemon.out)  # noqa: B023  # asked at once
        assert daemon.stop()[0] == 0
        ids += daemon.ids()
    last = node.start()
    until(lambda: (ids + last.ids())[-1:] == [f"request-{written - 1}"])
    assert ids + last.ids() == [f"request-{n}" for n in range(written)]


def test_killed(node):
    """At least once: what was written since the last checkpoint comes again, and is in order."""
    node.write(*(cri(access(n)) for n in range(1000)))
    first = node.start()
    until(lambda: len(first.out) == 1000)
    until(lambda: list(node.state_dir.glob("positions.json")))
    node.write(*(cri(access(n)) for n in range(1000, 2000)))
    until(lambda: len(first.out) > 1000)
    first.stop(signal.SIGKILL)
    second = node.start()
    until(lambda: second.ids()[-1:] == ["request-1999"])
    assert set(first.ids()) | set(second.ids()) == {f"request-{n}" for n in range(2000)}
    numbers = [int(id_.partition("-")[2]) for id_ in second.ids()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0, "nothing was remembered"


@pytest.mark.parametrize("content", [b"", b'{"version": 99}'])
def test_a_broken_checkpoint(node, content):
    node.write(cri(access(0)))
    first = node.start()
    until(lambda: first.out)
    first.stop()
    for file in node.state_dir.iterdir():
        file.write_bytes(content)
    second = node.start()
    until(lambda: second.ids() == ["request-0"])
    assert second.stop()[0] == 0


def test_stopped_at_once(node):
    node.write(cri(access(0)))
    daemon = node.start()
    code, took = daemon.stop()
    assert code == 0
    assert took < 5


def test_nobody_reads_any_more(node):
    """EPIPE ends the daemon cleanly, and what was not read comes after the next start."""
    node.write(cri(access(0)))
    first = node.start(reading=False)
    assert json.loads(first.process.stdout.readline())["req_id"] == "request-0"
    first.process.stdout.close()
    node.write(cri(access(1)))
    assert first.process.wait(10) == 0
    assert b"Traceback" not in b"".join(first.stderr_lines)
    second = node.start()
    until(lambda: second.ids()[-1:] == ["request-1"])


def test_what_is_there_when_asked_to_stop_need_not_be_read(node):
    """A long backlog does not hold up the end."""
    node.write(*(cri(access(n)) for n in range(100_000)))
    daemon = node.start()
    until(lambda: daemon.out)
    began = time.monotonic()
    code, _ = daemon.stop()
    assert code == 0
    assert time.monotonic() - began < 5
    assert len(daemon.out) < 100_000
