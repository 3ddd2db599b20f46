"""A service without any pod: the proxy answers by itself, and each such request is counted, with its reason."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.node.installed import BACKEND
from tests.integration.node.late import seconds
from tests.integration.node.load import Answer
from tests.integration.node.output import Output, Record, Samples, scrape, total
from tests.integration.node.prometheus import running_prometheus_with_rules
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

REQUESTS = "ingress_requests_total"
SERVICE = {"namespace": "default", "service": "backend-service"}
NEWS = 2.0
"""Seconds within which the daemon's watch must have reported a change that the test saw."""
FIRES = 180.0
"""Seconds until the alert must fire: it waits for a minute, and its rates come from another group of rules."""


def test_requests_while_nobody_is_ready_are_counted_with_the_reason(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    before, began = scrape(daemon), time.time()
    with no_pods(kube, proxy, backends):
        gone = time.time()
        refused = ask(proxy, "nobody-ready", 40)
        lines = output.of(refused)
        expect_counted(daemon, before, {"no_endpoints": 40})

    answers = ask(proxy, "ready-again", 40)
    answered = output.of(answers)
    expect_counted(daemon, before, {"no_endpoints": 40})
    since = {seconds(line["no_endpoints_since"]) for line in lines.values()}
    print(
        f"{len(refused)} requests while nobody was ready, since {[round(at - began, 1) for at in since]} s after the "
        f"scale-down began ({gone - began:.1f} s until all pods were gone); {len(answers)} after it, "
        f"{sum(answered[a.request_id]['pod'] == a.pod for a in answers)} attributed right"
    )
    assert {answer.status for answer in refused} == {503}
    assert all(is_explained(line, "no_endpoints") for line in lines.values()), lines
    [at] = since
    assert began <= at <= gone + NEWS
    assert all(a.pod and answered[a.request_id]["pod"] == a.pod for a in answers)
    assert not any("reason" in line or "no_endpoints_since" in line for line in answered.values())


def test_an_outage_of_the_proxys_own_is_not_called_a_lack_of_pods(
    proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    """The proxy says that it has nobody, while the pods are ready."""
    proxy.use([])
    # Shortly after pods became ready the proxy may not know of them yet.
    eventually(lambda: expect_reason(proxy, output, "not_tried"), 60)
    before = scrape(daemon)
    lines = output.of(ask(proxy, "mistaken", 20))
    expect_counted(daemon, before, {"not_tried": 20})
    print(f"{len(lines)} requests that the proxy did not try although {len(backends)} pods were ready")
    assert all(is_explained(line, "not_tried") and "no_endpoints_since" not in line for line in lines.values()), lines


def test_the_alert_for_a_service_that_is_down_fires(
    kube: Kube, proxy: Proxy, backends: list[Pod], tmp_path: Path
) -> None:
    with running_prometheus_with_rules(kube, tmp_path) as prometheus:
        eventually(lambda: has_rules(prometheus), 60)
        assert not alerts(prometheus)
        with no_pods(kube, proxy, backends), proxy.load("down", workers=1, pause=0.5) as load:
            began = time.time()
            eventually(lambda: fires(prometheus), FIRES)
        [alert] = alerts(prometheus)
        print(f"fires {time.time() - began:.0f} s after the first of {len(load.answers)} requests: {alert['metric']}")
    assert {answer.status for answer in load.answers} == {503}


@contextmanager
def no_pods(kube: Kube, proxy: Proxy, backends: Sequence[Pod]) -> Iterator[None]:
    """The Deployment is scaled to 0, and the proxy has heard of it; afterwards both are as before."""
    kube("scale", "deployment/backend", "--replicas=0")
    try:
        eventually(lambda: no_endpoints(kube), 60)
        proxy.use([])
        yield
    finally:
        kube("scale", "deployment/backend", f"--replicas={len(backends)}")
        proxy.use(kube.ready_pods(*BACKEND, count=len(backends)))


def no_endpoints(kube: Kube) -> None:
    slices = kube.get("endpointslices", "-l", "kubernetes.io/service-name=backend-service")["items"]
    assert not [endpoint for item in slices for endpoint in item.get("endpoints") or []]


def ask(proxy: Proxy, name: str, count: int) -> list[Answer]:
    return proxy.ask_all([(f"{name}-{number:03d}", "/", "GET") for number in range(count)])


def is_explained(line: Record, reason: str) -> bool:
    expected = SERVICE | {"status": 503, "origin": "proxy", "reason": reason}
    return line.items() >= expected.items() and not line.get("attempts") and not line.get("pod")


def expect_reason(proxy: Proxy, output: Output, reason: str) -> None:
    answer = proxy.ask(f"expected-{time.time_ns()}")
    assert output.of([answer])[answer.request_id].get("reason") == reason


def expect_counted(daemon: Pod, before: Samples, rises: dict[str, int]) -> None:
    """The 503s of the service rose by these numbers, by reason, and those of no other reason or service did."""

    def rose() -> None:
        after = scrape(daemon)
        for reason in ("no_endpoints", "not_tried", ""):
            for labels in (SERVICE, dict[str, str]()):
                these = labels | {"code": "503", "reason": reason}
                rise = total(after, REQUESTS, **these) - total(before, REQUESTS, **these)
                assert rise == rises.get(reason, 0), these

    eventually(rose)
    print(f'{REQUESTS}{{service="backend-service", code="503"}} rose by {rises}')


def has_rules(prometheus: Prometheus) -> None:
    assert [target["health"] for target in prometheus.targets()] == ["up"]
    assert "UpstreamServiceDown" in {rule["name"] for rule in prometheus.rules()}


def alerts(prometheus: Prometheus) -> Sequence[dict[str, Any]]:
    return prometheus.query('ALERTS{alertname="UpstreamServiceDown", alertstate="firing"}')


def fires(prometheus: Prometheus) -> None:
    [alert] = alerts(prometheus)
    assert alert["metric"].items() >= (SERVICE | {"severity": "critical"}).items()
