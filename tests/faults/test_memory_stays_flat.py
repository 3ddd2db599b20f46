"""Lines and pods come and go, the memory stays: what is kept has a bound, and what was counted and shipped is let go.

    .venv/bin/python -m tests.faults.test_memory_stays_flat 10000000 200000

prints the figures of a long run: so many lines, so many pods replaced.
"""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.timestamps import format_rfc3339
from tests.support.processes import Process

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SLICES, PODS, BLOCK = 500, 20, 20_000
RESTLESS = 250
"""So many of the slices have pods that are replaced all the time; the others stay, and get most requests."""
HISTORY = 20
"""Seconds that the daemon is told to remember: what it keeps is at its bound soon."""
LINE = (
    'STAMP stdout F 192.0.2.7 - - [TIME] "GET /a/path/of/usual/length?with=arguments HTTP/1.1" 200 512 "-" "curl/8.5" '
    "128 0.007 [shop-web-%d-80] [] %s:10000 512 0.00%d 200 0123456789abcdef0123456789abcdef\n"
)


def block(rng: random.Random) -> bytes:
    slices = [rng.randrange(RESTLESS if rng.random() < 0.9 else 0, SLICES) for _ in range(BLOCK)]
    return "".join(LINE % (n, address(n, rng.randrange(PODS)), rng.randrange(10)) for n in slices).encode()


def address(n: int, m: int) -> str:
    """Of the m-th pod in the n-th slice."""
    return f"10.{n // 250}.{n % 250}.{m + 1}"


def stamped(text: bytes) -> bytes:
    """The lines, written now."""
    stamp, local = format_rfc3339(time.time_ns() | 1), time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return text.replace(b"STAMP", stamp.encode()).replace(b"TIME", local.encode())


class Cluster(FakeApi):
    """Slices whose pods are replaced, one after the other."""

    def __init__(self) -> None:
        super().__init__(window=100)
        self.pods = [{address(n, m): f"web-{n}-{m}-0" for m in range(PODS)} for n in range(SLICES)]
        self.replaced = 0
        for n in range(SLICES):
            self.tell(n)

    def tell(self, n: int) -> None:
        self.apply("MODIFIED", slice_of(f"web-{n}", self.pods[n], namespace="shop", service=f"web-{n}"))

    def replace(self, count: int) -> None:
        for _ in range(count):
            self.replaced += 1
            n, m = self.replaced % RESTLESS, self.replaced // RESTLESS % PODS
            self.pods[n][address(n, m)] = f"web-{n}-{m}-{self.replaced}"
            self.tell(n)


def resident(process: Process) -> float:
    """MiB."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


async def flow(directory: Path, lines: int, changes: int) -> list[float]:
    """Writes so many lines while so many pods are replaced; the daemon's memory (MiB) now and then."""
    rng, measurements, blocks = random.Random(1), list[float](), lines // BLOCK
    async with Cluster() as cluster:
        cluster.write_kubeconfig(directory / "kubeconfig")
        arguments = ("--kubeconfig", str(directory / "kubeconfig"), "--history", str(HISTORY))
        process = await asyncio.to_thread(Process, directory, *arguments)
        log = process.log_dir / "a_ingress-nginx-controller-1_u" / "controller" / "0.log"
        log.parent.mkdir(parents=True)
        texts = [block(rng) for _ in range(8)]
        try:
            for n in range(blocks):
                with log.open("ab") as file:
                    file.write(stamped(texts[n % len(texts)]))
                cluster.replace(changes * (n + 1) // blocks - cluster.replaced)
                await asyncio.to_thread(process.until, lambda n=n: arrived(process) >= (n + 1) * BLOCK, 60)
                measurements.append(resident(process))
                if n % 20 == 19:
                    log.rename(log.with_name(f"0.log.20261122-{n:06d}"))
                    for old in sorted(log.parent.glob("0.log.*"))[:-2]:
                        old.unlink()
            assert process.metric('enricher_lines_total{result="access"}') == blocks * BLOCK
            assert (await asyncio.to_thread(process.stop))[0] == 0
        finally:
            process.close()
    return measurements


def arrived(process: Process) -> int:
    """Lines so far; what was read is thrown away."""
    process.lines = getattr(process, "lines", 0) + process.out.count(b"\n")
    process.out.clear()
    process.reads.clear()
    return process.lines


async def test_of_some_lines_and_some_pods(tmp_path):
    measurements = await flow(tmp_path, 1_000_000, 4_000)
    start, middle, end = measurements[len(measurements) // 4], measurements[len(measurements) // 2], measurements[-1]
    print(f"1,000,000 lines, 4,000 pods replaced: {start:.0f}, {middle:.0f}, {end:.0f} MiB after 1/4, 1/2, all of it")
    assert end < 1.25 * start


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        memory = asyncio.run(flow(Path(temporary), int(sys.argv[1]), int(sys.argv[2])))
    quarters = [memory[len(memory) * n // 4] for n in range(4)] + [memory[-1]]
    print(f"{sys.argv[1]} lines, {sys.argv[2]} pods replaced:", ", ".join(f"{mib:.1f}" for mib in quarters), "MiB")
