"""Every generated line is read as the access line that it is, and the pods and grades are as expected."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import yaml

from enricher.cli.main import main
from tests.unit.bench.conftest import BENCH, bench_importable

with bench_importable() as load:
    cases, compare, endpoints, formats, generate = map(load, ("cases", "compare", "endpoints", "formats", "generate"))

LINES, PODS = 200, 60
POD_AT = {endpoints.address(pod): endpoints.name(pod) for pod in range(PODS)}
UNCOMMON = generate.Shares(retries=0.1, errors=0.1, escapes=0.1, spaces=0.1, pod_clients=0.1)
GRADES = {"snapshot": "assumed", "out-of-sync": "assumed", "claimed": "assumed"}
"""The grades that are not exact, by the kind of endpoints."""


def enriched(directory: Path, capsys: pytest.CaptureFixture[str], log, kind: str = "in-sync") -> list[dict]:
    path = generate.generate(directory, count=LINES, pods=PODS, log=log, endpoints=kind)
    options = ["--endpoints", str(directory / "endpoints"), *formats.FORMATS[log.form].options]
    assert main(["enrich", *options, str(path)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def pods_by_address(rows: list[dict]) -> list[str]:
    return [POD_AT[row["attempts"][-1]["addr"].partition(":")[0]] for row in rows]


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_each_case_is_read_and_graded_as_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str], case) -> None:
    rows = enriched(tmp_path, capsys, case.log, case.endpoints)
    assert Counter(row["kind"] for row in rows) == {"access": LINES}
    assert Counter(row["attribution"] for row in rows) == {GRADES.get(case.endpoints, "exact"): LINES}
    suffix = "-new" if case.endpoints == "changed-hands" else ""
    assert [row["pod"] for row in rows] == [f"{pod}{suffix}" for pod in pods_by_address(rows)]
    assert any(row["request_time"] >= 1 for row in rows) == case.log.slow


@pytest.mark.parametrize(("form", "framing"), list(product(formats.FORMATS, generate.FRAMINGS)))
def test_uncommon_requests_are_read_in_each_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, framing: str
) -> None:
    rows = enriched(tmp_path, capsys, generate.Log(form, framing, UNCOMMON))
    assert {row["kind"] for row in rows} == {"access"}
    assert [row["pod"] for row in rows] == pods_by_address(rows)
    # HAProxy's time has no zone, so a line without the runtime's stamp has no time at all.
    assert {row["attribution"] for row in rows} == {"assumed" if (form, framing) == ("haproxy", "plain") else "exact"}
    assert 10 < sum(row["status"] == 503 for row in rows) < 40
    agents = [row.get("http_user_agent") or row["captured_headers"].strip("{}") for row in rows]
    assert 10 < agents.count('curl/8 "quoted" 你') < 40
    assert agents.count(generate.AGENT) == LINES - agents.count('curl/8 "quoted" 你')
    if form != "envoy":  # its default has no client
        assert 10 < sum("client_pod" in row for row in rows) < 40
    if "remote_user" in rows[0]:
        users = Counter(row["remote_user"] for row in rows)
        assert set(users) == {"-", "jane doe"}
        assert 10 < users["jane doe"] < 40
    if form.startswith("nginx"):  # the others name the last attempt alone
        assert 10 < sum(len(row["attempts"]) == 2 for row in rows) < 40


def test_all_formats_have_the_same_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = [generate.Log(form, shares=UNCOMMON) for form in formats.FORMATS]
    first, *others = (enriched(tmp_path / log.form, capsys, log) for log in logs)
    for rows in others:
        assert [row["status"] for row in rows] == [row["status"] for row in first]
        assert [row["pod"] for row in rows] == [row["pod"] for row in first]


@pytest.mark.parametrize("form", compare.LOGS)
def test_the_expressions_of_the_peers_fit(form: str) -> None:
    (counting,) = re.findall(r"^/(.*)/ \{$", (BENCH / "mtail" / f"{form}.mtail").read_text(), re.MULTILINE)
    operators = yaml.safe_load((BENCH / "otelcol" / f"{form}.yaml").read_text())["receivers"]["filelog"]["operators"]
    (parser,) = (operator for operator in operators if operator["type"] == "regex_parser")
    for line in generate.lines(LINES, PODS, generate.Log(form, shares=replace(UNCOMMON, spaces=0))):
        assert re.search(counting, line.rstrip("\n"))
        text = line.rstrip("\n").partition(" stdout F ")[2]
        if "parse_from" in parser:
            text = json.loads(text)[parser["parse_from"].removeprefix("attributes.")]
        assert re.search(parser["regex"].replace("$$", "$"), text)["upstream_ip"] in POD_AT
