"""Slices come, go, split and overlap; a pod's tenure goes on."""

from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def test_a_pod_in_several_slices_and_services_has_one_tenure():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p"), service="web"))
    t.put(1, slice_("b", pod("10.0.0.1", "p"), service="web-canary"))
    t.delete(5, "a")
    assert summary(t.answered(7)) == ("exact", "p")
    t.delete(10, "b")
    assert summary(t.answered(11)) == ("grace", "p")
    assert len(list(t.history.tenures())) == 1


def test_an_endpoint_that_moves_between_slices_leaves_no_gap():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(10, slice_("a"))
    t.put(10.2, slice_("b", pod("10.0.0.1", "p")))
    assert summary(t.answered(10.1)) == ("exact", "p")
    assert summary(t.failed(9, 11)) == ("exact", "p")


def test_a_renamed_slice_leaves_no_gap():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.delete(10, "a")
    t.put(10.5, slice_("a-2", pod("10.0.0.1", "p")))
    assert summary(t.failed(5, 15)) == ("exact", "p")


def test_a_pod_that_comes_back_after_another_had_the_address_has_two_tenures():
    t = Timeline()
    for at, name in ((0, "p"), (10, "q"), (20, "p")):
        t.put(at, slice_("a", pod("10.0.0.1", name)))
    assert [summary(t.answered(at))[1] for at in (5, 15, 25)] == ["p", "q", "p"]


def test_not_ready_and_terminating_pods_still_hold_their_address():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(5, slice_("a", pod("10.0.0.1", "p", terminating=True)))
    assert summary(t.answered(10)) == ("exact", "p")


def test_dual_stack():
    t = Timeline()
    t.put(0, slice_("v4", pod("10.0.0.1", "p")))
    t.put(0, slice_("v6", pod("fd00:0:0::1", "p")))
    assert summary(t.answered(1, "[fd00::1]:8080")) == ("exact", "p")
    assert summary(t.answered(1, "10.0.0.1:8080")) == ("exact", "p")


def test_an_endpoint_without_a_pod_names_its_service():
    t = Timeline()
    obj = slice_("a", {"addresses": ["172.30.0.10"], "conditions": {"ready": True}}, service="kubernetes", port=6443)
    t.put(0, obj)
    attribution = t.answered(1, "172.30.0.10:6443")
    assert (attribution.grade, attribution.owner and attribution.owner.pod) == ("exact", "")
    assert attribution.service is not None and attribution.service.name == "kubernetes"


def test_odd_json_gives_less_never_an_error():
    t = Timeline()
    for endpoints in (None, [None], [{"addresses": None}], [{"addresses": ["no-ip", 7]}], {"a": 1}, "x"):
        t.put(1, {"metadata": {"name": "odd"}, "endpoints": endpoints, "ports": [None, {"port": "x"}]})
    t.put(2, {"metadata": None, "endpoints": [{"addresses": ["10.0.0.9"], "targetRef": "x", "conditions": 1}]})
    assert t.answered(3, "10.0.0.9:1").grade == "exact"


def test_which_service_ingress_nginx_means():
    t = Timeline()
    for service, port_name in (("web", "api-80"), ("web-api", "http")):
        t.put(0, slice_(service, pod("10.0.0.1", "p"), service=service, port_name=port_name))
    for name, service in (
        ("shop-web-80", "web"),
        ("shop-web-api-80", "web-api"),
        ("shop-web-http", "web"),
        ("shop-web-api-http", "web-api"),
    ):
        upstream_service = t.answered(1, name=name).service
        assert upstream_service is not None
        assert upstream_service.name == service, name
    for name in ("", "-", "internal", "upstream-default-backend", "other-web-80"):
        assert t.answered(1, name=name).service is None
