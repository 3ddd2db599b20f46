"""A pod joins and leaves services: the service beside it is as of the attempt, however late its line is read."""

import orjson
import pytest

from enricher.endpoints.attribution import Window, attribute_client
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import MAX_PAST_STAYS, MAX_SERVICES
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary

VIP = "10.96.0.7:80"


def service_at(t: Timeline, at: float, *, name: str = "") -> str:
    service = t.answered(at, name=name).service
    return service.name if service else ""


def moved() -> Timeline:
    """A pod in `web` until 20, in `api` from 20 to 40, in both from 40 to 50, in none after 60."""
    t = Timeline()
    t.put(0, slice_("w", pod("10.0.0.1", "p"), service="web"))
    t.put(20, slice_("a", pod("10.0.0.1", "p"), service="api"))
    t.put(20, slice_("w", service="web"))
    t.put(40, slice_("w", pod("10.0.0.1", "p"), service="web"))
    t.put(50, slice_("a", service="api"))
    t.delete(60, "w")
    return t


@pytest.mark.parametrize("restored", [False, True])
def test_a_pod_that_moves(restored):
    t = moved()
    if restored:
        saved, t.history = t.history.dump(), History()
        t.history.load(orjson.loads(orjson.dumps(saved)))
    services = [(at, service_at(t, at)) for at in (0, 19, 20, 39, 40, 49, 50, 59, 60, 65)]
    in_api, in_web = ["api", "api"], ["web", "web"]
    assert [service for _, service in services] == [*in_web, *in_api, "", "", *in_web, *in_web]


def test_the_proxy_may_name_one_that_the_pod_has_left():
    t = moved()
    assert service_at(t, 30, name="shop-web-8080") == "web"
    assert service_at(t, 45, name="shop-api-8080") == "api"


def test_of_two_that_an_upstream_name_may_mean_the_one_of_then():
    t = Timeline()
    t.put(0, slice_("w", pod("10.0.0.1", "p"), service="web", port_name="api-80"))
    t.put(20, slice_("a", pod("10.0.0.1", "p"), service="web-api", port=9090))
    t.put(20, slice_("w", service="web"))
    assert service_at(t, 10, name="shop-web-api-80") == "web"
    assert service_at(t, 30, name="shop-web-api-80") == "web-api"


def test_a_client_has_the_first_service_of_then():
    t = moved()
    found = []
    for at in (10, 30, 45, 55):
        client = attribute_client(t.histories, "10.0.0.1", t_window(at))
        assert client is not None
        found.append(client.service)
    assert found == [Service("shop", name) for name in ("web", "api", "api", "web")]


def t_window(at: float) -> Window:
    return Window(ns(at), ns(at), ns(at))


def test_a_move_between_slices_of_a_service_is_no_return():
    t = Timeline()
    for n in range(50):
        t.put(n, slice_(f"s{n}", pod("10.0.0.1", "p")))
        t.delete(n + 0.5, f"s{n}")
    (tenure,) = t.history.tenures()
    assert len(tenure.services) == 1
    assert not tenure.past_stays
    assert service_at(t, 20.7) == "web"


def test_changes_seen_in_a_list_may_have_been_earlier():
    t = Timeline()
    t.put(0, slice_("w", pod("10.0.0.1", "p"), service="web"))
    t.put(10, slice_("o", pod("10.0.0.2", "o")))
    t.relist(20, slice_("a", pod("10.0.0.1", "p"), service="api"), slice_("o", pod("10.0.0.2", "o")))
    assert [service_at(t, at) for at in (9, 15, 21)] == ["web", "", "api"]


def test_the_services_and_returns_of_a_tenure_are_bounded():
    t = Timeline()
    for n in range(3 * MAX_SERVICES):
        t.put(n, slice_("s", pod("10.0.0.1", "p"), service=f"service-{n}"))
    (tenure,) = t.history.tenures()
    last = 3 * MAX_SERVICES - 1
    assert list(tenure.services) == [Service("shop", f"service-{n}") for n in range(last - MAX_SERVICES + 1, last + 1)]
    assert not t.history.has_service(Service("shop", "service-0"))
    for n in range(4 * MAX_PAST_STAYS):
        t.put(100 + n, slice_("s", pod("10.0.0.1", "p"), service=("web", "api")[n % 2]))
    assert len(tenure.past_stays) == MAX_PAST_STAYS
    assert service_at(t, 100 + 4 * MAX_PAST_STAYS - 5.5) == "web"
    t.delete(500, "s")
    t.history.expire(ns(10_000))
    assert not any(t.history.has_service(Service("shop", name)) for name in ("web", "api", f"service-{last}"))


@pytest.mark.parametrize(
    ("at", "expected"),
    [(14, ("service", "p")), (15, ("service", "p", "q")), (34, ("service", "p", "q")), (35, ("service", "p"))],
)
def test_the_members_of_a_cluster_ips_service_are_those_of_then(at, expected):
    t = Timeline()
    t.service(-50, "web", "10.96.0.7")
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(0, slice_("b", pod("10.0.0.2", "q"), service="api"))
    t.put(20, slice_("c", pod("10.0.0.2", "q")))
    t.put(30, slice_("c"))
    assert summary(t.answered(at, VIP)) == expected


@pytest.mark.parametrize(("at", "name"), [(-1, "web"), (9, "web"), (10, "pay"), (19, "pay"), (20, "web"), (30, "web")])
def test_a_cluster_ip_that_another_service_of_the_namespace_had_for_a_while(at, name):
    t = Timeline()
    for begun, service in ((-50, "web"), (10, "pay"), (20, "web")):
        if begun > 0:
            before = "pay" if service == "web" else "web"
            t.services.apply("DELETED", {"metadata": {"namespace": "shop", "name": before}}, ns(begun))
        t.service(begun, service, "10.96.0.7")
    service = t.answered(at, VIP).service
    assert service is not None
    assert service.name == name
