"""What counts as a failure, a request, and something that a client saw."""

import pytest

from enricher.report.findings.as_text import numbers_text, totals_texts
from tests.unit.report.findings.records import attempt, diagnose, only_finding, record


def test_attempts_of_one_request_are_failures_of_their_own():
    made = diagnose(
        record(attempt("web-a-1", "crashed", outcome="hidden"), attempt("web-a-2", "crashed", outcome="hidden"),
               attempt("web-a-3")),
        record(attempt("web-a-1", "crashed"), at=1),
        record(attempt("web-a-3"), at=2),
    )  # fmt: skip
    (finding,) = made.findings()
    assert (finding.failures, finding.requests, finding.attempts) == (3, 2, 5)
    assert (finding.seen_by_clients, finding.hidden) == (1, 2)
    assert numbers_text(finding) == "3 failures of 5 attempts (60 %), 1 seen by clients, 2 hidden by a retry"
    assert (made.totals.requests, made.totals.failed_requests) == (3, 2)


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        (["seen"], "the client saw it"),
        (["seen", "seen"], "clients saw them all"),
        (["hidden", "hidden"], "no client saw any"),
        (["seen", "unknown"], "1 seen by clients, 0 hidden by a retry, 1 not known"),
    ],
)
def test_what_clients_saw(outcomes, text):
    finding = only_finding(*(record(attempt("web-a-1", "crashed", outcome=outcome)) for outcome in outcomes))
    assert numbers_text(finding).endswith(text)


def test_an_error_page_only_repeats_the_failure_before_it():
    page = attempt("errors-b-1", status=502, origin="pod", outcome="seen", cause="application", internal_redirect=True)
    assert only_finding(record(attempt("web-a-1", "crashed"), page)).cause == "crashed"
    assert only_finding(record(page)).cause == "application"
    refused = page | {"origin": "proxy", "cause": "crashed"}
    assert only_finding(record(attempt("web-a-1", "crashed"), refused)).failures == 2


def test_a_failure_without_a_cause_is_one_of_unknown_cause():
    finding = only_finding(record(attempt("web-a-1", status=502, origin="proxy")))
    assert (finding.cause, finding.grade) == ("unknown", "")


def test_a_grade_is_the_least_sure_one():
    sure = [record(attempt("web-a-1", "crashed", cause_grade="certain"), at=n) for n in range(3)]
    assert only_finding(*sure).grade == "certain"
    finding = only_finding(*sure, record(attempt("web-a-1", "crashed")))
    assert finding.grade == "likely"
    assert "The cause is certain of 3, likely of 1." in finding.evidence


def test_the_worst_is_what_clients_saw_most_of():
    hidden = [record(attempt("web-a-1", "crashed", outcome="hidden"), at=n) for n in range(9)]
    seen = [record(attempt("web-a-1", "application", outcome="seen"), at=n) for n in range(2)]
    assert [finding.cause for finding in diagnose(*hidden, *seen).findings()] == ["application", "crashed"]


def test_no_failures_and_nothing_at_all():
    made = diagnose(record(attempt("web-a-1")), {"kind": "other", "time": None})
    assert list(totals_texts(made.findings(), made.totals)) == [
        "No failures: 1 attempt of 1 request read, 2026-11-27 10:00:00 UTC.",
        "1 other line: 1 not about requests.",
    ]
    made = diagnose()
    assert list(totals_texts(made.findings(), made.totals)) == ["Nothing was read, so nothing is known of failures."]


def test_lines_without_times_and_names_are_no_trouble():
    nameless = {
        "addr": "10.0.0.9:80",
        "status": None,
        "response_time": None,
        "attribution": "unknown",
        "origin": "proxy",
    }
    finding = only_finding(record(nameless) | {"time": None, "status": None})
    assert (finding.first, dict(finding.pods)) == (None, {"10.0.0.9:80": 1})
    assert finding.headline == "unknown service: failures without a known cause"
    assert not any("10.0.0.9" in command for command in finding.advice.commands)
