"""On a host's address the port says whose it is: what no slice names may be somebody else's."""

import random

import orjson

from enricher.endpoints.history import History
from enricher.endpoints.ports import ALL_PORTS, _port_sets, port_set
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def test_a_port_that_no_slice_names():
    """A NodePort of the node whose only known pod on the host's network listens elsewhere."""
    t = Timeline()
    t.put(0, slice_("exporter", pod("10.0.0.1", "node-exporter"), service="exporter", port=9100))
    assert summary(t.answered(50, "10.0.0.1:9100")) == ("exact", "node-exporter")
    assert summary(t.answered(50, "10.0.0.1:30080")) == ("assumed", "node-exporter")
    assert summary(t.failed(50, 51, "10.0.0.1:30080")) == ("assumed", "node-exporter")


def test_a_pod_on_another_port_takes_nothing_over():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web"), port=80))
    t.put(98, slice_("b", pod("10.0.0.1", "metrics"), service="metrics", port=9090))
    t.delete(100, "a")
    assert summary(t.answered(99, "10.0.0.1:80")) == ("exact", "web")
    assert summary(t.answered(101, "10.0.0.1:80")) == ("grace", "web")
    assert summary(t.answered(101, "10.0.0.1:9090")) == ("exact", "metrics")


def test_a_slice_without_ports_is_of_all():
    t = Timeline()
    obj = slice_("a", pod("10.0.0.1", "p"))
    obj["ports"] = []
    t.put(0, obj)
    assert summary(t.answered(50, "10.0.0.1:1234")) == ("exact", "p")


def test_equal_sets_are_one_object():
    """Whatever their order, and however often slices name a port: a tenant may write both as they like."""
    http, metrics, every = (80, "http"), (9090, "metrics"), (None, "")
    assert port_set((http, metrics)) is port_set((metrics, http)) is port_set((http, metrics, http))
    assert port_set((every, every)) is ALL_PORTS
    assert port_set((http, every)) is port_set((every, http)) is not ALL_PORTS
    dns, dns_tcp = (53, "dns"), (53, "dns-tcp")
    assert port_set((dns, dns_tcp)) is port_set((dns_tcp, dns))


def test_a_tenant_who_writes_the_same_ports_in_another_order_takes_no_memory():
    ports = [(number, f"p-{number}") for number in range(1, 21)]
    first = port_set(tuple(ports))
    before = len(_port_sets)
    for seed in range(100):
        assert port_set(tuple(random.Random(seed).sample(ports, len(ports)))) is first
    assert len(_port_sets) == before


def test_a_history_is_the_same_once_it_has_been_saved_and_loaded():
    t = Timeline()
    for name, numbers in {"a": [80, 443], "b": [443, 80], "c": [80, 443, 80], "d": [None, None], "e": [None]}.items():
        t.put(0, slice_(name, pod("10.0.0.1", "web"), service=name) | {"ports": [{"port": port} for port in numbers]})
    saved = t.history.dump()
    loaded = History()
    loaded.load(orjson.loads(orjson.dumps(saved)))
    assert orjson.loads(orjson.dumps(loaded.dump())) == orjson.loads(orjson.dumps(saved))
    assert len(orjson.loads(orjson.dumps(saved))["ports"]) == 3  # those of the pod, and of the slices
