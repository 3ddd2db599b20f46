"""Lines that look like a daemon's output may have any value in any field: they are diagnosed all the same."""

from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.cli.output_lines import parse_output
from enricher.cli.read_records import RecordReader
from enricher.report.findings.as_data import csv_lines, findings_json, markdown_lines
from enricher.report.findings.as_text import text_lines
from enricher.report.findings.diagnosis import Diagnosis
from enricher.vocabulary import Cause, CauseGrade, Grade, Origin, Outcome, Reason, State

OF_ATTEMPT = [
    "addr", "status", "response_time", "attribution", "namespace", "pod", "uid", "node", "service", "state",
    "state_seconds", "age_seconds", "zone", "zone_crossed", "workload", "workload_kind", "revision", "cause",
    "cause_grade", "origin", "reason", "outcome", "grpc_status", "late_seconds", "internal_redirect",
]  # fmt: skip
OF_LINE = [
    "status", "request", "request_method", "request_uri", "req_id", "request_id", "http_x_request_id", "remote_addr",
    "client_pod", "cause", "reason", "subrequest", "route", "namespace", "service", "outcome", "attempts",
]  # fmt: skip
HOSTILE = ["", "\x1b[2J\x07", "[red]x[/]", "=1+1", "`a`|<b>", "\u202e\u2028", "x" * 5000, "/", "2026-11-27T10:00:00Z"]
WORDS = [word for kind in (Cause, CauseGrade, Grade, Origin, Outcome, Reason, State) for word in kind]
VALUES = (
    st.sampled_from([*HOSTILE, *WORDS, 200, 502, 504, 0.5])
    | st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(st.booleans(), max_size=2) | st.dictionaries(st.text(max_size=2), st.none(), max_size=2)
)  # fmt: skip
ATTEMPTS = st.dictionaries(st.sampled_from(OF_ATTEMPT), VALUES, min_size=8).map(
    lambda fields: {"addr": "a", "status": 502, "response_time": 0.1, "attribution": "exact"} | fields
)
TIMES = st.sampled_from(["2026-11-27T10:00:00Z", "9999-12-31T23:59:59.9Z", "0001-01-01T00:00:00Z", "x", None])


def line_of(time: object, kind: str, attempts: list[object], fields: dict[str, object]) -> bytes:
    return orjson.dumps({"time": time, "kind": kind, "logged_by": {}, "attempts": attempts} | fields)


LINES = st.builds(
    line_of,
    TIMES,
    st.sampled_from(["access"] * 4 + ["error", "other", "parse_error"]),
    st.lists(ATTEMPTS, max_size=3),
    st.dictionaries(st.sampled_from(OF_LINE), VALUES),
)


def facts_of(attempt):
    """What is known of a pod when there is no recording."""
    return RecordReader.facts_of(SimpleNamespace(_has_histories=False), attempt)  # type: ignore[arg-type]


@settings(max_examples=150)
@given(st.lists(LINES, min_size=1, max_size=5))
def test_any_value_in_any_field(lines: list[bytes]) -> None:
    diagnosis = Diagnosis(facts_of, lambda *_: ())
    for line in lines:
        if record := parse_output(line):
            diagnosis.add(record)
    findings, totals = diagnosis.findings(), diagnosis.totals
    orjson.loads(findings_json(findings, totals))
    texts = [line.text for line in text_lines(findings, totals, 80)]
    for text in (*texts, *csv_lines(findings), *markdown_lines(findings, totals)):
        assert text.isprintable()
        assert len(text) < 20_000


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_in_every_form(value: str) -> None:
    """Nothing is a formula to a spreadsheet, nor markup in a ticket."""
    names = dict.fromkeys(("pod", "namespace", "service", "node", "workload", "revision", "zone", "reason"), value)
    attempt = {"addr": "a", "status": 502, "response_time": 0.1, "attribution": "exact", "cause": "crashed"} | names
    record = parse_output(line_of("2026-11-27T10:00:00Z", "access", [attempt], {"request": value, "req_id": value}))
    assert record
    diagnosis = Diagnosis(facts_of, lambda *_: ())
    diagnosis.add(record)
    findings, totals = diagnosis.findings(), diagnosis.totals
    _, row = csv_lines(findings)
    assert not any(cell.strip('"').startswith(("=", "+", "@")) for cell in row.split(","))
    outside = "\n".join(markdown_lines(findings, totals)).split("```")[::2]
    assert not any(markup in text for text in outside for markup in ("<b>", "[red]", "|a"))
