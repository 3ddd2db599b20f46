"""Slices name several pods at one address and port at one time: nothing there is exact, whoever is right."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.attribution import MAX_CANDIDATES
from enricher.endpoints.history import History
from enricher.endpoints.ports import port_set
from enricher.endpoints.refusals import Refusal
from enricher.endpoints.slices import MAX_AT_ADDRESS_OF_NAMESPACE, Owner, read_slice
from enricher.endpoints.spans import spans_of_port
from enricher.endpoints.tenure import FOREVER, Tenure, share_address
from tests.support.calls import calls
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary


def in_namespace(namespace: str, obj: dict) -> dict:
    obj["metadata"]["namespace"] = namespace
    for endpoint in obj["endpoints"]:
        endpoint["targetRef"]["namespace"] = namespace
    return obj


def shared(*, port: int = 8080) -> Timeline:
    """`web` holds the address from 0 to 60, `pay` of another namespace from 20 on."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web")))
    t.put(20, in_namespace("bank", slice_("b", pod("10.0.0.1", "pay"), service="pay", port=port)))
    return t


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop-web-8080", ("assumed", "web")),
        ("bank-pay-8080", ("assumed", "pay")),
        ("", ("ambiguous", "pay", "web")),
        ("shop-other-8080", ("ambiguous", "pay", "web")),
    ],
)
@pytest.mark.parametrize("how", ["at once", "afterwards", "restored", "failed"])
def test_the_service_that_the_proxy_names_may_choose(how, name, expected):
    t = shared()
    if how in {"afterwards", "restored"}:
        t.delete(60, "a")
    if how == "restored":
        saved, t.history = t.history.dump(), History()
        t.history.load(orjson.loads(orjson.dumps(saved)))
    attribution = t.failed(30, 31, name=name) if how == "failed" else t.answered(40, name=name)
    assert summary(attribution) == expected
    assert not attribution.may_change  # no line need wait


def test_other_ports_share_nothing():
    t = shared(port=9090)
    assert summary(t.answered(40, "10.0.0.1:8080")) == ("exact", "web")
    assert summary(t.answered(40, "10.0.0.1:9090")) == ("exact", "pay")
    assert summary(t.answered(40, "10.0.0.1:1")) == ("ambiguous", "pay", "web")


def test_before_and_after_both_it_is_exact():
    t = shared()
    t.delete(60, "a")
    assert summary(t.answered(19)) == ("exact", "web")
    assert summary(t.answered(66)) == ("exact", "pay")


