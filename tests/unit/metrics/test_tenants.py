"""Whatever some tenants do, the series of the others are theirs, and what they count is exact."""

import random
from collections import Counter

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from enricher.accesslog.record import Attempt, ErrorLabels
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.fair_share import OVERFLOW
from enricher.metrics import counters
from enricher.metrics.bounded import IDLE, MAX_LABEL
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.metrics.pods import FailureLabels
from enricher.timestamps import SECOND
from enricher.vocabulary import Outcome, Reason, RequestReason

LIMIT = 80
"""Largest number of pods and of kinds of requests: at least 16 for each of the five groups of namespaces.

These are the victim's, the three of the attackers, and that of all namespaces that only lines name.
"""
SERVICES = (Service("shop", "web"), Service("shop", "cart"))
ATTACKERS = ("evil-1", "evil-2", "")


class World:
    """Metrics that a victim and attackers count in, and what the victim's counters have to be."""

    def __init__(self, rng):
        self.rng, self.now = rng, 0
        self.metrics = Metrics(lambda: self.now, max_series=LIMIT)
        self.requests, self.pods, self.errors = Counter(), Counter(), Counter()
        self.failures, self.edges, self.grades = Counter(), Counter(), Counter()
        self.pods_that_are_live = set()
        self.counted = 0

    def act_as_victim(self):
        rng, metrics = self.rng, self.metrics
        service, pod = rng.choice(SERVICES), f"web-{rng.randrange(4)}"
        owner = Owner("shop", pod, f"uid-{pod}", "node-1")
        self.pods_that_are_live.add(("shop", pod))
        status = rng.choice([200, 200, 502, 503])
        outcome = Outcome.HIDDEN if status == 502 else Outcome.SEEN
        attribution, attempt = Attribution("exact", owner, service), Attempt("10.0.0.1:80", status, SECOND, 5)
        metrics.count_attempt(attribution, attempt, retried=False, origin="pod", outcome=outcome)
        key = (*service, pod, "node-1")
        self.pods[key] += 1
        self.grades[service] += 1
        if attempt.failed:
            self.errors[key, ErrorLabels(str(status), "false", "pod", "http", outcome)] += 1
        if status == 502:
            metrics.count_failure(attribution, Reason.REFUSED)
            self.failures[key] += 1
        route = f"r-{rng.randrange(2)}"
        gateway = "infra/main" if service == SERVICES[0] else ""
        metrics.count_requests(service, str(status), route=route, gateway=gateway)
        self.requests[(*service, route, str(status), "", gateway)] += 1
        route = f"httproute/shop/cart/rule/{rng.randrange(2)}"
        metrics.count_requests(None, "503", reason="not_tried", route=route)
        self.requests["", "", route, "503", "not_tried", ""] += 1
        metrics.count_edge(Service("shop", "front"), service, failed=attempt.failed)
        self.edges["shop", "front", *service] += 1

    def act_as_attacker(self):
        """Make up names, replace pods, and answer with any status."""
        rng, metrics, self.counted = self.rng, self.metrics, self.counted + 1
        namespace = rng.choice(ATTACKERS)
        is_made_up = rng.random() < 0.3
        if is_made_up and rng.random() < 0.5:
            namespace = f"made-up-{self.counted}"
        service = Service(namespace, rng.choice(["a", f"s-{self.counted}"])) if rng.random() < 0.9 else None
        name = rng.choice([f"p-{self.counted}", "x" * (MAX_LABEL + 1 + self.counted % 5), OVERFLOW, "web-1"])
        owner = Owner(namespace, name, "", "") if is_made_up else Owner(namespace, name[:MAX_LABEL], "uid", "node-1")
        attribution = Attribution("reported" if is_made_up else rng.choice(["exact", "reported"]), owner, service)
        if rng.random() < 0.2:
            attribution = Attribution("unknown", None, service)
        attempt = Attempt("10.9.9.9:80", rng.randrange(100, 1000), rng.choice([None, 1]), 5)
        origin, outcome = rng.choice(["pod", "proxy", "unknown"]), rng.choice(list(Outcome))
        metrics.count_attempt(attribution, attempt, retried=rng.random() < 0.5, origin=origin, outcome=outcome)
        metrics.count_failure(attribution, rng.choice(list(Reason)))
        routes = ["", f"r-{self.counted}", "r" * 70_000, f"httproute/{rng.choice(ATTACKERS)}/r-{self.counted}/rule/0"]
        route, reason = rng.choice(routes), rng.choice(list(RequestReason))
        gateway = rng.choice(["", f"evil-1/g-{self.counted}", "infra/main"])
        metrics.count_requests(service, str(attempt.status), reason=reason, route=route, gateway=gateway)
        metrics.count_edge(rng.choice([service, None]), rng.choice([service, *SERVICES]), failed=True)

    def pass_time(self):
        self.now += self.rng.choice([SECOND, 60 * SECOND, IDLE + 1])
        live = {("evil-1", f"p-{self.rng.randrange(1, self.counted + 2)}") for _ in range(50)}
        self.metrics.expire(self.pods_that_are_live | live)

    def check(self):
        metrics, errors, failures = self.metrics, Counter(), Counter()
        assert {key: series.requests for key, series in metrics.pods.items() if key[0] == "shop"} == self.pods
        for key in self.pods:
            errors.update({(key, kind): number for kind, number in metrics.pods[key].errors.items()})
            failures.update({key: metrics.pods[key].failures[FailureLabels(Reason.REFUSED)]})
        assert errors == self.errors
        assert +failures == self.failures
        of_victim = {key: edge.requests for key, edge in metrics.edges.items() if key[0] == "shop"}
        assert of_victim == self.edges
        of_victim = {key: series.requests for key, series in metrics.requests.items() if key[0] == "shop"}
        of_no_service = [key for key in self.requests if not key[1] and key in metrics.requests]
        of_victim |= {key: metrics.requests[key].requests for key in of_no_service}
        assert of_victim == self.requests
        of_victim = {key: series.attempts["exact"] for key, series in metrics.services.items() if key[0] == "shop"}
        assert of_victim == self.grades
        assert "shop" not in metrics.overflow.counted
        assert "shop" not in metrics.overflow.dropped

    def exposition(self):
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector(self.metrics, Gauges))
        return generate_latest(registry).decode()


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_the_series_of_others_are_exact_whatever_tenants_do(seed):
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counters, "MAX_EDGES", LIMIT)
        world = World(rng)
    victim_share = rng.choice([0.02, 0.2, 0.8])
    world.act_as_victim()
    for _ in range(rng.choice([100, 1000])):
        if rng.random() < victim_share:
            world.act_as_victim()
        else:
            world.act_as_attacker()
        if world.now < 3000 * SECOND and rng.random() < 0.01:
            world.pass_time()
    overflow = world.metrics.overflow
    event(f"overflow: {overflow.counted.total() > 0}, dropped: {overflow.dropped.total() > 0}")
    world.check()
    text = world.exposition()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len({(sample.name, *sorted(sample.labels.items())) for sample in samples}) == len(samples)
    assert len(samples) < 40 * LIMIT
    assert max(len(value) for sample in samples for value in sample.labels.values()) <= MAX_LABEL


