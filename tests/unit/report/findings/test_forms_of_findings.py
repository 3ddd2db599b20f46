"""Findings as text, JSON, CSV and Markdown: complete, readable, and with nothing in them that a reader obeys."""

import csv
import re

import orjson
import pytest

from enricher.report.findings.as_data import CSV_COLUMNS, csv_lines, findings_json, markdown_lines
from enricher.report.findings.as_text import text_lines
from enricher.vocabulary import Cause
from tests.unit.report.findings.records import attempt, diagnose, record

HOSTILE = "GET /```<script>|[x](javascript:y)\x1b[2J\u202e`` HTTP/1.1"
ISSUE_KEYS = {
    *("cause", "grade", "failures", "requests", "service", "workload", "revision", "pods", "nodes", "first", "last"),
    *("seen_by_clients", "evidence", "advice", "spared"),
}


@pytest.fixture
def every_cause():
    causes = [cause for cause in Cause if cause]
    made = [
        attempt(f"web-878dbc76b-{n:05}", cause, service=f"s-{cause}", state="terminating", late_seconds=n / 9)
        for n in range(40)
        for cause in causes
    ]
    return diagnose(*(record(one | {"age_seconds": 3.0}, at=n) for n, one in enumerate(made)))


def test_text_fits_into_eighty_columns_but_for_what_is_to_be_copied(every_cause):
    lines = list(text_lines(every_cause.findings(), every_cause.totals, 80))
    assert {line.text for line in lines if len(line.text) > 80} <= {line.text for line in lines if line.style == "cyan"}
    assert all("\n" not in line.text for line in lines)
    assert [line.text[:3] for line in lines if re.match(r"\d+\. ", line.text)][:2] == ["1. ", "2. "]
    assert lines[-1].text.endswith("UTC.")


def test_json_has_what_is_promised(every_cause):
    value = orjson.loads(findings_json(every_cause.findings(), every_cause.totals))
    assert len(value["findings"]) == len([cause for cause in Cause if cause])
    for finding in value["findings"]:
        assert finding.keys() >= ISSUE_KEYS
        assert (finding["failures"], finding["workload"]) == (40, "Deployment/web")
        assert (finding["service"], finding["revision"]) == (f"shop/s-{finding['cause']}", "878dbc76b")
        assert len(finding["examples"]) == 3
    assert value["totals"]["failures"] == 400


def test_json_of_several_services_names_none_as_the_one():
    made = diagnose(*(record(attempt("web-a-1", "unreachable_node", service=name)) for name in ("web", "pay")))
    (finding,) = orjson.loads(findings_json(made.findings(), made.totals))["findings"]
    assert (finding["service"], finding["services"]) == (None, ["shop/web", "shop/pay"])


def test_csv_has_a_row_for_each_finding(every_cause):
    rows = list(csv.DictReader(csv_lines(every_cause.findings())))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert {row["cause"] for row in rows} == {cause for cause in Cause if cause}


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@SUM(A1)", 'a"b,c\nd'])
def test_csv_holds_no_formulas(name):
    made = diagnose(record(attempt(name, "crashed", workload=name, workload_kind="", revision="a", node=name)))
    (row,) = csv.DictReader(csv_lines(made.findings()))
    assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())


def test_nothing_of_a_request_is_markup_or_moves_the_cursor():
    made = diagnose(record(attempt("web-a-1", "crashed", service="`*<b>"), request=HOSTILE))
    findings = made.findings()
    texts = [line.text for line in text_lines(findings, made.totals, 80)]
    markdown = list(markdown_lines(findings, made.totals))
    for line in (*texts, *markdown, *csv_lines(findings)):
        assert line.isprintable()
    fences = [line for line in markdown if line.startswith("```")]
    (examples,) = (line for line in fences if line.endswith("text"))
    assert examples == "````text"
    outside = "\n".join(re.sub(r"(?ms)^(`{3,})\w+$.*?^\1$", "", "\n".join(markdown)).splitlines())
    assert not re.search(r"(?<!\\)[<`|\[]", outside)
