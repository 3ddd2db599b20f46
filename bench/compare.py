"""Compare Enricher with its peers on the same file: `python bench/compare.py` prints lines per CPU-second and ratios.

Enricher is the daemon with everything that it does: checkpoints, metrics, the history. The peers, run in turns with it
if they are installed, are mtail (two counters, no output lines) and an OpenTelemetry Collector as built by
bench/otelcol/build.sh (its path in OTELCOL). `floor` is the cost that cannot be avoided: reading, splitting and writing
the bytes that Enricher writes, and nothing else.

Whole processes are measured, from their start to the last byte. The figures hold for this machine at this moment; the
ratios are what matters. `--cases` compares Enricher with itself: formats, shares of unusual lines, and `--output none`.
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
    pod_mark: bytes = b""
    """Bytes that occur in an output line if and only if it names a pod."""


@dataclass(frozen=True)
class Run:
    """CPU and wall time in seconds, peak memory in MiB, and the number of output lines that name a pod."""

    cpu: float
    wall: float
    peak: float
    named: int


def daemon_program(directory: Path, *, form: str = "default", output: str = "json") -> Program:
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(directory / "pods"), "--output", output]
    command += ["--endpoints", str(directory / "watch.jsonl"), "--state-dir", str(directory / "state")]
    command += ["--listen", "127.0.0.1:0", "--log-format", FORMATS[form]]
    return Program(command, runs_on=True, pod_mark=b'],"pod":"')


def programs(directory: Path, log: Path) -> dict[str, Program]:
    result = {"enricher": daemon_program(directory)}
    if mtail := shutil.which("mtail"):
        command = [mtail, "--one_shot", "--progs", str(HERE / "mtail_counters.mtail"), "--logs", str(log)]
        result["mtail"] = Program([*command, "--port", "0"])
    if otelcol := os.environ.get("OTELCOL") or shutil.which("otelcol"):
        kubeconfig, out = directory / "kubeconfig", directory / "otelcol.out"
        kubeconfig.write_text(KUBECONFIG)
        environ = {"KUBECONFIG": str(kubeconfig), "BENCH_LOG": str(log), "BENCH_OUT": str(out)}
        command = [otelcol, "--config", str(HERE / "otelcol" / "config.yaml")]
        pod_mark = b'"k8s.pod.name"'
        result["otelcol"] = Program(command, runs_on=True, out=out, environ=environ, pod_mark=pod_mark)
    return result


def run(program: Program, directory: Path) -> Run:
    shutil.rmtree(directory / "state", ignore_errors=True)
    (directory / "state").mkdir()
    out = directory / "out"
    if program.out:
        program.out.unlink(missing_ok=True)
    begin = time.monotonic()
    with out.open("wb") as file, (directory / "err").open("wb") as err:
        process = subprocess.Popen(program.command, stdout=file, stderr=err, env=os.environ | program.environ)
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
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _wait_until_idle(pid: int) -> float:
    """Return when the process last used the CPU (monotonic seconds)."""
    ticks, since = -1, time.monotonic()
    while time.monotonic() - since < IDLE_SECONDS:
        time.sleep(0.05)
        now = cpu_ticks(pid)
        if now > ticks + 1:  # an occasional timer is not work
            ticks, since = now, time.monotonic()
    return since


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
        _print_heading(f"{lines:,} lines, {log.stat().st_size / 1e6:.0f} MB, {pods:,} pods")
        results: dict[str, list[Run]] = {}
        enriched = directory / "enriched"
        for n in range(runs):
            for name, program in programs(directory, log).items():
                results.setdefault(name, []).append(run(program, directory))
                if name == "enricher" and not n:
                    (directory / "out").rename(enriched)
            results.setdefault("floor", []).append(
                run(Program([sys.executable, "-c", FLOOR, str(enriched)]), directory)
            )
        table(results, lines)


def cases(lines: int, pods: int, runs: int) -> None:
    none = Shares(0, 0, 0)
    by_name = {
        "default": ("default", none, "json"),
        "2 % unusual": ("default", Shares(), "json"),
        "10 % unusual": ("default", Shares(0.04, 0.03, 0.03), "json"),
        "10 % escapes and retries": ("default", Shares(0.05, 0, 0.05), "json"),
        "custom": ("custom", none, "json"),
        "JSON": ("json", none, "json"),
        "--output none": ("default", none, "none"),
    }
    with tempfile.TemporaryDirectory() as temporary:
        results: dict[str, list[Run]] = {}
        for name, (form, shares, _) in by_name.items():
            generate(Path(temporary) / name, count=lines, pods=pods, shares=shares, form=form)
        _print_heading(f"{lines:,} lines, {pods:,} pods")
        for _ in range(runs):
            for name, (form, _, output) in by_name.items():
                directory = Path(temporary) / name
                results.setdefault(name, []).append(run(daemon_program(directory, form=form, output=output), directory))
        table(results, lines)


def table(results: dict[str, list[Run]], lines: int) -> None:
    """Print the least of each program's runs, since more is the work of others; ratios are to the first program."""
    first = min(run.cpu for run in next(iter(results.values())))
    heads = f"{'':26} {'lines/CPU-s':>12} {'CPU s':>7} {'(to)':>7} {'wall s':>7} {'peak MiB':>9}"
    print(f"{heads} {'pods named':>11} {'CPU':>7}")
    for name, runs in results.items():
        cpu, wall, peak = (min(column) for column in zip(*((r.cpu, r.wall, r.peak) for r in runs), strict=True))
        figures = f"{lines / cpu:12,.0f} {cpu:7.2f} {max(r.cpu for r in runs):7.2f} {wall:7.2f} {peak:9.0f}"
        print(f"{name:26} {figures} {runs[-1].named:11,} {cpu / first:6.2f}x")


def _print_heading(subject: str) -> None:
    print(f"{subject}; {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", action="store_true", help="Enricher only: formats, unusual lines, --output none")
    arguments = parser.parse_args()
    if arguments.cases:
        cases(arguments.lines, arguments.pods, arguments.runs)
    else:
        compare(arguments.lines, arguments.pods, Shares(), arguments.runs)


if __name__ == "__main__":
    main()
