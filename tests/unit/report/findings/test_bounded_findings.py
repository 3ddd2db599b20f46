"""However many failures, pods and services a log names, what is kept of them is bounded and says so."""

import pytest

from enricher.report.findings import diagnosis, groups
from enricher.report.findings.as_text import totals_texts
from enricher.report.findings.groups import Sample
from tests.unit.report.findings.records import attempt, diagnose, only_finding, record

LIMIT = 10


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(diagnosis, "MAX_GROUPS", LIMIT)
    monkeypatch.setattr(diagnosis, "MAX_PODS", LIMIT)
    monkeypatch.setattr(groups, "MAX_NAMES", LIMIT)
    monkeypatch.setattr(groups, "MAX_SAMPLE", LIMIT)


def test_findings_have_places_in_fair_shares():
    evil = [record(attempt("web-a-1", "crashed", namespace="evil", service=f"s-{n}")) for n in range(100)]
    shop = [record(attempt("web-a-1", "crashed", service=f"s-{n}")) for n in range(4)]
    made = diagnose(*evil, *shop)
    findings = made.findings()
    assert len(findings) == LIMIT
    assert {service for finding in findings for service in finding.services} >= {f"shop/s-{n}" for n in range(4)}
    assert made.totals.failures == 104 == sum(finding.failures for finding in findings) + made.totals.without_place
    assert any("94 failures in no finding" in text for text in totals_texts(findings, made.totals))


def test_pods_are_compared_in_fair_shares():
    evil = [record(attempt(f"web-a-{n}", "crashed", namespace="evil")) for n in range(100)]
    made = diagnose(*evil, *(record(attempt(f"web-a-{n}", "crashed")) for n in range(4)))
    assert made.totals.pods_without_place == 94
    finding = next(finding for finding in made.findings() if finding.services == ["evil/web"])
    assert finding.failures == 100
    assert len(finding.pods) == LIMIT + 1
    assert finding.pods["overflow"] == 90


def test_a_sample_is_bounded_spread_and_whole_while_it_is_small():
    sample = Sample()
    for number in range(LIMIT):
        sample.add(number)
    assert sample.items == [*range(LIMIT)]
    for number in range(LIMIT, 1000):
        sample.add(number)
    assert LIMIT // 2 <= len(sample.items) <= LIMIT
    gaps = {after - before for before, after in zip(sample.items, sample.items[1:], strict=False)}
    assert len(gaps) == 1
    assert sample.items[-1] >= 1000 - gaps.pop()
    assert sample.total == 1000


def test_the_number_that_a_sleep_spares_is_of_all_failures():
    late = [
        attempt("web-a-1", "shutting_down", state="terminating", late_seconds=1.0, reason="refused") for _ in range(500)
    ]
    assert only_finding(*(record(made, at=n) for n, made in enumerate(late))).advice.spared == 500


def test_examples_are_the_first_the_last_and_one_between():
    examples = only_finding(*(record(attempt("web-a-1", "crashed"), at=n) for n in range(500))).examples
    assert [example.request_id for example in examples][::2] == ["id-0", "id-499"]
    assert 100 < int(examples[1].request_id.partition("-")[2]) < 499


def test_names_are_no_longer_than_those_of_kubernetes():
    long = "x" * 100_000
    finding = only_finding(record(attempt(long, long, namespace=long, service=long, node=long, reason=long, zone=long)))
    assert max(map(len, (*finding.pods, *finding.nodes, *finding.services, finding.cause))) < 600
    assert max(len(text) for text in (finding.headline, *finding.evidence, *finding.advice.commands, "")) < 1000
