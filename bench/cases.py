"""Enricher compared with itself: each case's speed beside the first one's, and the ratio that it has to reach.

All cases run in turns, so that other work on the machine slows down all of them. With `net`, the cost of the start and
the end, measured with a log of one line, is subtracted.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from endpoints import ENDPOINTS
from generate import NO_SHARES, Log, Shares, generate
from measure import THIS, Build, Run, daemon_program, least, print_heading, run


class Case(NamedTuple):
    """A log, what is known of its pods (a key of ENDPOINTS), and what is written out."""

    name: str
    log: Log = Log()
    endpoints: str = "in-sync"
    output: str = "json"
    required: float | None = None
    """The least speed, as a ratio to that of the first case."""
    aim: float | None = None


CASES = (
    Case("nginx"),
    Case("snapshot", endpoints="snapshot", required=0.85, aim=1),
    Case("plain", Log(framing="plain"), required=0.85, aim=1),
    Case("fixed", endpoints="fixed", required=0.85, aim=1),
    Case("out-of-sync", endpoints="out-of-sync", required=0.85, aim=1),
    Case("changed-hands", Log(slow=True), endpoints="changed-hands", required=0.85, aim=1),
    Case("claimed", endpoints="claimed"),
    Case("docker", Log(framing="docker"), required=0.75, aim=0.9),
    Case("envoy", Log("envoy"), required=0.75, aim=1),
    Case("haproxy", Log("haproxy"), required=0.75, aim=1),
    Case("traefik", Log("traefik"), required=0.75, aim=1),
    Case("nginx-custom", Log("nginx-custom"), required=0.75, aim=1),
    Case("nginx-json", Log("nginx-json"), required=0.75, aim=1),
    Case("envoy-json", Log("envoy-json"), required=0.6, aim=0.8),
    Case("traefik-json", Log("traefik-json"), required=0.6, aim=0.8),
    # Of each 100 requests: four retries, three 5xx and three escapes; ten users with a space; ten pods as clients.
    Case("uncommon", Log(shares=Shares(0.04, 0.03, 0.03)), required=1 / 1.25, aim=1 / 1.1),
    Case("user-names", Log(shares=replace(NO_SHARES, spaces=0.1)), required=1 / 1.15),
    Case("pod-clients", Log(shares=replace(NO_SHARES, pod_clients=0.1)), required=1 / 1.15),
    Case("output-none", output="none", required=1.6, aim=2.5),
)
BASELINE = Case("baseline", required=1.15, aim=2)
"""The first case with another build of Enricher. Its speeds are ratios of the first case's speed to its own."""


def measure_cases(
    names: Sequence[str], *, lines: int, pods: int, runs: int, baseline: Build | None = None, net: bool = False
) -> None:
    """Print the table of the cases with these names, or of all. The first case is always among them."""
    cases = [case for case in CASES if case == CASES[0] or not names or case.name in names]
    pair = {CASES[0]: THIS} | ({BASELINE: baseline} if baseline else {})
    builds = pair | dict.fromkeys(cases, THIS)
    results: dict[Case, list[Run]] = {case: [] for case in builds}
    fixed_costs: dict[Case, list[Run]] = {case: [] for case in builds}
    with TemporaryDirectory() as temporary:
        where = Path(temporary)
        _generate(where / "all", cases, lines, pods)
        _generate(where / "one", cases, 1, pods)
        print_heading(f"{lines:,} lines, {pods:,} pods")
        for _ in range(runs):
            for case, build in builds.items():
                results[case].append(_run(where / "all", case, build))
                if net:
                    fixed_costs[case].append(_run(where / "one", case, build))
    _print_table(results, fixed_costs if net else {}, lines)


def _generate(where: Path, cases: Sequence[Case], lines: int, pods: int) -> None:
    """Write each log and each endpoints file once, whichever cases share it."""
    for log in {case.log for case in cases}:
        generate(_directory(where, log), count=lines, pods=pods, log=log)
    for kind in {case.endpoints for case in cases}:
        (where / kind).write_text(ENDPOINTS[kind](pods))


def _directory(where: Path, log: Log) -> Path:
    return where / f"{log.form}-{log.framing}-{abs(hash(log))}"


def _run(where: Path, case: Case, build: Build) -> Run:
    directory, form, framing = _directory(where, case.log), case.log.form, case.log.framing
    options = {"form": form, "framing": framing, "endpoints": where / case.endpoints, "output": case.output}
    result = run(daemon_program(directory, build=build, **options), directory)
    (directory / "out").unlink()  # the outputs of all cases would be gigabytes
    return result


def _print_table(results: dict[Case, list[Run]], fixed_costs: dict[Case, list[Run]], lines: int) -> None:
    """Print the least of each case's runs; speeds are ratios, whose requirements are about whole processes."""
    heads = f"{'':14} {'lines/CPU-s':>11} {'CPU s':>7} {'(to)':>7} {'peak MiB':>9} {'pods named':>11} {'speed':>6}"
    net_heads = f" {'net lines/CPU-s':>16} {'net speed':>10}" if fixed_costs else ""
    print(f"{heads} {'required':>9} {'aim':>5} {'reached':>8}{net_heads}")
    costs = {case: least(runs)[0] for case, runs in results.items()}
    # At least 10 ms: no smaller difference can be measured.
    net_costs = {case: max(0.01, costs[case] - least(runs)[0]) for case, runs in fixed_costs.items()}
    for case, runs in results.items():
        cpu, _, peak = least(runs)
        speed = _speed(costs, case)
        figures = f"{lines / cpu:11,.0f} {cpu:7.2f} {max(r.cpu for r in runs):7.2f} {peak:9.0f} {runs[-1].named:11,}"
        row = f"{case.name:14} {figures} {speed:6.2f} {_ratio(case.required):>9} {_ratio(case.aim):>5}"
        row += f" {_reached(case, speed):>8}"
        if fixed_costs:
            row += f" {lines / net_costs[case]:16,.0f} {_speed(net_costs, case):10.2f}"
        print(row.rstrip())


def _speed(costs: dict[Case, float], case: Case) -> float:
    """Return how fast a case is beside the first one; for the baseline, how fast the first one is beside it."""
    return costs[case] / costs[CASES[0]] if case == BASELINE else costs[CASES[0]] / costs[case]


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _reached(case: Case, speed: float) -> str:
    if case.required is None:
        return ""
    if speed < case.required:
        return "no"
    return "aim" if case.aim and speed >= case.aim else "yes"
