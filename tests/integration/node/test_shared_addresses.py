"""Slices written by hand that name another pod at a real pod's address: nothing there is certain while they last."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.node.load import Answer
from tests.integration.node.output import Output, Record, Samples, scrape, total
from tests.integration.node.proxy import PORT, Proxy
from tests.support.kube import Kube, Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]

TENANT = "tenant"
CLAIM = "by-hand"
ATTEMPTS = "ingress_upstream_attempts_total"
REFUSED = "enricher_refused_endpoints_total"
Target = dict[str, str]


@pytest.fixture
def tenant(kube: Kube) -> Iterator[str]:
    kube("create", "namespace", TENANT)
    yield TENANT
    kube("delete", "namespace", TENANT, "--wait=false")
    kube("wait", "--for=delete", f"namespace/{TENANT}", "--timeout=60s")


def test_a_pod_of_another_namespace_at_the_address(
    kube: Kube, tenant: str, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    claim(kube, tenant, impostor(tenant), proxy, backends, daemon, output)


def test_a_pod_of_another_service_of_the_same_namespace_at_the_address(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    claim(kube, "default", impostor("default"), proxy, backends, daemon, output)


def test_a_target_in_another_namespace_is_not_believed(
    kube: Kube, tenant: str, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    """The slice names the real pod, as on another node and about to end: nobody's line says so."""
    victim = backends[0]
    uid = kube.get("pod", victim.name)["metadata"]["uid"]
    target = {"kind": "Pod", "namespace": "default", "name": victim.name, "uid": uid}
    before = total(scrape(daemon), REFUSED)
    lines = claim(kube, tenant, target, proxy, backends, daemon, output)
    refused = total(scrape(daemon), REFUSED) - before
    print(f"{refused:g} endpoint refused")
    # With each change of the slice, and once more if the watch lists anew meanwhile.
    assert refused >= 1
    [node] = kube.get("nodes")["items"]
    assert {(line["namespace"], line["service"], line["node"]) for line in lines} == {
        ("default", "backend-service", node["metadata"]["name"])
    }


def claim(
    kube: Kube,
    namespace: str,
    target: Target,
    proxy: Proxy,
    backends: list[Pod],
    daemon: Pod,
    output: Output,
) -> list[Record]:
    """Claim the first pod's address for another one; return the lines of the requests that name the service."""
    victim, other = backends
    asked = Asked(proxy, output, f"{namespace}-{target['name']}-{target['namespace']}")
    # Earlier claims still count for a moment after they are gone.
    eventually(lambda: asked.expect(victim, "exact"), 60, every=1)
    with slice_by_hand(kube, namespace, victim.ip, target):
        eventually(lambda: asked.expect(victim, "assumed"), 30)
        before = scrape(daemon)
        answers, lines = asked.ask("during", "/", 60)
        nameless, nameless_lines = asked.ask("nameless", "/nameless/", 20)
        expect_counted(daemon, before, lines | nameless_lines)
    for answer in answers:
        line = lines[answer.request_id]
        assert (line["pod"], line["namespace"], line["service"]) == (answer.pod, "default", "backend-service")
        assert line["attribution"] == ("assumed" if answer.pod == victim.name else "exact"), line
    for answer in nameless:
        line = nameless_lines[answer.request_id]
        if answer.pod == victim.name:
            assert line["attribution"] == "ambiguous", line
            assert victim.name in {candidate.get("pod") for candidate in line["attempts"][0]["candidates"]}, line
        else:
            assert (line["pod"], line["attribution"]) == (other.name, "exact"), line
    # Who left the slices may answer for some seconds more.
    gone = time.time()
    eventually(lambda: asked.expect(victim, "exact"), 30, every=1)
    print(f"exact again {time.time() - gone:.0f} s after the slice was deleted")
    later, later_lines = asked.ask("after", "/", 30)
    assert all(grade_of(later_lines, answer) == (answer.pod, "exact") for answer in later)
    for when, found in (("during", lines), ("during, nameless", nameless_lines), ("after", later_lines)):
        print(f"{when}: {len(found)} requests, {dict(Counter(line['attribution'] for line in found.values()))}")
    return list(lines.values())


class Asked:
    """Requests with ids of their own, and their lines."""

    def __init__(self, proxy: Proxy, output: Output, name: str) -> None:
        self._proxy, self._output, self._name, self._count = proxy, output, name, 0

    def ask(self, when: str, path: str, count: int) -> tuple[list[Answer], dict[str, Record]]:
        self._count += 1
        ids = [f"{self._name}-{when}-{self._count}-{number:03d}" for number in range(count)]
        answers = self._proxy.ask_all([(request_id, path, "GET") for request_id in ids])
        assert all(answer.pod for answer in answers)
        return answers, self._output.of(answers)

    def expect(self, victim: Pod, grade: str) -> None:
        """The requests that reach the victim are of a grade; no grade but `exact` is expected of the other pod's."""
        answers, lines = self.ask(grade, "/", 8)
        assert {answer.pod for answer in answers} > {victim.name}
        for answer in answers:
            expected = grade if answer.pod == victim.name else "exact"
            assert grade_of(lines, answer) == (answer.pod, expected)


def grade_of(lines: dict[str, Record], answer: Answer) -> tuple[str | None, str]:
    line = lines[answer.request_id]
    return line.get("pod"), line["attribution"]


def expect_counted(daemon: Pod, before: Samples, lines: dict[str, Record]) -> None:
    """The attempts were counted under the grade and the service of their lines, and none for the tenant."""
    expected = Counter((line.get("service", ""), line["attribution"]) for line in lines.values())

    def rose() -> None:
        after = scrape(daemon)
        for grade in ("exact", "assumed", "ambiguous"):
            labels = {"service": "backend-service", "attribution": grade}
            assert (
                total(after, ATTEMPTS, **labels) - total(before, ATTEMPTS, **labels)
                == expected["backend-service", grade]
            ), (grade, expected)
        for labels in ({"namespace": TENANT}, {"service": CLAIM}):
            assert total(after, ATTEMPTS, **labels) == total(before, ATTEMPTS, **labels)

    eventually(rose)


def impostor(namespace: str) -> Target:
    return {"kind": "Pod", "namespace": namespace, "name": "impostor", "uid": "00000000-0000-0000-0000-000000000000"}


@contextmanager
def slice_by_hand(kube: Kube, namespace: str, ip: str, target: Target) -> Iterator[None]:
    endpoint: dict[str, Any] = {
        "addresses": [ip],
        "conditions": {"ready": False, "serving": True, "terminating": True},
        "nodeName": "elsewhere",
        "targetRef": target,
    }
    if target["name"] == "impostor":
        endpoint["conditions"] = {"ready": True}
    written = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": CLAIM, "namespace": namespace, "labels": {"kubernetes.io/service-name": CLAIM}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
    }
    kube("apply", "-f", "-", stdin=json.dumps(written))
    try:
        yield
    finally:
        kube("delete", "endpointslice", "-n", namespace, CLAIM)
