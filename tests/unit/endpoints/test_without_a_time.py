"""A line without a time: the latest holder is named and never certain, unless the address is fixed."""

from enricher.endpoints.attribution import Histories, attribute
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def ask(t: Timeline, addr: str = "10.0.0.1:8080", name: str = "") -> tuple[str, ...]:
    return summary(attribute(t.histories, addr, None, answered=True, upstream_name=name))


def test_the_present_holder_is_assumed():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("a", pod("10.0.0.1", "new")))
    assert ask(t) == ("assumed", "new")


def test_the_latest_holder_is_assumed():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("a", pod("10.0.0.1", "new")))
    t.delete(20, "a")
    assert ask(t) == ("assumed", "new")


def test_pods_that_share_the_address_are_told_apart_by_their_services():
    t = Timeline()
    for name in ("web", "pay"):
        t.put(0, slice_(name, pod("10.0.0.1", f"{name}-1"), service=name))
    assert ask(t) == ("ambiguous", "pay-1", "web-1")
    assert ask(t, name="shop-pay-8080") == ("assumed", "pay-1")
    t.put(0, slice_("pay-2", pod("10.0.0.1", "pay-2"), service="pay"))
    assert ask(t, name="shop-pay-8080") == ("ambiguous", "pay-1", "pay-2")


def test_a_fixed_address_needs_no_time():
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, b"10.0.0.1:8080: fixed")
    assert summary(attribute(histories, "10.0.0.1:8080", None, answered=True)) == ("exact", "fixed")
