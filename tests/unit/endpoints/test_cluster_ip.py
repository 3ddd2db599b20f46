"""An upstream that is a Service's cluster IP: the service is certain, the pod only if no other can have answered."""

from enricher.endpoints.attribution import attribute, prefer_reported_pod, service_of_attribution
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary

VIP = "10.96.0.7:80"


def service_of(*names: str) -> Timeline:
    t = Timeline()
    t.service(-50, "web", "10.96.0.7")
    t.put(0, slice_("a", *(pod(f"10.0.0.{n}", name) for n, name in enumerate(names, 1))))
    return t


def test_one_endpoint_is_named():
    attribution = service_of("p").answered(10, VIP)
    assert summary(attribution) == ("service", "p")
    assert attribution.service is not None and attribution.service.name == "web"


def test_several_are_candidates():
    attribution = service_of("p", "q").answered(10, VIP)
    assert summary(attribution) == ("service", "p", "q")
    assert attribution.owner is None


def test_one_that_left_long_before_is_none():
    t = service_of("p", "q")
    t.put(20, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(22, VIP)) == ("service", "p", "q")
    assert summary(t.answered(30, VIP)) == ("service", "p")


def test_one_that_was_never_ready_is_none():
    t = service_of("p")
    starting = pod("10.0.0.2", "q") | {"conditions": {"ready": False}}
    t.put(20, slice_("a", pod("10.0.0.1", "p"), starting))
    assert summary(t.answered(60, VIP)) == ("service", "p")
    t.put(70, slice_("a", pod("10.0.0.1", "p"), pod("10.0.0.2", "q")))
    assert summary(t.answered(80, VIP)) == ("service", "p", "q")


def test_a_service_without_endpoints_is_still_named():
    attribution = service_of().answered(10, VIP)
    assert (attribution.grade, attribution.owner, attribution.candidates) == ("service", None, ())


def test_without_services_the_upstreams_name_names_it():
    t = service_of("p")
    attribution = t.answered(10, "10.96.0.99:80", name="shop-web-80")
    assert attribution.grade == "unknown"
    assert attribution.service is not None and attribution.service.name == "web"


def test_the_pods_own_word_is_believed_where_we_do_not_know_better():
    t = service_of("p", "q")
    attribution = prefer_reported_pod(t.histories, t.answered(10, VIP), "q")
    assert summary(attribution) == ("reported", "q")
    assert attribution.owner is not None and (attribution.owner.uid, attribution.owner.node) == ("uid-q", "node-1")
    assert summary(prefer_reported_pod(t.histories, t.answered(10, "10.0.0.1:8080"), "forged")) == ("exact", "p")
    assert summary(prefer_reported_pod(t.histories, t.answered(10, "10.9.9.9:1"), "elsewhere")) == (
        "reported",
        "elsewhere",
    )


def test_without_a_time_the_only_member_is_named():
    attribution = attribute(service_of("p").histories, VIP, None, answered=True)
    assert summary(attribution) == ("service", "p")


def test_out_of_sync_another_member_may_have_come():
    t = service_of("p")
    t.history = History(is_synced=lambda: False)
    t.history.replace([], ns(-100))
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(-1, VIP)) == ("service", "p")
    attribution = t.answered(1, VIP)
    assert attribution.owner is None
    assert summary(attribution) == ("service", "p")


def test_the_service_of_a_reported_pod_that_is_known_by_its_address():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p"), service="web"))
    t.put(0, slice_("b", pod("10.0.0.1", "q"), service="api"))
    t.put(0, slice_("c", pod("10.0.0.1", "q"), service="all"))
    attribution = prefer_reported_pod(t.histories, t.answered(5), "q")
    assert attribution.service is None
    assert service_of_attribution(t.histories, "10.0.0.1:8080", attribution) == Service("shop", "all")
    assert service_of_attribution(t.histories, "10.0.0.1:8080", t.answered(5)) is None
