"""A slice's labels name the Gateway of a proxy's pod, if the slice is in the pod's namespace and no other disagrees."""

import pytest

from enricher.endpoints.history import History
from enricher.enrich.proxy_gateways import gateway_of_proxy

API = "gateway.networking.k8s.io/gateway-name"
ENVOY = "gateway.envoyproxy.io/owning-gateway-"


def labelled(namespace="infra", name="s", service="main-istio", pod="main-istio-1", ip="10.0.0.1", **labels):
    labels = {key.replace("API", API).replace("ENVOY_", ENVOY): value for key, value in labels.items()}
    target = {"kind": "Pod", "name": pod, "namespace": namespace, "uid": f"u-{pod}"}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service, **labels},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "targetRef": target, "conditions": {"ready": True}}],
        "ports": [{"port": 80}],
    }


def history(*slices):
    made = History()
    for n, obj in enumerate(slices):
        made.apply("ADDED", obj, n + 1)
    return made


@pytest.mark.parametrize(
    ("labels", "gateway"),
    [
        ({"API": "main"}, "infra/main"),
        ({"API": "a.b-c.9"}, "infra/a.b-c.9"),
        ({"ENVOY_name": "eg", "ENVOY_namespace": "shop"}, "shop/eg"),
        ({"ENVOY_name": "eg", "ENVOY_namespace": "shop", "API": "main"}, "shop/eg"),
        ({"ENVOY_name": "eg"}, ""),
        ({"gateway.envoyproxy.io/owning-gatewayclass": "eg", "API": "eg"}, ""),
        ({}, ""),
        ({"API": ""}, ""),
        ({"API": "a/b"}, ""),
        ({"API": "a b"}, ""),
        ({"API": "x" * 254}, ""),
        ({"API": 1}, ""),
        ({"API": ["main"]}, ""),
    ],
)
def test_the_labels(labels, gateway):
    assert gateway_of_proxy(history(labelled(**labels)), "infra", "main-istio-1", "u-main-istio-1") == gateway


def test_a_pod_that_is_not_in_the_slice_or_is_another_of_that_name_has_none():
    made = history(labelled(API="main"))
    assert not gateway_of_proxy(made, "infra", "main-istio-2")
    assert not gateway_of_proxy(made, "infra", "main-istio-1", "another-uid")
    assert not gateway_of_proxy(made, "shop", "main-istio-1")


def test_nobody_names_the_gateway_of_a_pod_in_another_namespace():
    foreign = labelled(namespace="evil", API="theirs")
    foreign["endpoints"][0]["targetRef"]["namespace"] = "infra"
    assert not gateway_of_proxy(history(foreign), "infra", "main-istio-1")
    assert not gateway_of_proxy(history(foreign), "evil", "main-istio-1")


def test_slices_that_disagree_name_none_and_those_that_agree_name_theirs():
    one = labelled(API="main")
    assert not gateway_of_proxy(history(one, labelled(name="t", service="x", API="b")), "infra", "main-istio-1")
    again = labelled(name="t", service="x", ip="10.0.0.2", API="main")
    assert gateway_of_proxy(history(one, again), "infra", "main-istio-1") == "infra/main"


def test_a_pod_that_has_left_its_service_still_has_its_gateway_and_that_of_a_deleted_slice_is_forgotten():
    made = history(labelled(API="main"))
    empty = labelled(API="main")
    empty["endpoints"] = []
    made.apply("MODIFIED", empty, 5)
    assert gateway_of_proxy(made, "infra", "main-istio-1") == "infra/main"
    made.apply("DELETED", empty, 6)
    assert not gateway_of_proxy(made, "infra", "main-istio-1")
    assert not list(made.gateways_of_namespace("infra"))


def test_a_change_of_the_label_is_reported_to_callers_that_cache():
    made, changes = history(labelled(API="main")), []
    made.on_change.add(changes.append)
    made.apply("MODIFIED", labelled(API="main"), 5)
    assert changes == []
    made.apply("MODIFIED", labelled(API="other"), 6)
    assert changes == [""]
    assert gateway_of_proxy(made, "infra", "main-istio-1") == "infra/other"
