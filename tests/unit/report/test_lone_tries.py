"""Lines of tries in reports: a part of a request is nothing of its own, and a try without its request is an attempt."""

import orjson

from enricher.cli.line_filter import LineFilter
from enricher.cli.tail import format_lines
from enricher.report.findings.diagnosis import Diagnosis
from enricher.report.findings.failures import PodFacts
from enricher.report.pod_stats import PodStats
from tests.unit.enrich.generators.envoy_tries import Entry, Log


def records():
    log = Log()
    log.add(
        Entry("UpstreamPoolReady"),
        Entry("UpstreamEnd", status=503),
        Entry("UpstreamEnd", status=200, host="10.0.0.2:80"),
        Entry("DownstreamEnd", status=200, host="10.0.0.2:80", number=2),
        Entry("UpstreamEnd", "alone", status=503, host="10.0.0.3:80"),
    )
    log.release()
    return log


def tail(log, **filters):
    data = b"".join(orjson.dumps(row) + b"\n" for row in log.rows)
    return format_lines(data, LineFilter(**filters)).decode().splitlines()


def test_tail():
    log = records()
    first, second = tail(log)
    assert "503" in first
    assert second.endswith("without its request")
    assert len(tail(log, errors=True)) == 2
    assert [line.split("  ")[1].strip() for line in tail(log, request="a")] == [
        "UpstreamPoolReady 10.0.0.1:80",
        "UpstreamEnd 503 10.0.0.1:80",
        "UpstreamEnd 200 10.0.0.2:80",
        "200",
    ]


def test_summary():
    log, stats = records(), PodStats(None)
    for row in log.rows:
        stats.add(row)
    assert stats.grades.total() == 3
    assert stats.lines == {"try": 4, "access": 1}


def test_diagnosis():
    log, diagnosis = records(), Diagnosis(lambda _: PodFacts(), lambda *_: ())
    for row in log.rows:
        diagnosis.add(row)
    totals = diagnosis.totals
    assert (totals.requests, totals.attempts, totals.failures) == (1, 3, 2)
