"""Figures that a test cannot hold to on any machine: how soon a line is out, and what silence costs.

    .venv/bin/python -m tests.faults.measure

Linux only. The share of a core is taken from /proc/<pid>/schedstat over 20 s, after half a minute of silence.
"""

import statistics
import tempfile
import time
from pathlib import Path

from tests.support.controller_logs import access, cri
from tests.support.processes import Process

LINES, PAUSE = 400, 0.03
SILENCE, SECONDS = 30, 20


def log(process: Process, name: str) -> Path:
    path = process.log_dir / name / "0.log"
    path.parent.mkdir(parents=True)
    path.write_text(cri(access(0)))
    return path


def latency(directory: Path) -> None:
    process = Process(directory)
    path = log(process, "a_ingress-nginx-controller-0_u/controller")
    process.until(lambda: process.out.count(b"\n") == 1)
    took = []
    for n in range(1, LINES):
        time.sleep(PAUSE if n % 20 else 1.2)  # sometimes after more than a poll's time
        with path.open("a") as file:
            began = time.perf_counter()
            file.write(cri(access(n)))
        while process.out.count(b"\n") <= n:
            process.pump(0.001)
        took.append((time.perf_counter() - began) * 1000)
    process.stop()
    process.close()
    cuts = statistics.quantiles(took, n=100)
    print(
        f"from write to stdout, {len(took)} lines: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(took):.1f} ms"
    )


def silence(directory: Path, selected: int, others: int) -> None:
    process = Process(directory)
    for n in range(selected):
        log(process, f"a_ingress-nginx-controller-{n}_u/controller")
    for n in range(others):
        log(process, f"b_web-{n}_u/web")
    process.until(lambda: process.out.count(b"\n") == selected)
    process.pump(SILENCE)
    began, used = time.monotonic(), process.seconds()
    process.pump(SECONDS)
    share = (process.seconds() - used) / (time.monotonic() - began)
    print(
        f"{selected} silent logs of {selected + others} containers: {share:.2%} of a core, "
        f"{len(process.descriptors())} descriptors, peak memory {process.memory():.0f} MiB"
    )
    process.stop()
    process.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for number, (selected, others) in enumerate([(1, 0), (3, 1997), (300, 0)]):
            (Path(directory) / str(number)).mkdir()
            silence(Path(directory) / str(number), selected, others)
        (Path(directory) / "latency").mkdir()
        latency(Path(directory) / "latency")


if __name__ == "__main__":
    main()
