"""Slices that the API allows and controllers do not write: no pod is made up for them."""

import json

import pytest

from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from tests.unit.endpoints.timeline import summary

NOW = Window(10**18, 10**18, 10**18)


def manual_slice(name, endpoints, *, family="IPv4", service=None, ports=(8080,), namespace="shop"):
    labels = {"kubernetes.io/service-name": service} if service else {}
    return {
        "kind": "EndpointSlice",
        "addressType": family,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "ports": [{"port": port} for port in ports] or None,
        "endpoints": endpoints,
    }


def endpoint(address, pod=None, namespace="shop"):
    target = {"targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": pod}} if pod else {}
    return {"addresses": [address], "conditions": {"ready": True}} | target


SLICES = [
    manual_slice("vms", [endpoint("192.0.2.10"), endpoint("192.0.2.11")], service="vm-api", ports=(9000,)),
    manual_slice("unlabelled", [endpoint("10.42.9.9")]),
    manual_slice("names", [endpoint("api.example")], family="FQDN", service="ext", ports=(443,)),
    manual_slice("empty", None, service="empty", ports=()),
    manual_slice("v6", [endpoint("fd00:42::15", "cart-1")], family="IPv6", service="cart"),
    manual_slice("h1", [endpoint("192.0.2.30", "agent-1", "mon")], service="agent", ports=(9100,), namespace="mon"),
    manual_slice("h2", [endpoint("192.0.2.30", "proxy-1", "dns")], service="proxy", ports=(8443,), namespace="dns"),
]


@pytest.mark.parametrize(
    ("addr", "answer", "service"),
    [
        ("192.0.2.10:9000", ("assumed", ""), "vm-api"),
        ("192.0.2.11:9000", ("assumed", ""), "vm-api"),
        ("10.42.9.9:8080", ("assumed", ""), ""),
        ("[fd00:0042:0:0::15]:8080", ("assumed", "cart-1"), "cart"),
        ("192.0.2.30:9100", ("assumed", "agent-1"), "agent"),
        ("192.0.2.30:8443", ("assumed", "proxy-1"), "proxy"),
        ("203.0.113.80:443", ("unknown",), ""),
        ("api.example:443", ("unknown",), ""),
        ("unix:/run/php-fpm.sock", ("unknown",), ""),
    ],
)
@pytest.mark.parametrize("kind", ["List", "EndpointSliceList"])
def test_no_pod_is_made_up(addr, answer, service, kind):
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, json.dumps({"kind": kind, "items": SLICES}).encode())
    attribution = attribute(histories, addr, NOW, answered=True)
    assert summary(attribution) == answer
    assert (attribution.service.name if attribution.service else "") == service
