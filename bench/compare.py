"""Ours beside its peers on the same file, alternating: `python bench/compare.py`. Prints lines per CPU-second, ratios.

Ours is the daemon with all it does: checkpoints, metrics, the history. Peers are run if they are found: mtail (two
counters, no lines out) and an OpenTelemetry Collector as bench/otelcol/build.sh makes it (its path in OTELCOL). `floor`
is what nobody can save: reading, splitting and writing the bytes that ours writes, and nothing else.

Whole processes, from their start to the last byte. The figures are for this machine and this moment; the ratios are
what is meant. `--cases` compares ours with itself: formats, shares of odd lines, and `--output none`.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from generate import FORMATS, Shares, generate

HERE = Path(__file__).parent
API_PORT = 18_080
STILL = 0.5
"""Seconds without any CPU time after which a program that goes on waiting is taken to be done."""
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
    """`waits`: it does not end by itself. `out` is the file it writes, where that is not stdout."""

    command: list[str]
    waits: bool = False
    out: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    named: bytes = b""
    """What is in a line of its output in which the pod is named."""


@dataclass(frozen=True)
class Run:
    """CPU and wall in seconds, peak memory in MiB, and in how many lines of the output a pod was named."""

    cpu: float
    wall: float
    peak: float
    named: int


def daemon(directory: Path, *, form: str = "default", output: str = "json") -> Program:
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(directory / "pods"), "--output", output]
    command += ["--endpoints", str(directory / "watch.jsonl"), "--state-dir", str(directory / "state")]
    command += ["--listen", "127.0.0.1:0", "--log-format", FORMATS[form]]
    return Program(command, waits=True, named=b'],"pod":"')


def programs(directory: Path, log: Path) -> dict[str, Program]:
    found = {"enricher": daemon(directory)}
    if mtail := shutil.which("mtail"):
        command = [mtail, "--one_shot", "--progs", str(HERE / "mtail_counters.mtail"), "--logs", str(log)]
        found["mtail"] = Program([*command, "--port", "0"])
    if otelcol := os.environ.get("OTELCOL") or shutil.which("otelcol"):
        kubeconfig, out = directory / "kubeconfig", directory / "otelcol.out"
        kubeconfig.write_text(KUBECONFIG)
        environ = {"KUBECONFIG": str(kubeconfig), "BENCH_LOG": str(log), "BENCH_OUT": str(out)}
        command = [otelcol, "--config", str(HERE / "otelcol" / "config.yaml")]
        found["otelcol"] = Program(command, waits=True, out=out, environ=environ, named=b'"k8s.pod.name"')
    return found


def run(program: Program, directory: Path) -> Run:
    shutil.rmtree(directory / "state", ignore_errors=True)
    (directory / "state").mkdir()
    out = directory / "out"
    if program.out:
        program.out.unlink(missing_ok=True)
    begin = time.monotonic()
    with out.open("wb") as file, (directory / "err").open("wb") as err:
        process = subprocess.Popen(program.command, stdout=file, stderr=err, env=os.environ | program.environ)
        done = _until_still(process.pid) if program.waits else 0.0
        if program.waits:
            process.send_signal(signal.SIGTERM)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{program.command[0]} failed with status {status}: {(directory / 'err').read_text()[-2000:]}")
    wall = (done or time.monotonic()) - begin
    named = _count(program.out or out, program.named) if program.named else 0
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, named)


def _count(path: Path, wanted: bytes) -> int:
    with path.open("rb") as file:
        return sum(line.count(wanted) for line in file)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _until_still(pid: int) -> float:
    """When the process last used the CPU (monotonic seconds)."""
    ticks, since = -1, time.monotonic()
    while time.monotonic() - since < STILL:
        time.sleep(0.05)
        now = cpu_ticks(pid)
        if now > ticks + 1:  # a timer now and then is no work
            ticks, since = now, time.monotonic()
    return since


@contextmanager
def api(port: int, pods: int, *options: str) -> Iterator[None]:
    """The stand-in for an API server (api.py), from the moment it answers."""
    command = [sys.executable, str(HERE / "api.py"), "--port", str(port), "--pods", str(pods), *options]
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


FLOOR = """
import sys
rest, out = b"", sys.stdout.buffer
with open(sys.argv[1], "rb", buffering=0) as file:
    while data := file.read(65536):
        *lines, rest = (rest + data).split(b"\\n")
        out.write(b"\\n".join(lines))
"""


def compare(lines: int, pods: int, shares: Shares, runs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary, api(API_PORT, pods):
        directory = Path(temporary)
        log = generate(directory, count=lines, pods=pods, shares=shares)
        _say(f"{lines:,} lines, {log.stat().st_size / 1e6:.0f} MB, {pods:,} pods")
        results: dict[str, list[Run]] = {}
        ours = directory / "ours"
        for n in range(runs):
            for name, program in programs(directory, log).items():
                results.setdefault(name, []).append(run(program, directory))
                if name == "enricher" and not n:
                    (directory / "out").rename(ours)
            results.setdefault("floor", []).append(run(Program([sys.executable, "-c", FLOOR, str(ours)]), directory))
        table(results, lines)


def cases(lines: int, pods: int, runs: int) -> None:
    none = Shares(0, 0, 0)
    wanted = {
        "default": ("default", none, "json"),
        "2 % odd": ("default", Shares(), "json"),
        "10 % odd": ("default", Shares(0.04, 0.03, 0.03), "json"),
        "10 % escapes and retries": ("default", Shares(0.05, 0, 0.05), "json"),
        "custom": ("custom", none, "json"),
        "JSON": ("json", none, "json"),
        "--output none": ("default", none, "none"),
    }
    with tempfile.TemporaryDirectory() as temporary:
        results: dict[str, list[Run]] = {}
        for name, (form, shares, _) in wanted.items():
            generate(Path(temporary) / name, count=lines, pods=pods, shares=shares, form=form)
        _say(f"{lines:,} lines, {pods:,} pods")
        for _ in range(runs):
            for name, (form, _, output) in wanted.items():
                directory = Path(temporary) / name
                results.setdefault(name, []).append(run(daemon(directory, form=form, output=output), directory))
        table(results, lines)


def table(results: dict[str, list[Run]], lines: int) -> None:
    """Of each the run that took least: what comes on top is other people's work. The first is what the others are
    compared with.
    """
    first = min(one.cpu for one in next(iter(results.values())))
    heads = f"{'':26} {'lines/CPU-s':>12} {'CPU s':>7} {'(to)':>7} {'wall s':>7} {'peak MiB':>9}"
    print(f"{heads} {'pods named':>11} {'CPU':>7}")
    for name, runs in results.items():
        cpu, wall, peak = (min(column) for column in zip(*((r.cpu, r.wall, r.peak) for r in runs), strict=True))
        figures = f"{lines / cpu:12,.0f} {cpu:7.2f} {max(r.cpu for r in runs):7.2f} {wall:7.2f} {peak:9.0f}"
        print(f"{name:26} {figures} {runs[-1].named:11,} {cpu / first:6.2f}x")


def _say(what: str) -> None:
    print(f"{what}; {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", action="store_true", help="ours only: formats, odd lines, --output none")
    given = parser.parse_args()
    if given.cases:
        cases(given.lines, given.pods, given.runs)
    else:
        compare(given.lines, given.pods, Shares(), given.runs)


if __name__ == "__main__":
    main()
