"""A real Prometheus answers the promised query: errors by the pod that failed, not by the pod that was scraped."""

from pathlib import Path

import pytest

from tests.integration.node.output import scrape, total
from tests.integration.node.prometheus import WITHOUT, running_prometheus
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

ERRORS = "ingress_upstream_errors_total"


def test_errors_are_found_under_the_pod_that_failed(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, tmp_path: Path
) -> None:
    # Statuses that the pods send themselves, and failures of an address that is nobody's.
    proxy.ask_all([(f"query-{number:03d}", "/status/503", "GET") for number in range(20)])
    proxy.ask_all([(f"query-nobody-{number:03d}", "/stranger/", "GET") for number in range(5)])
    with running_prometheus(kube, tmp_path) as prometheus:
        eventually(lambda: both_jobs_have_scraped(prometheus), 60)
        eventually(lambda: same_as_scraped(prometheus, daemon, backends), 60)
        labels_are_right(kube, prometheus, daemon, backends)
        the_setting_makes_the_difference(prometheus, daemon, backends)


def both_jobs_have_scraped(prometheus: Prometheus) -> None:
    assert [target["health"] for target in prometheus.targets()] == ["up", "up"]


def same_as_scraped(prometheus: Prometheus, daemon: Pod, backends: list[Pod]) -> None:
    samples = scrape(daemon)
    for pod in backends:
        [answer] = prometheus.query(f'sum by (pod) ({ERRORS}{{pod="{pod.name}"}})')
        expected = total(samples, ERRORS, pod=pod.name)
        print(f'{ERRORS}{{pod="{pod.name}"}} = {answer["value"][1]}, the daemon says {expected:g}')
        assert float(answer["value"][1]) == expected > 0


def labels_are_right(kube: Kube, prometheus: Prometheus, daemon: Pod, backends: list[Pod]) -> None:
    # There is one for each state in which the pod was.
    series = prometheus.query(f'{ERRORS}{{pod="{backends[0].name}", code="503", retried="false"}}')[0]
    [node] = kube.get("nodes")["items"]
    assert (
        series["metric"].items()
        >= {
            "namespace": "default",
            "service": "backend-service",
            "node": node["metadata"]["name"],
            "job": "enricher",
            "instance": f"{daemon.ip}:9464",
        }.items()
    )
    assert prometheus.query(f'{{job!="{WITHOUT}", exported_pod!=""}}') == []
    # Failures of nobody must not look like the daemon's own: its name is the target's label `pod`.
    assert prometheus.query(f'{ERRORS}{{job!="{WITHOUT}", pod="{daemon.name}"}}') == []
    # The daemon's own metrics, without such labels, do say which daemon.
    assert prometheus.query(f'enricher_build_info{{job!="{WITHOUT}", pod="{daemon.name}"}}')


def the_setting_makes_the_difference(prometheus: Prometheus, daemon: Pod, backends: list[Pod]) -> None:
    series = prometheus.query(f'{ERRORS}{{job="{WITHOUT}", exported_pod="{backends[0].name}"}}')[0]
    assert series["metric"]["pod"] == daemon.name