@pytest.mark.parametrize("namespace", ["shop", "bank"])
def test_a_terminating_pod_is_taken_over_within_its_namespace_only(namespace):
    """Else anybody could take the answers of a pod that is drained."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("a", pod("10.0.0.1", "old", terminating=True)))
    t.put(12, in_namespace(namespace, slice_("b", pod("10.0.0.1", "new"), service="pay")))
    expected = ("exact", "new") if namespace == "shop" else ("ambiguous", "new", "old")
    assert summary(t.answered(15)) == expected
    t.delete(16, "a")
    assert summary(t.answered(15)) == expected
    assert summary(t.answered(22)) == ("exact", "new")


def test_a_claim_within_another():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(20, slice_("b", pod("10.0.0.1", "q"), service="api"))
    t.delete(30, "b")
    both = ("ambiguous", "p", "q")
    grades = [summary(t.answered(at)) for at in (19, 20, 29, 34, 35)]
    assert grades == [("exact", "p"), both, both, both, ("exact", "p")]


def test_it_is_remembered_after_one_of_them_is_forgotten():
    t = shared()
    t.delete(60, "a")
    t.history.expire(ns(60 + 3601))
    assert [summary(t.answered(at)) for at in (40, 64)] == [("assumed", "pay")] * 2
    saved = t.history.dump()
    t.history = History()
    t.history.load(orjson.loads(orjson.dumps(saved)))
    assert [summary(t.answered(at)) for at in (64, 66)] == [("assumed", "pay"), ("exact", "pay")]


def test_endpoints_without_pods_are_known_by_their_services():
    t = Timeline()
    for namespace, service in (("shop", "db"), ("bank", "database")):
        obj = slice_(service, {"addresses": ["10.0.0.1"]}, service=service)
        obj["metadata"]["namespace"] = namespace
        t.put(0, obj)
    assert t.answered(5).grade == "ambiguous"
    attribution = t.answered(5, name="bank-database-8080")
    assert (attribution.grade, attribution.owner) == ("exact", Owner("bank", "", "", ""))


def test_a_pod_that_moves_between_slices_while_another_is_named_keeps_its_tenure():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web")))
    t.delete(10, "a")
    t.put(10.1, in_namespace("evil", slice_("e", pod("10.0.0.1", "e"), service="x")))
    t.put(10.2, slice_("a-2", pod("10.0.0.1", "web")))
    assert summary(t.failed(10.1, 10.2, name="shop-web-8080")) == ("assumed", "web")


def test_a_flood_of_pods_at_one_address():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web")))
    flood = in_namespace("evil", slice_("e", *(pod("10.0.0.1", f"e{n}") for n in range(1000)), service="x"))
    t.put(10, flood)
    assert len(t.history.tenures_of_ip("10.0.0.1")) == 1 + MAX_AT_ADDRESS_OF_NAMESPACE
    assert t.history.refusals.counts == {("evil", Refusal.CROWDED_ADDRESS): 1000 - MAX_AT_ADDRESS_OF_NAMESPACE}
    assert summary(t.answered(20, name="shop-web-8080")) == ("assumed", "web")
    assert len(t.answered(20).candidates) == MAX_CANDIDATES
    t.put(30, flood)
    t.put(40, in_namespace("evil", slice_("e", service="x")))
    assert t.history.open_tenures == 1
    assert summary(t.answered(50)) == ("exact", "web")


def test_the_spans_of_many_tenures_take_one_pass():
    """Four times as many tenures take four times as many calls, not sixteen times."""

    def work(count: int) -> int:
        ports = port_set(((8080, ""),))
        tenures = [
            Tenure("ip", Owner("evil", f"p{n}", "", ""), n, n, FOREVER, FOREVER, n + 5, n, ports=ports)
            for n in range(count)
        ]
        assert len(spans_of_port(tenures, 8080)) == count
        return calls(lambda: spans_of_port(tenures, 8080))

    assert work(4000) < 5 * work(1000)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_spans_end_where_another_pod_takes_over(seed: int) -> None:
    """The one pass gives what the rule about two tenures gives for each pair."""
    rng = random.Random(seed)
    t = Timeline()
    for at in range(1, rng.randint(2, 30)):
        name, namespace = f"p{rng.randrange(4)}", rng.choice(("shop", "shop", "bank"))
        endpoint = pod("10.0.0.1", name, uid=f"{name}-{rng.randrange(2)}", terminating=rng.random() < 0.3)
        port = rng.choice((80, 81, None))
        t.put(at, in_namespace(namespace, slice_(f"s{rng.randrange(5)}", *rng.choice(([], [endpoint])), port=port)))
    tenures = [each for each in t.history.tenures_of_ip("10.0.0.1") if each.since < each.until]
    for span in spans_of_port(tenures, None):
        later = [each for each in tenures if each.since > span.tenure.since]
        takes_over = [
            each.since
            for each in later
            if each.since >= span.tenure.until
            or (not share_address(span.tenure, each) and share_ports(span.tenure, each) and has_pod(span.tenure, each))
            or same_name(span.tenure, each)
        ]
        assert span.possible_until == min([span.tenure.until_latest, *takes_over])


def share_ports(tenure: Tenure, other: Tenure) -> bool:
    return None in {*tenure.ports, *other.ports} or bool(tenure.ports.keys() & other.ports.keys())


def has_pod(tenure: Tenure, other: Tenure) -> bool:
    return bool(tenure.owner.pod or other.owner.pod)


def same_name(tenure: Tenure, other: Tenure) -> bool:
    return tenure.owner[:2] == other.owner[:2]


def test_a_slice_names_no_pod_of_another_namespace():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web")))
    foreign = slice_("e", pod("10.0.0.1", "web", terminating=True, node="node-9"), service="x", port=22)
    foreign["metadata"]["namespace"] = "evil"
    assert read_slice(foreign).refused == ((Refusal.FOREIGN_POD, 1),)
    t.put(10, foreign)
    assert t.history.refusals.counts == {("evil", Refusal.FOREIGN_POD): 1}
    assert [(each.owner.namespace, each.owner.pod) for each in t.history.tenures()] == [("shop", "web"), ("evil", "")]
    web = t.history.tenures_of_ip("10.0.0.1")[0]
    assert (web.owner.node, web.terminating_since, dict(web.ports)) == ("node-1", FOREVER, {8080: ""})
    assert summary(t.answered(20)) == ("exact", "web")


def newcomers(*, evil_until: float | None = None) -> Timeline:
    """`old` left at 10; `new` of service `pay` comes at 20, after a tenant named the address until `evil_until`."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.delete(10, "a")
    if evil_until is not None:
        t.put(11, in_namespace("evil", slice_("e", pod("10.0.0.1", "e"), service="x")))
        t.put(evil_until, in_namespace("evil", slice_("e", service="x")))
    t.put(20, slice_("b", pod("10.0.0.1", "new"), service="pay"))
    return t


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop-pay-8080", ("assumed", "new")),
        ("shop-web-8080", ("grace", "old")),
        ("", ("grace", "old")),
        ("shop-other-8080", ("grace", "old")),
    ],
)
def test_a_pod_that_comes_a_moment_later_counts_if_the_proxy_names_its_service(name, expected):
    assert summary(newcomers().answered(16, name=name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shop-pay-8080", ("assumed", "new")), ("shop-web-8080", ("ambiguous", "new", "old"))],
)
def test_a_pod_that_comes_during_a_failed_attempt_counts_if_the_proxy_names_its_service(name, expected):
    assert summary(newcomers().failed(16, 21, name=name)) == expected


@pytest.mark.parametrize(("name", "expected"), [("shop-pay-8080", ("assumed", "new")), ("", ("grace", "e"))])
def test_a_claim_that_has_ended_takes_nothing_from_a_newcomer(name, expected):
    assert summary(newcomers(evil_until=15).answered(16, name=name)) == expected


def test_two_newcomers():
    t = Timeline()
    t.put(20, slice_("b", pod("10.0.0.1", "new"), service="pay"))
    t.put(21, in_namespace("evil", slice_("e", pod("10.0.0.1", "e"), service="x")))
    assert summary(t.answered(19, name="shop-pay-8080")) == ("assumed", "new")
    assert summary(t.answered(19)) == ("unknown",)


def test_a_pod_that_was_succeeded_in_its_namespace_does_not_linger():
    """Of the pods that left while a tenant claimed their address, the last one counts."""
    t = Timeline()
    t.put(0, in_namespace("evil", slice_("e", pod("10.0.0.1", "e"), service="x")))
    for at, name in ((1, "one"), (10, "two")):
        t.put(at, slice_("a", pod("10.0.0.1", name)))
    t.put(20, slice_("a"))
    assert summary(t.failed(19, 19.5, name="shop-web-8080")) == ("assumed", "two")
    assert summary(t.failed(30, 30, name="shop-web-8080")) == ("assumed", "two")
    assert summary(t.failed(24, 24)) == ("ambiguous", "e", "two")


def test_the_proxys_word_for_the_last_holder_is_no_certainty_either():
    """Both have left: what would be `grace` is `assumed`, as it is not known which of them held the address."""
    t = shared()
    t.delete(60, "a")
    t.put(62, in_namespace("bank", slice_("b", service="pay")))
    assert summary(t.failed(65, 65, name="shop-web-8080")) == ("assumed", "web")
    assert summary(t.failed(65, 65, name="bank-pay-8080")) == ("assumed", "pay")
    assert summary(t.failed(91, 91, name="shop-web-8080")) == ("grace", "pay")
