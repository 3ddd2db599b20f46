"""The engine reports each pod at which attempts failed, once whenever attempts are counted, and no other."""

from enricher.line import Line
from tests.unit.enrich.controller_lines import STAMP, access, enrich_all


def failures(make, *texts, times=1):
    """The pods that are reported for lines, of each time that attempts are counted."""
    reported = []
    enricher, histories = make(on_failure=lambda owner: reported[-1].append(owner.pod))
    for _ in range(times):
        reported.append([])
        enrich_all(enricher, histories, [Line(text, STAMP, "stdout") for text in texts])
        assert reported[-1] == []
        enricher.update_counts()
    return reported


def test_a_pod_that_failed_is_reported_once_for_many_attempts(make):
    failed = access(status=b"502")
    assert failures(make, failed, failed, failed, access(b"10.0.0.2:80")) == [["web-1"]]


def test_it_is_reported_again_while_failures_go_on(make):
    assert failures(make, access(status=b"502"), times=3) == [["web-1"]] * 3


def test_an_attempt_that_was_retried_counts_too(make):
    retried = access(b"10.0.0.1:80, 10.0.0.2:80", b"504, 200", took=b"0.003, 0.001", length=b"0, 5")
    assert failures(make, retried) == [["web-1"]]


def test_nobody_is_reported_for_good_answers_and_unknown_addresses(make):
    assert failures(make, access(), access(b"10.9.9.9:80", b"502"), access(status=b"404")) == [[]]


def test_nothing_is_reported_after_the_failures_end(make):
    reported = []
    enricher, histories = make(on_failure=reported.append)
    for status in (b"502", b"200"):
        enrich_all(enricher, histories, [Line(access(status=status), STAMP, "stdout")])
        enricher.update_counts()
    assert len(reported) == 1