def test_who_names_routes_like_those_of_others_gets_none_of_the_series_of_their_services():
    """In Istio, anybody may give a route any name."""
    metrics = Metrics(lambda: 0, max_series=LIMIT)
    owner = Owner("shop", "web-1", "uid", "node-1")
    metrics.count_attempt(
        Attribution("exact", owner, SERVICES[0]), Attempt("10.0.0.1:80", 200, 1, 5), retried=False, origin=""
    )
    for n in range(1000):
        metrics.count_requests(None, "503", route=f"httproute/shop/r-{n}/rule/0", gateway="infra/main")
    for n in range(LIMIT):
        metrics.count_requests(SERVICES[0], "200", route=f"r-{n}")
    assert sum(key[:2] == SERVICES[0] and key[2] != OVERFLOW for key in metrics.requests) == LIMIT
    assert sum(key[1] == "" for key in metrics.requests) == LIMIT / 4 + 1
    assert sum(series.requests for series in metrics.requests.values()) == 1000 + LIMIT


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_what_one_tenant_counts_adds_up(seed):
    """Nothing is dropped as long as no other namespace needs the room."""
    rng = random.Random(seed)
    metrics, errors, number = Metrics(lambda: 0, max_series=LIMIT), 0, 500
    for n in range(number):
        service, attempt = Service("shop", f"s-{n % 90}"), Attempt("10.0.0.1:80", rng.randrange(400, 600), n, 5)
        owner = Owner("shop", f"p-{n}", rng.choice(["", "uid"]), "")
        attribution = Attribution(rng.choice(["exact", "reported"]), owner, service)
        metrics.count_attempt(attribution, attempt, retried=rng.random() < 0.5, origin="pod")
        metrics.count_requests(service, str(attempt.status), route=f"r-{n}")
        metrics.count_edge(service, service, failed=attempt.failed)
        errors += attempt.failed
    assert not metrics.overflow.dropped
    for table in (metrics.pods, metrics.requests, metrics.edges):
        assert sum(series.requests for series in table.values()) == number
    for key, series in metrics.pods.items():
        assert series.failed == series.errors.total(), key
    assert sum(series.failed for series in metrics.pods.values()) == errors
    assert sum(edge.errors for edge in metrics.edges.values()) == errors
    assert sum(series.attempts.total() for series in metrics.services.values()) == number
    failed = sum(series.requests for key, series in metrics.requests.items() if key[3].startswith("5"))
    assert failed == errors
    assert {key[0] for table in (metrics.pods, metrics.requests, metrics.services) for key in table} == {"shop"}
