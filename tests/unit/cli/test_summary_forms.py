"""`enrich --summary`: by what its rows are, and in which forms it is printed."""

import csv
import io
import json
from collections import Counter

import pytest
from rich.cells import cell_len

from enricher.cli.main import main
from enricher.report.summary_table import WIDTH, total_text, wrap_parts
from tests.support.controller_logs import access
from tests.support.terminals import assert_harmless

NEW, OLD = "web-7f9c6d5b48-x2x2x", "web-5d4bc8f7d6-z4z4z"
BEFORE = "2026-11-22T23:00:00Z"


def endpoint(ip, pod, node, zone):
    target = {"kind": "Pod", "name": pod, "namespace": "shop", "uid": f"uid-{pod}"}
    return {"addresses": [ip], "nodeName": node, "zone": zone, "targetRef": target, "conditions": {"ready": True}}


@pytest.fixture
def recorded(tmp_path):
    slice_ = {
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [endpoint("10.0.0.1", OLD, "node-1", "eu-a"), endpoint("10.0.0.2", NEW, "node-2", "eu-b")],
        "ports": [{"port": 80}],
    }
    (tmp_path / "watch.jsonl").write_text(json.dumps({"at": BEFORE, "type": "ADDED", "object": slice_}) + "\n")
    lines = [access(n) for n in range(8)] + [access(8, "10.0.0.2:80")]
    lines += [access(9, "10.0.0.2:80, 10.0.0.1:80", "502, 200", "0.500, 0.002", "0, 5")]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    return ["enrich", "--summary", "--endpoints", str(tmp_path / "watch.jsonl"), str(tmp_path / "log")]


def rows(capsys, recorded, *options):
    assert main([*recorded, *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("pod", [("shop,web," + NEW, "2", "1"), ("shop,web," + OLD, "9", "0")]),
        ("service", [("shop,web", "11", "1")]),
        ("workload", [("shop,web", "11", "1")]),
        ("revision", [("shop,web,7f9c6d5b48", "2", "1"), ("shop,web,5d4bc8f7d6", "9", "0")]),
        ("node", [("node-2", "2", "1"), ("node-1", "9", "0")]),
        ("zone", [("eu-b", "", "1")]),
    ],
)
def test_rows_are_of_what_was_asked_for(capsys, recorded, by, expected):
    """Good attempts do not name their zone, so nothing is said of all attempts in one."""
    table = list(csv.DictReader(io.StringIO(rows(capsys, recorded, "--by", by, "-o", "csv"))))
    names = list(table[0])[: list(table[0]).index("attempts")]
    assert names[-1] == by
    found = [(",".join(row[name] for name in names), row["attempts"], row["errors"]) for row in table]
    assert found == expected


def test_json_has_what_the_table_has(capsys, recorded):
    document = json.loads(rows(capsys, recorded, "-o", "json"))
    assert document["by"] == "pod"
    assert document["totals"]["attempts"] == {"exact": 11}
    worst, _ = document["rows"]
    assert (worst["codes"], worst["hidden"], worst["p99_seconds"]) == ({"502": 1}, 1, 0.5)
    assert worst["first_failure"] == worst["last_failure"] == "2026-11-22T23:18:31Z"


def test_a_programs_columns_are_the_same_without_any_row(capsys, recorded):
    table = rows(capsys, recorded, "-o", "csv")
    assert main([*recorded[:-1], "-o", "csv", "/dev/null"]) == 0
    assert table.startswith(capsys.readouterr().out)


def test_numbers_and_reasons_fit_into_80_columns(capsys, recorded):
    for line in rows(capsys, recorded).splitlines():
        assert cell_len(line) <= 80 or line.endswith((NEW, OLD))


@pytest.mark.parametrize("form", ["text", "json", "markdown", "csv"])
def test_names_are_texts_in_every_form(tmp_path, capsys, form):
    """A formula in a spreadsheet, markup in a ticket, a cell more."""
    pod = '=1+1 |<b>**x** [x](http://x) "\u3164'
    names = {"pod": pod, "namespace": "shop", "service": "web"}
    (tmp_path / "e.yaml").write_text(f"10.0.0.1:80: {json.dumps(names)}")
    (log := tmp_path / "log").write_text(access(1, status="502") + "\n")
    options = ["--endpoints", str(tmp_path / "e.yaml")]
    assert main(["enrich", "--summary", *options, "-o", form, str(log)]) == 0
    text = capsys.readouterr().out
    assert_harmless(text)
    if form == "csv":
        [row] = csv.DictReader(io.StringIO(text))
        assert row["pod"].startswith("'=1+1 |<b>")
    if form == "markdown":
        assert r"=1+1 \|\<b\>\*\*x\*\* \[x\](http://x)" in text


@pytest.mark.parametrize("option", ["--by=node", "--output=csv"])
def test_options_of_a_summary_need_one(capsys, option):
    assert main(["enrich", "--endpoints", "/nowhere", option, "/dev/null"]) == 2
    assert f"{option.partition('=')[0]} is about the table of --summary" in capsys.readouterr().err


def test_lines_of_the_error_log_are_not_called_errors():
    counts = Counter(access=60, error=248, other=27)
    assert total_text("lines", counts) == "335 lines: 248 error log, 60 access, 27 other"


def test_statuses_are_broken_between_and_not_within():
    statuses = ["502:3", "504:1", *(f"{name}:{n}" for name in ("INVALID_ARGUMENT", "NOT_FOUND", "OK") for n in (1, 22))]
    text = (
        f"30 errors: {' '.join(statuses)}; 9 unknown, 2 timeout (likely); 2026-11-25T01:20:00Z to 2026-11-25T01:20:01Z"
    )
    lines = wrap_parts(text)
    assert max(map(len, lines)) <= WIDTH
    assert {*statuses[:-1], f"{statuses[-1]};"} <= {word for line in lines for word in line.split()}
    assert any("2 timeout (likely)" in line for line in lines)
    assert any("2026-11-25T01:20:00Z to 2026-11-25T01:20:01Z" in line for line in lines)
