"""Lists as people have them: whatever prints, joins and encodes them, they say the same."""

import gzip
import json
import random
from typing import Any

import pytest
import yaml

from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.files import load_endpoints, load_into
from enricher.endpoints.history import History
from tests.unit.endpoints.timeline import summary

NOW = Window(10**18, 10**18, 10**18)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def load(content: bytes) -> Histories:
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, content)
    return histories


def ask(histories: Histories, addr: str, name: str = "") -> tuple[str, ...]:
    return summary(attribute(histories, addr, NOW, answered=True, upstream_name=name))


def slice_object(number: int) -> dict[str, Any]:
    target = {"kind": "Pod", "namespace": "shop", "name": f"cart-{number}", "uid": f"uid-{number}"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": f"cart-{number}",
            "namespace": "shop",
            "creationTimestamp": "2026-11-26T08:00:00Z",
            "annotations": {"note": 'Größe "über" GET / HTTP/1.1" }{'},
            "labels": {"kubernetes.io/service-name": "cart"},
        },
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [f"10.42.0.{number}"], "nodeName": "node-a", "targetRef": target}],
    }


def endpoints_object(number: int) -> dict[str, Any]:
    obj = slice_object(number)
    [endpoint] = obj["endpoints"]
    address = {"ip": endpoint["addresses"][0], "nodeName": "node-a", "targetRef": endpoint["targetRef"]}
    key = random.Random(number).choice(("addresses", "notReadyAddresses"))
    metadata = {"name": "cart" if number == 1 else f"cart{number}", "namespace": "shop"}
    subsets = [{key: [address], "ports": obj["ports"]}]
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


def pod_object(number: int, phase: str = "Running", **spec: Any) -> dict[str, Any]:
    ips = [{"ip": f"10.42.0.{number}"}, {"ip": f"fd00::{number}"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"cart-{number}", "namespace": "shop", "uid": f"uid-{number}"},
        "spec": {"nodeName": "node-a", "containers": [{"ports": [{"containerPort": 9000}]}], **spec},
        "status": {"phase": phase, "podIP": ips[0]["ip"], "podIPs": ips},
    }


def kubectl_list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects}


