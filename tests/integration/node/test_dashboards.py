"""What Grafana would ask of a cluster's Prometheus: each query is understood, and finds what happened."""

import math
from pathlib import Path

import pytest

from tests.integration.node.prometheus import running_prometheus
from tests.integration.node.proxy import Proxy
from tests.integration.prometheus.queries import DASHBOARDS, Asked, of_panels
from tests.support.kube import Kube, Pod, eventually
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

NOT_PROVOKED = {
    "Errors hidden from clients, by pod": "the proxy has one upstream that fails, and tries it once",
    "Requests that no pod was tried for": "pods are ready all the time",
    "Share of requests that fail, by route": "the log names no routes",
    "Share of requests that fail, by Gateway": "the proxy has none",
    "Why there was no answer": "the pods answer, with errors",
    "gRPC statuses": "no calls are made",
    "How late attempts at pods that shut down come": "no pod shuts down",
    "Late attempts, by service": "no pod shuts down",
    "Who calls whom": "no pod asks",
    "Requests between services": "no pod asks",
    "Share of requests that fail, between services": "no pod asks",
    "Share of lines that do not parse, by node": "all lines fit",
    "Restarts of the watch": "it need not break off",
    "Pods with errors": "its column of hidden errors needs some",
} | dict.fromkeys((panel["title"] for panel in DASHBOARDS["objectives.json"]["panels"]), "its records take minutes")
"""Panels whose queries may find nothing here; tests/integration/prometheus makes all of them find something."""


def test_each_query_finds_what_happened(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, tmp_path: Path
) -> None:
    asked = of_panels()
    fail_some(proxy, "before")
    with running_prometheus(kube, tmp_path) as prometheus:
        eventually(lambda: has_errors(prometheus, backends), 60)
        # What rose between two scrapes has a rate.
        fail_some(proxy, "after")
        for query in asked:
            eventually(lambda query=query: finds(prometheus, query), 30)
    print(f"{len(asked)} queries")


def fail_some(proxy: Proxy, when: str) -> None:
    proxy.ask_all([(f"dashboards-{when}-{number:03d}", "/status/503", "GET") for number in range(20)])


def has_errors(prometheus: Prometheus, backends: list[Pod]) -> None:
    for pod in backends:
        assert prometheus.query(f'ingress_upstream_errors_total{{pod="{pod.name}", code="503"}}')


def finds(prometheus: Prometheus, query: Asked) -> None:
    """Also where nothing need be found the query has to be understood: else get() fails."""
    found = [float(sample["value"][1]) for sample in prometheus.query(query.expression)]
    assert query.panel in NOT_PROVOKED or [value for value in found if math.isfinite(value)], query.expression
