"""That failures keep to one pod, node, zone or revision is said if chance does not explain it, and only then."""

from math import comb

import pytest

from enricher.report.findings.patterns import _chance
from tests.unit.report.findings.records import attempt, only_finding, record


def evidence(*records):
    return only_finding(*records).evidence[0]


def mixed(number, *makers):
    """So many records of each maker in turn, one a second; a maker gets the number and makes an attempt."""
    return [record(maker(n), at=n + index / 10) for n in range(number) for index, maker in enumerate(makers)]


def test_all_failures_on_a_new_revision():
    before = mixed(30, lambda n: attempt(f"web-5d4b-{n % 3}"))
    after = [
        record(made, at=100 + n + part)
        for n in range(214)
        for part, made in ((0, attempt(f"web-7f9c-{n % 2}", "application")), (0.5, attempt(f"web-5d4b-{n % 3}")))
    ]
    finding = only_finding(*before, *after)
    assert finding.evidence[0] == (
        "All 214 failures are on revision 7f9c (new), none on 5d4b, where 244 attempts went well."
    )
    assert finding.headline == "shop/web: the application answered with an error, only in the new revision"
    assert finding.advice.commands[0] == "kubectl -n shop rollout undo deployment/web"
    assert finding.advice.spared == 214
    assert finding.advice.sure.startswith("likely")


def test_a_revision_that_was_there_from_the_beginning_is_not_new():
    finding = only_finding(
        *mixed(50, lambda n: attempt(f"web-7f9c-{n % 2}", "application"), lambda n: attempt(f"web-5d4b-{n % 3}"))
    )
    assert finding.evidence[0].startswith("All 50 failures are on revision 7f9c, none on 5d4b")
    assert not any("rollout undo" in command for command in finding.advice.commands)
    assert finding.advice.spared is None


def test_an_older_revision_that_was_gone_shows_less():
    old = mixed(40, lambda n: attempt(f"web-5d4b-{n % 3}"))
    new = [record(attempt(f"web-7f9c-{n % 2}", "application"), at=1000 + n) for n in range(40)]
    assert only_finding(*old, *new).advice.sure == "if nothing else changed"


def test_pods_of_an_old_revision_are_shut_down_by_nature():
    records = mixed(50, lambda n: attempt("web-5d4b-1", "shutting_down"), lambda n: attempt(f"web-7f9c-{n % 3}"))
    assert evidence(*records) == "All 50 failures are on one pod of 4: web-5d4b-1."
    pods = mixed(50, lambda n: attempt(f"web-5d4b-{n % 2}", "shutting_down"), lambda n: attempt("web-7f9c-1"))
    assert not any("revision" in text for text in only_finding(*pods).evidence)


def test_one_pod_of_forty():
    records = mixed(80, lambda n: attempt(f"web-a-{n % 40}", "application" if n % 40 == 7 else ""))
    finding = only_finding(*records, *mixed(3, lambda n: attempt("web-a-7", "application")))
    assert finding.evidence[0] == "All 5 failures are on one pod of 40: web-a-7."


@pytest.mark.parametrize(("failures", "is_said"), [(4, False), (15, True)])
def test_a_pod_that_gets_most_requests_is_not_blamed_for_most_failures(failures, is_said):
    good = mixed(60, lambda n: attempt("web-a-1"), lambda n: attempt(f"web-a-{2 + n % 2}"))
    failed = [record(attempt("web-a-1", "application"), at=n) for n in range(failures)]
    assert any("one pod of" in text for text in only_finding(*good, *failed).evidence) == is_said


def test_pods_that_were_not_tried_at_the_time_prove_nothing():
    good = [record(attempt(f"web-a-{n % 5}"), at=n) for n in range(200)]
    failed = [record(attempt("web-a-9", "application"), at=1000 + n) for n in range(20)]
    assert not any("one pod of" in text for text in only_finding(*good, *failed).evidence)


def test_all_pods_of_a_node_and_of_a_zone():
    def at_node(number, zone, cause=""):
        return lambda n: attempt(f"web-a-{number}-{n % 2}", cause, node=f"node-{number}", zone=zone)

    good = (at_node(1, "a"), at_node(2, "a"))
    assert evidence(*mixed(20, *good, at_node(3, "b", "application"))) == (
        "All 20 failures are on pods of node node-3, none on 2 other nodes, where 40 attempts went well."
    )
    bad = (at_node(3, "b", "application"), at_node(4, "b", "application"))
    assert evidence(*mixed(20, *good, *bad)) == (
        "All 40 failures are on pods of zone b, none in a, where 40 attempts went well."
    )


def test_a_few_failures_elsewhere_are_counted():
    records = mixed(95, lambda n: attempt("web-a-1", "application"), *[lambda n: attempt(f"web-a-{2 + n % 8}")] * 4)
    stray = [record(attempt("web-a-2", "application"), at=n) for n in range(5)]
    assert evidence(*records, *stray) == "95 of 100 failures are on one pod of 9: web-a-1."


def test_a_new_revision_of_one_pod_is_told_by_its_pod():
    before = mixed(30, lambda n: attempt(f"web-old-{n % 3}"))
    after = [
        record(made, at=100 + n + part)
        for n in range(50)
        for part, made in ((0, attempt("web-new-1", "application")), (0.5, attempt(f"web-old-{n % 3}")))
    ]
    assert only_finding(*before, *after).evidence[0] == "All 50 failures are on one pod of 4: web-new-1."
    more = [record(attempt("web-new-2"), at=120 + n) for n in range(50)]
    texts = only_finding(*before, *after, *more).evidence
    assert texts[0] == "All 50 failures are on one pod of 5: web-new-1."
    assert texts[1].startswith("All 50 failures are on revision new (new), none on old")


def test_an_address_is_not_a_pod():
    unnamed = {"addr": "10.96.0.1:80", "pod": "", "attribution": "service"}
    records = mixed(50, lambda n: attempt("web-a-1", "application") | unnamed, lambda n: attempt(f"web-a-{n % 3}"))
    assert not any("one pod of" in text for text in only_finding(*records).evidence)


@pytest.mark.parametrize(("trials", "hits"), [(10, 10), (50, 47), (100, 90), (200, 181)])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.85])
def test_the_bound_is_no_less_than_the_probability_and_of_its_order(trials, hits, share):
    exact = sum(comb(trials, n) * share**n * (1 - share) ** (trials - n) for n in range(hits, trials + 1))
    assert exact <= _chance(hits, trials, share) * (1 + 1e-9)
    assert _chance(hits, trials, share) <= exact * 20


def test_what_is_no_more_than_usual_may_be_chance():
    assert _chance(5, 10, 0.5) == _chance(5, 10, 0.7) == 1.0
