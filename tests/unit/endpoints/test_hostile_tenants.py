"""Tenants that write whatever slices they like cost others nothing, and no more than their share of what there is.

A history gets the events of a well-behaved namespace, and between them those of hostile ones. Beside it, a plain model
has the tenures of the well-behaved one's pods. All bounds are small here.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints import budget, ledger, slices
from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.history import History
from enricher.endpoints.tenure import FOREVER
from tests.unit.endpoints.timeline import ns, pod, slice_

ADDRESSES = [f"10.0.0.{n}" for n in range(6)]
NODE = "10.0.0.0"
STEPS = 120
MAX_ENTRIES, OF_NAMESPACE, AT_ADDRESS, OF_NAMESPACE_AT_ADDRESS = 150, 60, 24, 10
MAX_ENDED, MAX_ENDED_AT_ADDRESS, MAX_INCOMPLETE = 60, 20, 10

exercised: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    monkeypatch.setattr(budget, "MAX_ENTRIES", MAX_ENTRIES)
    monkeypatch.setattr(budget, "MAX_ENTRIES_OF_NAMESPACE", OF_NAMESPACE)
    monkeypatch.setattr(ledger, "MAX_AT_ADDRESS", AT_ADDRESS)
    monkeypatch.setattr(ledger, "MAX_AT_ADDRESS_OF_NAMESPACE", OF_NAMESPACE_AT_ADDRESS)
    monkeypatch.setattr(slices, "MAX_AT_ADDRESS_OF_NAMESPACE", OF_NAMESPACE_AT_ADDRESS)
    monkeypatch.setattr(budget, "MIN_ENDED", MAX_ENDED)
    monkeypatch.setattr(ledger, "MAX_ENDED_AT_ADDRESS", MAX_ENDED_AT_ADDRESS)
    monkeypatch.setattr(ledger, "MAX_INCOMPLETE", MAX_INCOMPLETE)


@dataclass
class Model:
    """The well-behaved namespace: one pod at each address, replaced now and then, in one slice of one service."""

    holders: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The pod at each address, and since when."""
    ended: list[tuple[str, str, float, float]] = field(default_factory=list)
    pods: int = 0

    def replace_pod(self, ip: str, at: float) -> None:
        if ip in self.holders:
            name, since = self.holders.pop(ip)
            self.ended.append((ip, name, since, at))
        self.pods += 1
        self.holders[ip] = (f"web-{self.pods}", at)

    def slice(self) -> dict:
        return slice_("web", *(pod(ip, name) for ip, (name, _) in self.holders.items()))

    def tenures(self) -> set[tuple[str, str, int, int]]:
        open_tenures = {(ip, name, ns(since), FOREVER) for ip, (name, since) in self.holders.items()}
        return open_tenures | {(ip, name, ns(since), ns(until)) for ip, name, since, until in self.ended}


def hostile_slice(rng: random.Random) -> dict:
    """Return whatever the API takes, and some that it refuses."""
    namespace, ip = f"evil-{rng.randrange(3)}", rng.choice(ADDRESSES)
    obj = slice_(
        f"s{rng.randrange(12)}",
        *(hostile_endpoint(rng, namespace, ip) for _ in range(rng.choice((0, 1, 3, 40)))),
        service=rng.choice(("x", "x", "y", "y", "web", "web", "z" * 70, "")),
    )
    obj["metadata"]["namespace"] = namespace
    first = rng.randrange(1, 60_000)
    obj["ports"] = [
        {"port": port, "name": f"p{port}"} for port in range(first, first + rng.choice((0, 0, 1, 1, 3, 50)))
    ]
    obj["ports"] += [{"port": 8080}] * (rng.random() < 0.7)
    return obj | {"addressType": rng.choice(("IPv4",) * 8 + ("IPv6", "FQDN"))}


def hostile_endpoint(rng: random.Random, namespace: str, ip: str) -> dict:
    any_ip = rng.choice((*ADDRESSES, f"10.1.{rng.randrange(9)}.{rng.randrange(250)}", "fd00::1"))
    address = ip if rng.random() < 0.7 else any_ip
    name = f"e{rng.randrange(10_000)}"
    if rng.random() < 0.2:
        name = rng.choice(("e", f"web-{rng.randrange(9)}", "x" * rng.choice((200, 253, 999)), ""))
    endpoint = pod(address, name, terminating=rng.random() < 0.3, node=rng.choice(("n",) * 9 + ("n" * 253, "[n]")))
    endpoint["targetRef"]["namespace"] = rng.choice((namespace,) * 9 + ("shop",))
    endpoint["targetRef"]["uid"] = rng.choice((name[:100],) * 9 + ("u", "u" * 129))
    return endpoint | {"addresses": [address, *rng.choice(((),) * 9 + ((rng.choice(ADDRESSES),),))]}


