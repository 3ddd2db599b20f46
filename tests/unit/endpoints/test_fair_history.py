"""Pods that come and go by the thousand cost their own namespace its history, and no other."""

import pytest

from enricher.endpoints import budget, history, ledger
from enricher.endpoints.history import History
from enricher.endpoints.ledger import MAX_ENDED_AT_ADDRESS
from enricher.endpoints.refusals import Refusal
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary


def tenant(number: int, ip: str, namespace: str = "evil") -> dict:
    """Return a slice of a tenant's, whose only pod is another one each time."""
    endpoint = pod(ip, f"e{number}")
    endpoint["targetRef"]["namespace"] = namespace
    obj = slice_("e", endpoint, service="x")
    obj["metadata"]["namespace"] = namespace
    return obj


def test_ended_tenures_of_others_stay():
    t = Timeline(max_ended=100)
    for n in range(20):
        t.put(n, slice_("a", pod("10.0.0.1", f"web-{n}")))
    for n in range(1000):
        t.put(100 + n / 100, tenant(n, f"10.1.{n % 250}.1"))
    assert [summary(t.answered(n + 0.5)) for n in range(19)] == [("exact", f"web-{n}") for n in range(19)]
    assert sum(1 for _ in t.history.tenures()) <= 102


def test_how_complete_other_addresses_are_stays():
    """A pod that answers a moment before the watch names it is certain, as long as nobody else can have."""
    t = Timeline(max_ended=10)
    for n in range(1000):
        t.put(100 + n / 100, tenant(n, f"10.1.{n % 250}.1"))
    t.put(112, slice_("a", pod("10.0.0.1", "web-1")))
    assert summary(t.answered(111)) == ("exact", "web-1")
    t.put(112, slice_("b", pod("10.1.3.1", "web-2")))
    assert t.answered(111, "10.1.3.1:8080").grade != "exact"  # a pod of the tenant's may have answered
    t.history.expire(ns(112 + 601))
    assert t.history.complete_since > ns(100)


def test_one_address_keeps_what_there_are_few_of():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    t.delete(1, "a")
    for namespace in range(10):
        for n in range(200):
            t.put(100 + n / 100, tenant(n, "10.0.0.1", f"evil-{namespace}"))
    assert len(t.history.tenures_of_ip("10.0.0.1")) == MAX_ENDED_AT_ADDRESS + 10
    assert summary(t.answered(0.5)) == ("exact", "web-1")
    assert ("shop", Refusal.SHORT_LIVED) not in t.history.refusals.counts


def test_losses_at_more_addresses_than_are_remembered(monkeypatch):
    """Otherwise pods that come and go at very many addresses would make nothing certain at any address."""
    monkeypatch.setattr(ledger, "MAX_INCOMPLETE", 50)
    t = Timeline(max_ended=10)
    before = t.history.complete_since
    for n in range(2000):
        t.put(100 + n / 100, tenant(n, f"10.{n // 250}.{n % 250}.1"))
    t.history.expire(ns(130))
    assert t.history.complete_since == before
    t.put(131, slice_("a", pod("10.0.0.1", "web-1")))
    assert summary(t.answered(130)) == ("exact", "web-1")
    assert t.history.complete_since_at("10.7.230.1") > ns(100)
    assert t.history.refusals.counts["evil", Refusal.SHORT_LIVED] > 1900


def test_one_pod_that_comes_and_goes():
    t = Timeline(max_ended=10)
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    t.delete(1, "a")
    for n in range(100):
        t.put(2 + n, tenant(1, "10.1.0.1"))
        t.history.apply("DELETED", tenant(1, "10.1.0.1"), ns(2.5 + n))
    assert summary(t.answered(0.5)) == ("exact", "web-1")


# --- endpoints --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(budget, "MAX_ENTRIES", 200)
    monkeypatch.setattr(budget, "MAX_ENTRIES_OF_NAMESPACE", 42)


def many(namespace: str, number: int) -> dict:
    endpoints = [pod(f"10.1.{n // 250}.{n % 250}", f"e{n}") for n in range(number)]
    for endpoint in endpoints:
        endpoint["targetRef"]["namespace"] = namespace
    obj = slice_("e", *endpoints, service="x")
    obj["metadata"]["namespace"] = namespace
    return obj


