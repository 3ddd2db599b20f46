"""A failed attempt says whether it crossed zones, if the slices of the proxy's own namespace leave no doubt."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND
from tests.support.calls import calls
from tests.unit.enrich.controller_lines import NOW, SOURCE, access, enrich_all, framed, slice_of

LINE = b"2026-11-22T23:18:31.5Z stdout F " + access(status=b"502") + b"\n"
WITHOUT_UID = replace(SOURCE, uid="")


class Cluster:
    """A cluster with one pod behind the proxy, in zone z-1."""

    def __init__(self) -> None:
        self.pods, self.histories = History(), Histories(History(), History())
        self.pods.replace([], NOW - 3000 * SECOND)
        self.histories = Histories(self.pods, History())
        self.enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW))
        self.put("10.0.0.1", "web-1", "z-1")

    def put(self, ip: str, pod: str, zone: str, *, uid: str = "", **where: str) -> None:
        """Name a pod in a slice that has no other."""
        obj = slice_of({ip: pod}, **where)
        obj["metadata"]["name"] = f"{pod}-{ip}"
        obj["endpoints"][0] |= {"zone": zone}
        obj["endpoints"][0]["targetRef"]["uid"] = uid or f"uid-{pod}"
        self.pods.apply("MODIFIED", obj, NOW - 100 * SECOND)

    def put_proxy(self, ip: str, zone: str, *, uid: str = SOURCE.uid, **where: str) -> None:
        """Name the proxy's pod in a slice of its own Service."""
        self.put(ip, SOURCE.pod, zone, uid=uid, **{"namespace": SOURCE.namespace, "service": "controller"} | where)

    def attempt(self, source: Source = SOURCE, line: bytes = LINE) -> dict[str, Any]:
        """Return the attempt of a line."""
        out = enrich_all(self.enricher, self.histories, framed(line), source)
        return orjson.loads(out.splitlines()[-1])["attempts"][0]


@pytest.mark.parametrize(("zone", "crossed"), [("z-1", False), ("z-2", True)])
def test_the_proxy_in_a_zone(zone: str, *, crossed: bool) -> None:
    cluster = Cluster()
    cluster.put_proxy("10.2.0.1", zone)
    assert (cluster.attempt()["zone"], cluster.attempt()["zone_crossed"]) == ("z-1", crossed)
    assert cluster.attempt(WITHOUT_UID)["zone_crossed"] is crossed
    assert "zone_crossed" not in cluster.attempt(line=LINE.replace(b" 502 ", b" 200 "))


@pytest.mark.parametrize(
    ("ip", "zone", "where"),
    [
        ("10.2.0.1", "", {}),  # a node without a zone
        ("10.2.0.1", "z-2", {"uid": "u-9"}),  # another pod of the name
        ("10.2.0.1", "z-2", {"namespace": "evil"}),  # somebody else's pod of the name
        ("10.2.0.1", "z-2", {"service": ""}),  # not in a Service
        ("10.0.0.1", "z-2", {"namespace": "evil"}),
    ],
)
def test_a_proxy_whose_zone_is_not_known(ip: str, zone: str, where: dict[str, str]) -> None:
    cluster = Cluster()
    cluster.put_proxy(ip, zone, **where)
    assert "zone_crossed" not in cluster.attempt()


def test_a_pod_whose_zone_is_not_known() -> None:
    cluster = Cluster()
    cluster.put_proxy("10.2.0.1", "z-2")
    cluster.put("10.0.0.1", "web-1", "")
    assert not {"zone", "zone_crossed"} & cluster.attempt().keys()


def test_a_name_that_was_taken_again_in_another_zone() -> None:
    cluster = Cluster()
    cluster.put_proxy("10.2.0.1", "z-1", uid="u-0")
    cluster.put_proxy("10.2.0.2", "z-2")
    assert cluster.attempt()["zone_crossed"] is True
    assert "zone_crossed" not in cluster.attempt(WITHOUT_UID)


def test_slices_that_disagree() -> None:
    cluster = Cluster()
    cluster.put_proxy("10.2.0.1", "z-1")
    assert cluster.attempt()["zone_crossed"] is False
    cluster.put_proxy("10.2.0.2", "z-2")
    assert "zone_crossed" not in cluster.attempt()


def test_a_zone_that_becomes_known_and_changes() -> None:
    cluster = Cluster()
    assert "zone_crossed" not in cluster.attempt()
    cluster.put_proxy("10.2.0.1", "z-2")
    assert cluster.attempt()["zone_crossed"] is True
    cluster.put_proxy("10.2.0.1", "z-1")
    assert cluster.attempt()["zone_crossed"] is False


def test_two_proxies_in_turn() -> None:
    cluster = Cluster()
    other = replace(SOURCE, path="/var/log/pods/y", pod="controller-8", uid="u-8")
    cluster.put_proxy("10.2.0.1", "z-1")
    cluster.put("10.2.0.8", other.pod, "z-8", uid=other.uid, namespace=other.namespace, service="controller")
    for _ in range(2):
        assert (cluster.attempt()["zone_crossed"], cluster.attempt(other)["zone_crossed"]) == (False, True)


def test_a_file_without_a_pod() -> None:
    cluster = Cluster()
    cluster.put("10.2.0.1", "", "z-2", namespace="", service="controller")
    assert "zone_crossed" not in cluster.attempt(Source("/var/log/nginx/access.log"))


def test_the_services_of_other_namespaces_are_no_work() -> None:
    def work(services: int) -> int:
        cluster = Cluster()
        cluster.put_proxy("10.2.0.1", "z-2")
        for n in range(services):
            cluster.put(f"10.3.{n // 250}.{n % 250}", f"api-{n}", "z-1", service=f"api-{n}", namespace=f"team-{n}")
        return calls(cluster.attempt)

    assert work(1000) == pytest.approx(work(10), abs=20)
