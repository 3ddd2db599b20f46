"""A node is blamed if nothing came back from any of its pods, while others answered, and only then."""

from itertools import product

import pytest

from tests.unit.report.findings.records import attempt, diagnose, record

SILENT = {"reason": "timed_out", "status": 504, "cause_grade": "certain"}


def silent(node, number, cause="timeout", service="web"):
    return attempt(f"{service}-a-{node}{number}", cause, node=f"node-{node}", service=service, **SILENT)


def good(node, number, service="web"):
    return attempt(f"{service}-a-{node}{number}", node=f"node-{node}", service=service)


def causes(*attempts):
    """The findings of attempts, one a second, each with how many failures it has."""
    findings = diagnose(*(record(made, at=n) for n, made in enumerate(attempts))).findings()
    return {finding.cause: finding.failures for finding in findings}


def outage(*more):
    return [
        *(good(node, number) for node, number in product((1, 2, 3), (1, 2))),
        *(made for number in (1, 2, 1, 2) for made in (silent(3, number), good(1, number), *more)),
        *(good(node, number) for node, number in product((1, 2, 3), (1, 2))),
    ]


def test_all_pods_of_a_node():
    assert causes(*outage()) == {"unreachable_node": 4}


def test_the_finding_is_one_over_all_services_and_causes():
    others = (silent(3, 7, "unknown", "pay"), silent(3, 8, "timeout", "pay"))
    records = (record(made, at=n) for n, made in enumerate(outage(*others)))
    (finding,) = diagnose(*records).findings()
    assert (finding.cause, finding.failures, finding.grade) == ("unreachable_node", 12, "likely")
    assert finding.headline == "node-3: no pod of this node could be reached"
    assert set(finding.services) == {"shop/web", "shop/pay"}
    assert finding.advice.commands[0] == "kubectl describe node node-3"


@pytest.mark.parametrize(
    "disproof",
    [
        good(3, 1),
        good(3, 9),
        silent(2, 1),
    ],
    ids=["a silent pod answered between", "another pod of the node answered", "a pod elsewhere was silent too"],
)
def test_not_if_something_speaks_against_it(disproof):
    assert "unreachable_node" not in causes(*outage(disproof))
    assert causes(*outage(disproof))["timeout"] >= 4


def test_not_for_one_pod():
    assert causes(*(made for _ in range(5) for made in (silent(3, 1), good(1, 1)))) == {"timeout": 5}


def test_not_if_no_other_node_answered():
    assert causes(*(silent(3, number) for number in (1, 2, 1, 2))) == {"timeout": 4}
    before = [good(1, 1)] * 5
    assert causes(*before, *(silent(3, number) for number in (1, 2, 1, 2))) == {"timeout": 4}


def test_not_if_the_pods_refused():
    refused = [attempt(f"web-a-3{number}", "crashed", node="node-3", reason="refused") for number in (1, 2)]
    assert causes(*(made for n in range(4) for made in (refused[n % 2], good(1, 1)))) == {"crashed": 4}


def causes_at(timed):
    """The causes found of attempts, each with its second."""
    findings = diagnose(*(record(made, at=at) for at, made in sorted(timed, key=lambda each: each[0]))).findings()
    return {finding.cause for finding in findings}


PODS_ONE_AFTER_THE_OTHER = [(10, silent(3, 1)), (11, silent(3, 1)), (20, silent(3, 2)), (21, silent(3, 2))]
"""Pods of node-3 that were tried and silent at different times."""


@pytest.mark.parametrize("at", [10, 10.5, 15, 20.5, 21])
def test_an_answer_elsewhere_counts_from_the_first_silence_to_the_last(at):
    assert causes_at([*PODS_ONE_AFTER_THE_OTHER, (at, good(1, 1))]) == {"unreachable_node"}


@pytest.mark.parametrize("at", [9, 22])
def test_an_answer_elsewhere_before_or_afterwards_shows_nothing(at):
    assert causes_at([*PODS_ONE_AFTER_THE_OTHER, (at, good(1, 1))]) == {"timeout"}


@pytest.mark.parametrize("at", [10, 15, 21])
@pytest.mark.parametrize("other", [good(3, 9), silent(2, 1)], ids=["answered on the node", "silent elsewhere"])
def test_what_speaks_against_it_counts_for_the_whole_time(at, other):
    assert causes_at([*PODS_ONE_AFTER_THE_OTHER, (15, good(1, 1)), (at, other)]) == {"timeout"}


@pytest.mark.parametrize("at", [9, 22])
@pytest.mark.parametrize("other", [good(3, 9), silent(2, 1)], ids=["answered on the node", "silent elsewhere"])
def test_what_happened_before_or_afterwards_does_not_speak_against_it(at, other):
    assert "unreachable_node" in causes_at([*PODS_ONE_AFTER_THE_OTHER, (15, good(1, 1)), (at, other)])


def test_a_pod_elsewhere_that_only_failed_did_not_answer():
    refused = attempt("web-a-11", "crashed", node="node-1", reason="refused")
    assert causes_at([*PODS_ONE_AFTER_THE_OTHER, (15, refused)]) == {"timeout", "crashed"}
