"""Slices come, go, split and overlap; a pod's tenure goes on."""

from tests.unit.endpoints.timeline import Timeline, pod, said, slice_


def test_a_pod_in_several_slices_and_services_has_one_tenure():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p"), service="web"))
    t.put(1, slice_("b", pod("10.0.0.1", "p"), service="web-canary"))
    t.delete(5, "a")
    assert said(t.answered(7)) == ("exact", "p")
    t.delete(10, "b")
    assert said(t.answered(11)) == ("grace", "p")
    assert len(list(t.history.tenures())) == 1


def test_an_endpoint_that_moves_between_slices_leaves_no_gap():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(10, slice_("a"))
    t.put(10.2, slice_("b", pod("10.0.0.1", "p")))
    assert said(t.answered(10.1)) == ("exact", "p")
    assert said(t.failed(9, 11)) == ("exact", "p")


def test_a_renamed_slice_leaves_no_gap():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.delete(10, "a")
    t.put(10.5, slice_("a-2", pod("10.0.0.1", "p")))
    assert said(t.failed(5, 15)) == ("exact", "p")


def test_a_pod_that_comes_back_after_another_had_the_address_has_two_tenures():
    t = Timeline()
    for at, name in ((0, "p"), (10, "q"), (20, "p")):
        t.put(at, slice_("a", pod("10.0.0.1", name)))
    assert [said(t.answered(at))[1] for at in (5, 15, 25)] == ["p", "q", "p"]


def test_not_ready_and_terminating_pods_still_hold_their_address():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(5, slice_("a", pod("10.0.0.1", "p", terminating=True)))
    assert said(t.answered(10)) == ("exact", "p")


def test_dual_stack():
    t = Timeline()
    t.put(0, slice_("v4", pod("10.0.0.1", "p")))
    t.put(0, slice_("v6", pod("fd00:0:0::1", "p")))
    assert said(t.answered(1, "[fd00::1]:8080")) == ("exact", "p")
    assert said(t.answered(1, "10.0.0.1:8080")) == ("exact", "p")


def test_an_endpoint_without_a_pod_names_its_service():
    t = Timeline()
    obj = slice_("a", {"addresses": ["172.30.0.10"], "conditions": {"ready": True}}, service="kubernetes", port=6443)
    t.put(0, obj)
    found = t.answered(1, "172.30.0.10:6443")
    assert (found.grade, found.owner and found.owner.pod) == ("exact", "")
    assert found.service is not None and found.service.name == "kubernetes"


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
        found = t.answered(1, name=name).service
        assert found is not None
        assert found.name == service, name
    for name in ("", "-", "internal", "upstream-default-backend", "other-web-80"):
        assert t.answered(1, name=name).service is None