def raw_list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list as the API server sends it: the items lack their kinds."""
    items = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in objects]
    return {"apiVersion": objects[0]["apiVersion"], "kind": objects[0]["kind"] + "List", "metadata": {}, "items": items}


def shapes(objects: list[dict[str, Any]]) -> list[str]:
    """Return texts that hold the same objects."""
    documents = [[kubectl_list(objects)], [raw_list(objects)], objects, [kubectl_list([obj]) for obj in objects]]
    documents.append([{"items": objects}])
    documents.append([kubectl_list([kubectl_list(objects), kubectl_list([])])])
    texts = [json.dumps(objects), json.dumps(objects, indent=1), "Warning: v1 Endpoints is deprecated\n"]
    texts[2] += json.dumps(kubectl_list(objects), indent=4)
    for group in documents:
        texts += ["\n".join(map(json.dumps, group)), "".join(json.dumps(obj, ensure_ascii=False) for obj in group)]
        texts += ["\n".join(json.dumps(obj, indent=4) for obj in group), "\r\n\r\n".join(map(json.dumps, group))]
        texts += [yaml.safe_dump_all(group), "---\n" + yaml.safe_dump_all(group, allow_unicode=True) + "---\n"]
        texts.append("# of today\n" + "\n---\n".join(json.dumps(obj) for obj in group))
    return texts


@pytest.mark.parametrize("make", [slice_object, endpoints_object, pod_object])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_list_of_any_shape_and_encoding_says_the_same(make, encoding):
    objects = [make(number) for number in range(1, 5)]
    expected = {(f"10.42.0.{number}", f"cart-{number}", f"uid-{number}", "node-a") for number in range(1, 5)}
    for text in shapes(objects):
        histories = load(text.encode(encoding))
        tenures = [t for t in histories.pods.tenures() if ":" not in t.ip]
        assert {(t.ip, t.owner.pod, t.owner.uid, t.owner.node) for t in tenures} == expected, text
        assert ask(histories, "10.42.0.1:8080") == ("assumed", "cart-1")


def test_a_list_that_is_cut_off_is_refused_in_every_shape():
    objects = [slice_object(number) for number in range(1, 4)]
    for text in shapes(objects):
        if not text.lstrip("-").strip().endswith(("}", "]")):
            continue  # YAML may end anywhere
        with pytest.raises(ValueError, match=r"line \d|expected"):
            load(text.rstrip().rstrip("}]")[:-3].encode())


EVENT = {"at": "2026-11-22T23:18:30Z", "type": "ADDED", "object": slice_object(1)}
LATER = {"at": "2026-11-22T23:20:00Z", "type": "DELETED", "object": slice_object(1)}


def test_a_recorded_watch_of_any_shape():
    events = [EVENT, LATER]
    for text in (
        json.dumps(events),
        *("\n".join(json.dumps(event, indent=indent) for event in events) for indent in (None, 2)),
        yaml.safe_dump_all(events),
        yaml.safe_dump_all(events).replace("at: '2026-11-22T23:18:30Z'", "at: 2026-11-22T23:18:30Z"),
    ):
        [tenure] = load(text.encode()).pods.tenures()
        assert tenure.owner.pod == "cart-1"
        assert tenure.until == 1795389600 * 10**9


def test_events_of_kubectl_have_no_times():
    with pytest.raises(ValueError, match="`enricher record` writes when each event came"):
        load(json.dumps({"type": "ADDED", "object": slice_object(1)}).encode())


def test_endpoints_name_their_service():
    histories = load(json.dumps(kubectl_list([endpoints_object(1)])).encode())
    attribution = attribute(histories, "10.42.0.1:8080", NOW, answered=True)
    assert summary(attribution) == ("assumed", "cart-1")
    assert attribution.service == ("shop", "cart")


def test_endpoints_of_two_subsets_keep_their_ports():
    obj = endpoints_object(1)
    second = {"addresses": [{"ip": "10.42.0.9"}], "ports": [{"port": 9090}]}
    histories = load(json.dumps({**obj, "subsets": [*obj["subsets"], second]}).encode())
    assert {(t.ip, *t.all_ports()) for t in histories.pods.tenures()} == {("10.42.0.1", 8080), ("10.42.0.9", 9090)}


def test_a_pod_has_all_ports_of_all_its_addresses():
    histories = load(json.dumps(pod_object(1)).encode())
    for addr in ("10.42.0.1:1", "10.42.0.1:9000", "[fd00::1]:80"):
        assert ask(histories, addr) == ("assumed", "cart-1")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_has_given_back_its_address(phase):
    histories = load(json.dumps(kubectl_list([pod_object(1, phase), pod_object(2)])).encode())
    assert ask(histories, "10.42.0.1:80") == ("unknown",)


@pytest.mark.parametrize("status", [{}, {"podIP": ""}, {"podIPs": []}, {"podIPs": [{}, None, {"ip": 5}]}, None, 5])
def test_a_pod_without_an_address(status):
    assert not list(load(json.dumps(pod_object(1) | {"status": status}).encode()).pods.tenures())


def test_pods_on_the_network_of_the_host_are_told_apart_by_declared_ports():
    objects = []
    for name, ports in (("ingress", [80, 443]), ("exporter", [9100]), ("proxy", [])):
        containers = [{"ports": [{"containerPort": port}]} for port in ports]
        obj = pod_object(1, hostNetwork=True, containers=containers)
        obj["metadata"] = {"namespace": "kube-system", "name": name, "uid": name}
        objects.append(obj)
    histories = load(json.dumps(kubectl_list(objects)).encode())
    assert ask(histories, "10.42.0.1:443") == ("assumed", "ingress")
    assert ask(histories, "10.42.0.1:9100") == ("assumed", "exporter")
    assert ask(histories, "10.42.0.1:81") == ("ambiguous", "exporter", "ingress")


def test_pods_beside_slices_and_endpoints_are_the_same_pods():
    objects = [pod_object(1), slice_object(1), endpoints_object(1)]
    for order in (objects, objects[::-1]):
        [tenure] = [t for t in load(json.dumps(kubectl_list(order)).encode()).pods.tenures() if ":" not in t.ip]
        assert {service.name for service, _ in tenure.stays()} == {"", "cart"}


def test_other_kinds_beside_them_are_left_out():
    objects = [{"kind": "Deployment", "metadata": {"name": "cart"}}, pod_object(1), {"kind": "ReplicaSet"}]
    assert ask(load(json.dumps(kubectl_list(objects)).encode()), "10.42.0.1:80") == ("assumed", "cart-1")


def test_a_gzipped_list_of_another_encoding(tmp_path):
    (path := tmp_path / "list.json.gz").write_bytes(gzip.compress(json.dumps(slice_object(1)).encode("utf-16")))
    assert ask(load_endpoints([str(path)]), "10.42.0.1:8080") == ("assumed", "cart-1")
