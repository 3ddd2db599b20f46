"""More pods at one address than can share it: the work does not grow with them, and nothing there is certain."""

from collections.abc import Callable

import pytest

from enricher.endpoints import attribution
from enricher.endpoints.crowds import MAX_HOLDERS
from enricher.endpoints.history import MAX_CLAIMS
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def crowd(namespace: str, pods: int, *, port: int | None = 8080, first: int = 0) -> dict:
    endpoints = [pod("10.0.0.1", f"{namespace}-{n}") for n in range(first, first + pods)]
    for endpoint in endpoints:
        endpoint["targetRef"]["namespace"] = namespace
    obj = slice_("e", *endpoints, service="x", port=port)
    obj["metadata"]["namespace"] = namespace
    return obj


@pytest.fixture
def t():
    """One pod in a service of its own, and a thousand claims upon its address from each of ten namespaces."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    for n in range(10):
        t.put(100, crowd(f"evil-{n}", 1000))
    return t


def test_the_pod_of_the_named_service_is_assumed(t):
    assert summary(t.answered(200, name="shop-web-8080")) == ("assumed", "web-1")
    assert summary(t.failed(199, 200, name="shop-web-8080")) == ("assumed", "web-1")


def test_without_a_name_it_is_ambiguous(t):
    for name in ("", "shop-other-8080", "evil-1-x-8080"):
        attribution = t.answered(200, name=name)
        assert (attribution.grade, attribution.owner, attribution.may_change) == ("ambiguous", None, False)
        assert len(attribution.candidates) == attribution_limit()


def attribution_limit() -> int:
    return attribution.MAX_CANDIDATES


def test_before_the_crowd_came_the_pod_is_certain(t):
    assert summary(t.answered(50)) == ("exact", "web-1")


def test_a_crowd_at_another_port_is_none_here():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    t.put(1, crowd("evil", 30, port=9999))
    assert summary(t.answered(200)) == ("exact", "web-1")


def test_pods_on_the_hosts_network_are_told_apart_by_their_ports():
    t = Timeline()
    for n in range(MAX_CLAIMS):
        t.put(0, slice_(f"s{n}", pod("10.0.0.1", f"p{n}"), service=f"s{n}", port=8000 + n))
    assert MAX_CLAIMS > MAX_HOLDERS
    assert [summary(t.answered(100, f"10.0.0.1:{8000 + n}")) for n in (0, 9, 31)] == [
        ("exact", f"p{n}") for n in (0, 9, 31)
    ]


def test_the_work_does_not_grow_with_the_claims(t, monkeypatch):
    compared = count(monkeypatch, attribution, "spans_of_port")
    for n in range(50):
        t.put(200 + n, crowd("evil-0", 1000, first=n))
        t.answered(200.5 + n)
        t.answered(200.5 + n, name="shop-web-8080")
    assert not compared


def count(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[int]:
    calls, function = list[int](), getattr(module, name)

    def counting(*arguments: object) -> Callable[..., object]:
        calls.append(1)
        return function(*arguments)

    monkeypatch.setattr(module, name, counting)
    return calls
