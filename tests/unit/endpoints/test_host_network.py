"""Pods on the host's network share its address: the port, then the service, tells them apart."""

from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def shared(**options: object) -> Timeline:
    t = Timeline(**options)
    t.put(0, slice_("a", pod("192.168.0.5", "dns"), service="dns", port=53))
    t.put(1, slice_("b", pod("192.168.0.5", "proxy"), service="proxy", port=8080))
    return t


def test_by_port():
    t = shared()
    assert summary(t.answered(9, "192.168.0.5:53")) == ("exact", "dns")
    assert summary(t.answered(9, "192.168.0.5:8080")) == ("exact", "proxy")


def test_an_unknown_port_is_ambiguous():
    assert summary(shared().answered(9, "192.168.0.5:9999")) == ("ambiguous", "dns", "proxy")


def test_by_service_where_the_port_is_the_same():
    t = shared()
    t.put(2, slice_("c", pod("192.168.0.5", "proxy-2"), service="proxy-2", port=8080))
    assert summary(t.answered(9, "192.168.0.5:8080")) == ("ambiguous", "proxy", "proxy-2")
    assert summary(t.answered(9, "192.168.0.5:8080", name="shop-proxy-2-8080")) == ("assumed", "proxy-2")


def test_a_restarted_pod_takes_over_its_own_port_only():
    t = shared()
    t.put(10, slice_("b", pod("192.168.0.5", "proxy", terminating=True), service="proxy", port=8080))
    t.put(12, slice_("b", service="proxy", port=8080))
    t.put(13, slice_("b", pod("192.168.0.5", "proxy-new"), service="proxy", port=8080))
    assert summary(t.answered(20, "192.168.0.5:8080")) == ("exact", "proxy-new")
    assert summary(t.answered(20, "192.168.0.5:53")) == ("exact", "dns")
    assert summary(t.answered(5, "192.168.0.5:8080")) == ("exact", "proxy")
