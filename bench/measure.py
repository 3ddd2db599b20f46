"""Run programs and measure their CPU time and memory: whole processes, from their start to the last byte."""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from formats import FORMATS

HERE = Path(__file__).parent.absolute()
API_PORT = 18_080
IDLE_SECONDS = 0.5
"""Seconds without CPU time after which a program that does not end by itself is considered done."""
KUBECONFIG = f"""\
apiVersion: v1
kind: Config
current-context: bench
clusters: [{{name: bench, cluster: {{server: "http://127.0.0.1:{API_PORT}"}}}}]
contexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]
users: [{{name: bench, user: {{}}}}]
"""


@dataclass(frozen=True)
class Program:
    """A program to measure, which ends by itself unless it `runs_on`. `out` is its output file if not stdout."""

    command: list[str]
    runs_on: bool = False
    out: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    """Where it is started."""
    pod_mark: bytes = b""
    """Bytes that occur in an output line if and only if it names a pod."""


@dataclass(frozen=True)
class Run:
    """CPU and wall time in seconds, peak memory in MiB, and the number of output lines that name a pod."""

    cpu: float
    wall: float
    peak: float
    named: int


class Build(NamedTuple):
    """An Enricher to measure: an interpreter, and the directory from which it imports first."""

    python: str
    directory: Path

    @classmethod
    def at(cls, path: Path) -> "Build":
        """Return the build of a checkout, run with its own .venv if it has one, or that of an interpreter."""
        path = path.absolute()
        if path.is_file():
            return cls(str(path), Path("/"))
        python = path / ".venv/bin/python"
        return cls(str(python) if python.exists() else sys.executable, path)


THIS = Build(sys.executable, HERE.parent)


def daemon_program(
    directory: Path,
    *,
    form: str = "nginx",
    framing: str = "cri",
    endpoints: Path | None = None,
    output: str = "json",
    build: Build = THIS,
) -> Program:
    """Return the daemon that reads the log in `directory`, as made by generate.py, with its state beside that."""
    logs = directory / "pods"
    select = f"{logs}/*/*/*.log" if framing == "plain" else "*/*/controller"
    command = [build.python, "-m", "enricher", "run", "--log-dir", str(logs), "--select", select, "--output", output]
    command += ["--endpoints", str(endpoints or directory / "endpoints"), "--state-dir", str(directory / "state")]
    command += ["--listen", "127.0.0.1:0", *FORMATS[form].options]
    environ = {"PYTHONPATH": ""}
    return Program(command, runs_on=True, environ=environ, directory=build.directory, pod_mark=b'],"pod":"')


def run(program: Program, directory: Path) -> Run:
    shutil.rmtree(directory / "state", ignore_errors=True)
    (directory / "state").mkdir()
    out = directory / "out"
    if program.out:
        program.out.unlink(missing_ok=True)
    begin = time.monotonic()
    with out.open("wb") as file, (directory / "err").open("wb") as err:
        environ = os.environ | program.environ
        process = subprocess.Popen(program.command, stdout=file, stderr=err, env=environ, cwd=program.directory)
        end = _wait_until_idle(process.pid) if program.runs_on else 0.0
        if program.runs_on:
            process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{program.command[0]} failed with status {status}: {(directory / 'err').read_text()[-2000:]}")
    wall = (end or time.monotonic()) - begin
    named = _count(program.out or out, program.pod_mark) if program.pod_mark else 0
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, named)


def _count(path: Path, text: bytes) -> int:
    with path.open("rb") as file:
        return sum(line.count(text) for line in file)


def cpu_ticks(pid: int) -> int:
    """Return how much CPU time a process has used, in clock ticks."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12])


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name of the program, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _wait_until_idle(pid: int) -> float:
    """Return when the process, which can be stopped in good order by now, last used the CPU (monotonic seconds).

    A process that waits for a CPU is not idle.
    """
    ticks, since = -1, time.monotonic()
    while time.monotonic() - since < IDLE_SECONDS or not _expects_sigterm(pid):
        time.sleep(0.05)
        now = cpu_ticks(pid)
        if now > ticks + 1 or _stat(pid)[0] != "S":  # an occasional timer is not work
            ticks, since = now, time.monotonic()
    return since


def _expects_sigterm(pid: int) -> bool:
    """Return whether the process catches or blocks SIGTERM, or has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = (int(mask, 16) for mask in re.findall(r"^Sig(?:Blk|Cgt):\s*(\w+)", status, re.MULTILINE))
    return "\nState:\tZ" in status or any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def least(runs: list[Run]) -> tuple[float, float, float]:
    """Return the least CPU time, wall time and peak memory of runs of one program: more is the work of others."""
    cpu, wall, peak = (min(column) for column in zip(*((r.cpu, r.wall, r.peak) for r in runs), strict=True))
    return cpu, wall, peak


def print_heading(subject: str) -> None:
    print(f"{subject}; {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}", flush=True)


@contextmanager
def api(port: int, pods: int, *options: str) -> Iterator[None]:
    """Run the fake API server (api.py); the context begins when it answers."""
    command = [sys.executable, str(HERE / "api.py"), "--port", str(port), "--pods", str(pods), *options]
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait()
