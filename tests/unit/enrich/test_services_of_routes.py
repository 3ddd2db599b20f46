"""Requests that no pod was tried for, whose lines name a route and no Service: other requests of the route tell it."""

import random
from collections.abc import Callable, Iterable

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service, read_slice
from enricher.enrich.engine import Enricher, Output
from enricher.enrich.route_services import MAX_ROUTES, MAX_SERVICES, RouteServices
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND, format_rfc3339
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.controller_lines import AT, slice_of

PODS = {"web": {"10.0.0.1": "web-1"}, "cart": {"10.0.0.2": "cart-1"}, "old": {"10.0.0.3": "old-1"}}
"""The Services, each with a pod."""
SOURCE, OTHER = (Source(f"/log/{name}", "gateways", name, name, "envoy") for name in ("envoy-a", "envoy-b"))


def log_line(at: float, address: str | None, *, rule: int = 0, status: int = 200, reverse: bool = False) -> Line:
    """Return a line of Envoy Gateway's log, `at` seconds after AT; one without an address was answered by the proxy."""
    fields = {
        "start_time": format_rfc3339(AT + round(at * SECOND)),
        "method": "GET",
        "x-envoy-origin-path": "/",
        "response_code": status,
        "response_flags": "-",
        "response_code_details": "via_upstream" if address else "direct_response",
        "duration": 0,
        "upstream_host": f"{address}:8080" if address else None,
        "route_name": f"httproute/shop/web/rule/{rule}/match/0/a_com",
    }
    text = orjson.dumps(dict(reversed(fields.items())) if reverse else fields)
    return Line(text, format_rfc3339(AT + round((at + 0.01) * SECOND)).encode(), "stdout")


class World:
    """The pods of PODS, all ready in the hour before AT, and an engine."""

    def __init__(self, make: Callable[..., Enricher | ReferenceEnricher] = Enricher) -> None:
        self.is_synced = True
        self.pods = History(retention=None, is_synced=lambda: self.is_synced)
        slices = [read_slice(slice_of(pods, service=service)) for service, pods in PODS.items()]
        self.pods.replace(slices, AT - 3600 * SECOND)
        self.metrics = Metrics(lambda: AT)
        self.engine = make(FormatDetector((envoy.compile_format(envoy.GATEWAY),)), self.metrics)

    def set_ready(self, service: str, at: float, *, ready: bool) -> None:
        obj = slice_of(PODS[service], service=service)
        for endpoint in obj["endpoints"]:
            endpoint["conditions"] = {"ready": ready}
        self.pods.apply("MODIFIED", obj, AT + round(at * SECOND))

    def rows(self, lines: Iterable[Line], source: Source = SOURCE) -> list[dict]:
        items = list(self.engine.enrich(source, list(lines), Histories(self.pods, History())))
        return [orjson.loads(row) for item in items if isinstance(item, Output) for row in item.data.splitlines()]


def explained(row: dict) -> tuple:
    return tuple(row.get(name) for name in ("service", "service_of", "reason", "cause", "cause_grade"))


OF_WEB = ("web", "route", "no_endpoints", "no_endpoints", "likely")
UNEXPLAINED = (None, None, "not_tried", "unknown", None)


@pytest.mark.parametrize("together", [True, False])
def test_the_only_service_of_the_route_had_no_pod(together: bool) -> None:
    world = World()
    world.set_ready("web", 10, ready=False)
    lines = [log_line(1, "10.0.0.1"), log_line(11, None, status=503)]
    rows = world.rows(lines) if together else [*world.rows(lines[:1]), *world.rows(lines[1:])]
    assert explained(rows[-1]) == OF_WEB
    world.engine.update_counts()
    assert {key[:2]: n.requests for key, n in world.metrics.requests.items()}  # counted under its Service
    assert any("web" in key and "no_endpoints" in key for key, _ in world.metrics.requests.items())


def test_nobody_went_there_before() -> None:
    world = World()
    world.set_ready("web", 10, ready=False)
    rows = world.rows([log_line(11, None, status=503), log_line(1, "10.0.0.1"), log_line(11, None, status=503)])
    assert [explained(row) for row in (rows[0], rows[2])] == [UNEXPLAINED, OF_WEB]


def test_a_pod_was_ready() -> None:
    world = World()
    rows = world.rows([log_line(1, "10.0.0.1"), log_line(11, None, status=503)])
    assert explained(rows[1]) == UNEXPLAINED


