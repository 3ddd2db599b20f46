"""Whoever may lead a service of theirs to any address cannot blame the pod there for a port where nothing listens."""

from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def timeline() -> Timeline:
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    hostile = slice_("e", service="lead")
    hostile["metadata"]["namespace"] = "hostile"
    t.put(0, hostile)
    return t


def test_a_port_of_no_slice_for_another_service():
    t = timeline()
    attribution = t.failed(10, 11, "10.0.0.1:9", name="hostile-lead-9")
    assert summary(attribution) == ("unknown",)
    assert attribution.service == ("hostile", "lead")


def test_a_port_of_no_slice_otherwise():
    t = timeline()
    assert summary(t.failed(10, 11, "10.0.0.1:9")) == ("assumed", "web-1")
    assert summary(t.failed(10, 11, "10.0.0.1:9", name="shop-web-9")) == ("assumed", "web-1")
    assert summary(t.answered(10, "10.0.0.1:9", name="hostile-lead-9")) == ("assumed", "web-1")  # it does listen


def test_a_port_that_a_slice_names():
    assert summary(timeline().failed(10, 11, name="hostile-lead-9")) == ("exact", "web-1")