def test_a_namespace_with_too_many_endpoints_is_refused_more(small):
    t = Timeline()
    t.put(0, many("evil", 100))
    assert t.history.open_tenures == 40
    assert t.history.refusals.counts == {("evil", Refusal.LARGE_NAMESPACE): 60}
    t.put(1, slice_("a", *(pod(f"10.0.0.{n}", f"web-{n}") for n in range(15))))
    assert summary(t.answered(2, "10.0.0.14:8080")) == ("exact", "web-14")


def test_whoever_comes_late_gets_a_share_of_a_full_history(small):
    t = Timeline()
    for number in range(6):
        t.put(0, many(f"evil-{number}", 100))
    assert t.history.open_tenures <= 200
    t.put(1, slice_("a", *(pod(f"10.0.0.{n}", f"web-{n}") for n in range(2))))
    assert summary(t.answered(2, "10.0.0.1:8080")) == ("exact", "web-1")
    assert ("shop", Refusal.LARGE_NAMESPACE) not in t.history.refusals.counts


def test_whoever_was_there_keeps_what_they_have(small):
    t = Timeline()
    t.put(0, slice_("a", *(pod(f"10.0.0.{n}", f"web-{n}") for n in range(30))))
    for number in range(20):
        t.put(1, many(f"evil-{number}", 100))
    t.put(2, slice_("a", *(pod(f"10.0.0.{n}", f"web-{n}") for n in range(30))))
    assert summary(t.answered(3, "10.0.0.29:8080")) == ("exact", "web-29")


def test_long_names_take_more(small):
    t = Timeline()
    endpoints = [pod(f"10.0.0.{n}", f"{n}".ljust(253, "a")) for n in range(100)]
    t.put(0, slice_("a", *endpoints))
    assert t.history.open_tenures <= 42 / 2
    t.put(1, slice_("a", *(endpoint | {"nodeName": "n" * 253, "zone": "z" * 63} for endpoint in endpoints)))
    t.delete(2, "a")
    t.put(3, many("shop", 100))
    assert t.history.open_tenures == 40


def test_room_that_is_given_back_can_be_used(small):
    t = Timeline()
    for at in range(0, 20, 2):
        t.put(at, many("evil", 100))
        t.put(at + 1, many("evil", 0))
    t.put(100, many("evil", 40))
    assert t.history.open_tenures == 40


def test_a_namespace_with_too_many_slices_is_refused_more(small):
    t = Timeline()
    for number in range(100):
        t.put(0, slice_(f"e{number}", service=f"s{number}"))
    assert t.history.refusals.counts == {("shop", Refusal.LARGE_NAMESPACE): 79}
    for number in range(100):
        t.delete(1, f"e{number}")
    t.put(2, many("shop", 40))
    assert t.history.open_tenures == 40


def test_ports_are_part_of_the_budget(small):
    t = Timeline()
    ports = [{"port": number} for number in range(1, 101)]
    for number in range(100):
        t.put(0, slice_(f"e{number}", service=f"s{number}"))
        t.put(1, slice_(f"e{number}", service=f"s{number}") | {"ports": ports})
    assert sum(len(row) for row in t.history.dump()["ports"]) <= 42 + 100


def test_a_pod_in_more_slices_than_a_pod_is_in(monkeypatch):
    monkeypatch.setattr(history, "MAX_SLICES_OF_POD", 20)
    t = Timeline()
    for number in range(100):
        t.put(0, slice_(f"e{number}", pod("10.0.0.1", "web-1"), service=f"s{number}"))
    [tenure] = t.history.tenures_of_ip("10.0.0.1")
    assert len(tenure.slice_ports) == 20
    for number in range(100):
        t.delete(10, f"e{number}")
    assert summary(t.answered(11)) == ("grace", "web-1")


def test_lists_of_files_have_no_budget(small):
    history = History(retention=None)
    history.apply("ADDED", many("shop", 100), 0)
    assert history.open_tenures == 100