@pytest.mark.parametrize(("empty", "expected"), [(["web"], OF_WEB), (["web", "cart"], UNEXPLAINED)])
def test_a_rule_with_two_services(empty: list[str], expected: tuple) -> None:
    world = World()
    for service in empty:
        world.set_ready(service, 10, ready=False)
    lines = [log_line(1, "10.0.0.1"), log_line(1, "10.0.0.2"), log_line(11, None, status=503)]
    assert explained(world.rows(lines)[2]) == expected


def test_another_rule_and_another_proxy_tell_nothing() -> None:
    world = World()
    world.set_ready("web", 10, ready=False)
    failed = log_line(11, None, status=503)
    assert explained(world.rows([log_line(1, "10.0.0.1", rule=1), failed])[1]) == UNEXPLAINED
    world.rows([log_line(1, "10.0.0.1")], OTHER)
    assert explained(world.rows([failed])[0]) == UNEXPLAINED


def test_an_answer_of_the_proxy_that_is_no_failure_says_nothing() -> None:
    world = World()
    world.set_ready("web", 10, ready=False)
    row = world.rows([log_line(1, "10.0.0.1"), log_line(11, None, status=404)])[1]
    assert explained(row) == (None,) * 5


def test_a_watch_that_ended_in_between_hides_no_outage() -> None:
    """The lines go on after the recording: what it has of an outage counts for the lines of that time all the same."""
    world = World()
    world.set_ready("web", 10, ready=False)
    world.set_ready("web", 20, ready=True)
    world.is_synced = False
    times = [1, 11, 15, 25, 90]
    rows = world.rows([log_line(1, "10.0.0.1"), *(log_line(at, None, status=503) for at in times)])
    assert [explained(row)[2] for row in rows[1:]] == [
        "not_tried",
        "no_endpoints",
        "no_endpoints",
        "not_tried",
        "not_tried",
    ]


@pytest.mark.parametrize("seed", range(60))
def test_the_engine_agrees_with_the_reference(seed: int) -> None:
    """Outages of some Services, requests of some rules in any order, with keys in two orders, in chunks of any size."""
    choices = random.Random(seed)
    worlds = [World(Enricher), World(ReferenceEnricher)]
    is_synced = choices.random() < 0.5
    for world in worlds:
        world.is_synced = is_synced
    for service in PODS:
        at = 0.0
        for ready in (False, True) * choices.randrange(3):
            at += choices.choice([0.5, 5, 20])
            for world in worlds:
                world.set_ready(service, at, ready=ready)
    lines = []
    for _ in range(choices.choice([5, 40, 120])):
        address = choices.choice([None, None, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.9.9"])
        status = choices.choice([503, 503, 500, 404]) if address is None else choices.choice([200, 200, 503])
        at, reverse = choices.uniform(-5, 60), choices.random() < 0.3
        lines.append(log_line(at, address, rule=choices.randrange(3), status=status, reverse=reverse))
    if choices.random() < 0.5:
        lines.sort(key=lambda line: line.stamp)
    size = choices.choice([1, 7, 200])
    chunks = [lines[begin : begin + size] for begin in range(0, len(lines), size)]
    engine, reference = ([world.rows(chunk) for chunk in chunks] for world in worlds)
    assert engine == reference
    for world in worlds:
        world.engine.update_counts()
    requests = [{key: series.requests for key, series in world.metrics.requests.items()} for world in worlds]
    assert requests[0] == requests[1]


def test_the_order_in_which_lines_are_added_makes_no_difference() -> None:
    services = RouteServices()
    services.begin_batch()
    for number in (9, 3, 7):
        services.add("r", Service("shop", "web"), number)
    assert services.before("r", 3) == ()
    assert services.before("r", 4) == (Service("shop", "web"),)
    services.begin_batch()
    assert services.before("r", 0) == (Service("shop", "web"),)


def test_one_namespace_cannot_take_the_places_of_others() -> None:
    services = RouteServices()
    services.begin_batch()
    services.add("httproute/shop/web/rule/0", Service("shop", "web"), 0)
    for number in range(MAX_ROUTES + 100):
        services.add(f"httproute/flood/r{number}/rule/0", Service("flood", "x"), number)
    for number in range(MAX_SERVICES + 100):
        services.add("httproute/shop/web/rule/0", Service("shop", f"s{number}"), number)
    assert len(services.before("httproute/shop/web/rule/0", MAX_ROUTES)) == MAX_SERVICES