def check_bounds(pods: History) -> None:
    tenures = list(pods.tenures())
    is_open = [tenure.until == FOREVER for tenure in tenures]
    assert pods.open_tenures == sum(is_open)
    assert len(tenures) - sum(is_open) <= MAX_ENDED
    entries = Counter[str]()
    for (namespace, _), content in pods._slices.items():
        entries[namespace] += content.entries
    assert entries == pods._budget._entries
    assert entries.total() == pods._budget._total <= MAX_ENTRIES + 4 * 100  # the ports of a slice come together
    for ip in ADDRESSES:
        here = pods.tenures_of_ip(ip)
        holders = Counter(tenure.owner.namespace for tenure in here if tenure.until == FOREVER)
        assert holders.total() <= AT_ADDRESS + len(holders)
        assert max(holders.values(), default=0) <= OF_NAMESPACE_AT_ADDRESS
        assert len(here) - holders.total() <= MAX_ENDED_AT_ADDRESS
    assert len(pods._ledger._lost) <= MAX_INCOMPLETE
    assert {tenure for members in pods._services._members.values() for tenure in members} == set(tenures)
    for tenure in tenures:
        assert len(tenure.ports) <= 101
        exercised["ended"] += tenure.until != FOREVER
    exercised["crowds"] += sum(bool(pods.crowds_of_address(ip, 8080)) for ip in ADDRESSES)


def check_model(pods: History, model: Model, at: float) -> None:
    own = {(t.ip, t.owner.pod, t.since, t.until) for t in pods.tenures() if t.owner.namespace == "shop"}
    assert own == model.tenures()
    assert not any(namespace == "shop" for namespace, _ in pods.refusals.counts)
    for ip, (name, since) in model.holders.items():
        if since + 40 > at:
            continue
        window = Window(ns(at) - 1, ns(at) - 1, ns(at) - 1)
        for answered in (True, False):
            attribution = attribute(
                Histories(pods, History()), f"{ip}:8080", window, answered=answered, upstream_name="shop-web-8080"
            )
            assert attribution.owner is not None
            assert (attribution.owner.namespace, attribution.owner.pod) == ("shop", name)
            exercised[attribution.grade] += 1


def run(seed: int) -> None:
    rng, model, at = random.Random(seed), Model(), 0.0
    pods = History(max_ended=MAX_ENDED)
    pods.replace([], ns(-100))
    for ip in ADDRESSES:
        model.replace_pod(ip, at)
    pods.apply("ADDED", model.slice(), ns(at))
    for _ in range(STEPS):
        at += rng.choice((0.01, 0.1, 1, 10))
        what = rng.random()
        if what < 0.03 and len(model.ended) < 6:
            model.replace_pod(rng.choice(ADDRESSES), at)
            pods.apply("MODIFIED", model.slice(), ns(at))
        elif what < 0.06:
            saved = orjson.loads(orjson.dumps(pods.dump()))
            refusals, pods = pods.refusals, History(max_ended=MAX_ENDED)
            pods.load(saved)
            assert orjson.loads(orjson.dumps(pods.dump())) == saved
            pods.refusals.counts.update(refusals.counts)
        elif what < 0.1:
            pods.expire(ns(at))
        else:
            pods.apply("DELETED" if rng.random() < 0.15 else "MODIFIED", hostile_slice(rng), ns(at))
        check_bounds(pods)
        if rng.random() < 0.2:
            check_model(pods, model, at)
    check_model(pods, model, at + 50)
    exercised.update(str(reason) for _, reason in pods.refusals.counts)


def test_a_hostile_tenant_harms_nobody() -> None:
    exercised.clear()
    runs()
    print(dict(exercised))
    reasons = {"malformed", "foreign_pod", "further_address", "crowded_address", "large_namespace", "short_lived"}
    assert all(exercised[what] for what in (*reasons, "assumed", "exact", "crowds"))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def runs(seed: int) -> None:
    run(seed)
