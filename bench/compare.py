"""Ours beside mtail on the same file, alternating: `python bench/compare.py`. Prints lines per CPU-second and ratios.

mtail (two counters, no lines out) is run if it is installed. Whole processes, from their start to the last byte; the
figures are for this machine and this moment, the ratios are what is meant.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from generate import generate

HERE = Path(__file__).parent


def commands(directory: Path, log: Path) -> dict[str, list[str]]:
    enricher = [sys.executable, "-m", "enricher", "enrich", "--endpoints", str(directory / "watch.jsonl"), str(log)]
    found = {"enricher": enricher}
    if mtail := shutil.which("mtail"):
        program = str(HERE / "mtail_counters.mtail")
        found["mtail"] = [mtail, "--one_shot", "--progs", program, "--logs", str(log), "--port", "0"]
    return found


def run(command: list[str], out: Path) -> tuple[float, float, int]:
    """CPU seconds, wall seconds, peak memory in KiB of a process whose output goes to a file."""
    begin = os.times().elapsed
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed with status {status}")
    return used.ru_utime + used.ru_stime, os.times().elapsed - begin, used.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--odd", type=float, default=0.02)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        log = generate(directory, count=given.lines, pods=given.pods, odd=given.odd, seed=1)
        print(f"{given.lines} lines, {log.stat().st_size / 1e6:.0f} MB, {given.pods} pods, {given.odd:.0%} odd; "
              f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")  # fmt: skip
        results: dict[str, list[tuple[float, float, int]]] = {}
        for _ in range(given.runs):
            for name, command in commands(directory, log).items():
                results.setdefault(name, []).append(run(command, directory / "out"))
    ours = statistics.median(cpu for cpu, _, _ in results["enricher"])
    print(f"{'program':10} {'lines/CPU-s':>12} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9} {'ours is':>9}")
    for name, runs in results.items():
        cpu, wall, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:10} {given.lines / cpu:12,.0f} {cpu:8.2f} {wall:8.2f} {peak / 1024:9.0f} {cpu / ours:8.2f}x")


if __name__ == "__main__":
    main()
