"""Real daemons, a real Prometheus: each panel's query finds something, each rule reads what is there."""

import math
from collections.abc import Iterator

import pytest

from tests.integration.prometheus.incident import scraped
from tests.integration.prometheus.queries import SLO_RULES, Asked, of_panels, of_runbooks, rules, selectors
from tests.support.kube import eventually
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(180)]

SLO_RECORDS = {rule["record"] for rule in rules(SLO_RULES) if "record" in rule}


def reads_objectives(expression: str) -> bool:
    return any(selector.partition("{")[0] in SLO_RECORDS for selector in selectors(expression))


PANELS = [asked for asked in of_panels() if not reads_objectives(asked.expression)]
OBJECTIVES = [asked for asked in of_panels() if reads_objectives(asked.expression)]
"""What reads the records of objectives, which take minutes: slo_rules_test.yaml makes them, with the labels read."""
READ = {selector for asked in PANELS for selector in selectors(asked.expression)} | {
    selector for rule in rules() for selector in selectors(rule["expr"])
}
NOT_HERE = {
    'kube_daemonset_status_desired_number_scheduled{daemonset=~"(.+-)?enricher(-.+)?"}': "no kube-state-metrics here",
    'ingress_upstream_requests_total{exported_pod!=""}': "the shipped job honours labels",
}
STIRRED = {
    "UpstreamServiceDown",
    "UpstreamServiceFailing",
    "UpstreamPodFailing",
    "UpstreamErrorsHiddenByRetries",
    "UpstreamWithoutAnswer",
    "UpstreamFailsDuringShutdown",
    "UpstreamGrpcFailing",
    "UpstreamPodOutlier",
    "EnricherDown",
    "EnricherUnresolvedAttempts",
}
"""The alerts that what is fed must stir: the incident and the gRPC calls, a target that is not there, addresses that
the daemon with a watch never heard of."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with scraped(tmp_path_factory.mktemp("watching")) as found:
        yield found


@pytest.mark.parametrize("asked", PANELS, ids=lambda asked: f"{asked.panel}: {asked.legend}")
def test_each_query_of_each_panel_finds_something(prometheus: Prometheus, asked: Asked) -> None:
    def finds() -> None:
        found = [float(sample["value"][1]) for sample in prometheus.query(asked.expression)]
        assert [value for value in found if math.isfinite(value)], asked.expression

    eventually(finds, 15)


@pytest.mark.parametrize("asked", OBJECTIVES, ids=lambda asked: f"{asked.panel}: {asked.legend}")
def test_a_query_about_objectives_is_understood(prometheus: Prometheus, asked: Asked) -> None:
    assert prometheus.query(asked.expression) is not None
    names = {selector.partition("{")[0] for selector in selectors(asked.expression)}
    assert names <= SLO_RECORDS


@pytest.mark.parametrize("selector", sorted(READ - NOT_HERE.keys()))
def test_all_that_panels_and_rules_read_is_there(prometheus: Prometheus, selector: str) -> None:
    """`or vector(0)` would hide a misspelt label, and an alert that is quiet everything."""
    eventually(lambda: found(prometheus, selector), 15)


def found(prometheus: Prometheus, selector: str) -> None:
    assert prometheus.query(selector), selector


@pytest.mark.parametrize(("runbook", "query"), of_runbooks())
def test_a_runbook_s_queries_ask_for_what_is_there(prometheus: Prometheus, runbook: str, query: str) -> None:
    assert prometheus.query(query) is not None  # it is understood
    # The records of objectives take minutes; promtool makes them.
    for selector in selectors(query):
        if selector.partition("{")[0] not in SLO_RECORDS:
            eventually(lambda selector=selector: found(prometheus, selector), 15)


@pytest.mark.parametrize("selector", NOT_HERE)
def test_what_is_excused_is_not_there_and_is_read(prometheus: Prometheus, selector: str) -> None:
    assert selector in READ
    assert prometheus.query(selector) == []


def test_each_rule_can_be_evaluated_and_the_incident_stirs_its_alerts(prometheus: Prometheus) -> None:
    def evaluated() -> None:
        known = prometheus.rules()
        assert len(known) == len(rules())
        assert [(rule["name"], rule.get("lastError")) for rule in known if rule["health"] != "ok"] == []
        assert {rule["name"] for rule in known if rule.get("state", "inactive") != "inactive"} == STIRRED

    eventually(evaluated, 15)
