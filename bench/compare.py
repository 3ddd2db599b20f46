"""Compare Enricher with its peers on the same files: `python bench/compare.py` prints lines per CPU-second and ratios.

Enricher is the daemon with everything that it does: checkpoints, metrics, the history. The peers, run in turns with it
if they are installed, are mtail (two counters, no output lines) and an OpenTelemetry Collector as built by
bench/otelcol/build.sh (its path in OTELCOL). `floor` is the cost that cannot be avoided: reading, splitting and writing
the bytes that Enricher writes, and nothing else.

`--cases` compares Enricher with itself (cases.py): formats, framings, endpoints, shares of uncommon lines.

Whole processes are measured, from their start to the last byte. The figures hold for this machine at this moment; the
ratios are what matters.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from cases import CASES, measure_cases
from generate import Log, Shares, generate
from measure import API_PORT, HERE, KUBECONFIG, Build, Program, Run, api, daemon_program, least, print_heading, run

LOGS = ("nginx", "envoy", "traefik-json")
"""The formats for which bench/mtail and bench/otelcol configure the peers."""
FLOOR = """
import sys
rest, out = b"", sys.stdout.buffer
with open(sys.argv[1], "rb", buffering=0) as file:
    while data := file.read(65536):
        *lines, rest = (rest + data).split(b"\\n")
        out.write(b"\\n".join(lines))
"""


def programs(directory: Path, form: str, log: Path) -> dict[str, Program]:
    result = {"enricher": daemon_program(directory, form=form)}
    if mtail := shutil.which("mtail"):
        command = [mtail, "--one_shot", "--progs", str(HERE / "mtail" / f"{form}.mtail"), "--logs", str(log)]
        result["mtail"] = Program([*command, "--port", "0"])
    if otelcol := os.environ.get("OTELCOL") or shutil.which("otelcol"):
        kubeconfig, out = directory / "kubeconfig", directory / "otelcol.out"
        kubeconfig.write_text(KUBECONFIG)
        environ = {"KUBECONFIG": str(kubeconfig), "BENCH_LOG": str(log), "BENCH_OUT": str(out)}
        command = [otelcol, "--config", str(HERE / "otelcol/config.yaml")]
        command += ["--config", str(HERE / "otelcol" / f"{form}.yaml")]
        pod_mark = b'"k8s.pod.name"'
        result["otelcol"] = Program(command, runs_on=True, out=out, environ=environ, pod_mark=pod_mark)
    return result


def compare(forms: Sequence[str], *, lines: int, pods: int, runs: int) -> None:
    with TemporaryDirectory() as temporary, api(API_PORT, pods):
        for form in forms or LOGS:
            directory = Path(temporary) / form
            log = generate(directory, count=lines, pods=pods, log=Log(form, shares=Shares()))
            print_heading(f"{form}: {lines:,} lines, {log.stat().st_size / 1e6:.0f} MB, {pods:,} pods")
            table(measure_peers(directory, form, log, runs), lines)
            shutil.rmtree(directory)


def measure_peers(directory: Path, form: str, log: Path, runs: int) -> dict[str, list[Run]]:
    results: dict[str, list[Run]] = {}
    enriched = directory / "enriched"
    for n in range(runs):
        for name, program in programs(directory, form, log).items():
            results.setdefault(name, []).append(run(program, directory))
            if name == "enricher" and not n:
                (directory / "out").rename(enriched)
        floor = Program([sys.executable, "-c", FLOOR, str(enriched)])
        results.setdefault("floor", []).append(run(floor, directory))
    return results


def table(results: dict[str, list[Run]], lines: int) -> None:
    """Print the least of each program's runs; ratios are to the first program."""
    first, _, _ = least(next(iter(results.values())))
    heads = f"{'':26} {'lines/CPU-s':>12} {'CPU s':>7} {'(to)':>7} {'wall s':>7} {'peak MiB':>9}"
    print(f"{heads} {'pods named':>11} {'CPU':>7}")
    for name, runs in results.items():
        cpu, wall, peak = least(runs)
        figures = f"{lines / cpu:12,.0f} {cpu:7.2f} {max(r.cpu for r in runs):7.2f} {wall:7.2f} {peak:9.0f}"
        print(f"{name:26} {figures} {runs[-1].named:11,} {cpu / first:6.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    case_names = [case.name for case in CASES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"logs ({', '.join(LOGS)}) or cases; default: all")
    parser.add_argument("--lines", type=int, help="lines of each log (1,000,000; cases: 300,000)")
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", action="store_true", help=f"Enricher alone: {', '.join(case_names)}")
    parser.add_argument("--net", action="store_true", help="with --cases: also without the start and the end")
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="PATH",
        help="with --cases: another checkout (run with its .venv if it has one), or an interpreter with an Enricher",
    )
    arguments = parser.parse_args()
    choices = case_names if arguments.cases else LOGS
    if unknown := [name for name in arguments.names if name not in choices]:
        parser.error(f"{unknown[0]!r} is unknown: choose from {', '.join(choices)}")
    sizes = {"pods": arguments.pods, "runs": arguments.runs}
    if arguments.cases:
        baseline = Build.at(arguments.baseline) if arguments.baseline else None
        measure_cases(arguments.names, lines=arguments.lines or 300_000, baseline=baseline, net=arguments.net, **sizes)
    else:
        compare(arguments.names, lines=arguments.lines or 1_000_000, **sizes)


if __name__ == "__main__":
    main()
