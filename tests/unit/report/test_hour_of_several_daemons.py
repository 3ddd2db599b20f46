"""The last hour of a cluster is the sum of its daemons', each minute in its place, whatever their order."""

from collections import Counter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.cli.roll_ups import ROLL_UPS
from enricher.report.daemon_status import (
    MINUTES,
    DaemonStatus,
    FailingPod,
    ServiceCauses,
    UntriedRequests,
    parse_status,
)
from enricher.report.hour_rows import MAX_DRIFT, SORT_KEYS, end_of, merge_statuses, wrong_clocks
from enricher.report.pod_rows import BY_POD, sort_rows
from tests.support.statuses import FAILING

NONE = (0,) * MINUTES
END = 29_000_000


def pod(name="web-1", minutes=NONE, hidden=None, service="web", codes=None, **counts):
    numbers = {"requests": 10, "guesses": 1, "errors": sum(minutes)} | counts
    return FailingPod(
        "shop", service, name, "node-9", tuple(minutes), hidden, codes=codes or {}, reasons={"refused": 1}, **numbers
    )


def at(**numbers):
    """Minutes with some numbers, by how long ago they were: `at(ago_3=7)`."""
    minutes = [0] * MINUTES
    for name, number in numbers.items():
        minutes[-1 - int(name.removeprefix("ago_"))] = number
    return tuple(minutes)


def status(*failing, minute=END, untried=(), causes=(), node="node-1"):
    return DaemonStatus(node, minute, "", 1, failing, untried, causes)


def merge(*statuses, by=BY_POD, **options):
    return {row.key[-1]: row for row in merge_statuses(statuses, by, **options)}


def test_one_pod_behind_two_proxies():
    """Its errors are those of both nodes, in the minutes in which they were."""
    first = status(pod(minutes=at(ago_0=1, ago_59=5), hidden=at(ago_0=1, ago_59=4), codes={("502", "proxy"): 6}))
    second = status(
        pod(minutes=at(ago_0=2), hidden=NONE, codes={("502", "proxy"): 1, ("503", "pod"): 1}), minute=END + 1
    )
    (row,) = merge(first, second).values()
    assert row.errors_per_minute == at(ago_1=1, ago_0=2), "the oldest minute of the first is more than an hour ago"
    assert (row.errors, row.hidden, row.seen) == (3, 1, 2)
    assert (row.attempts, row.guesses, row.all_errors, row.sure_percent) == (20, 2, 8, 90)
    assert row.codes == {("502", "proxy"): 7, ("503", "pod"): 1}
    assert row.reasons == {"refused": 2}
    assert (row.end, row.last_minute, row.worst_minute) == (END + 1, END + 1, END + 1)


def test_the_sum_of_real_statuses():
    parsed = parse_status(orjson.dumps(FAILING))
    rows = merge(parsed, parsed)
    assert (rows["web-1"].errors, rows["web-1"].sure_percent) == (2 * 12, 99)
    assert rows["— no_endpoints"].errors == 2 * 34
    assert rows["— no_endpoints"].all_errors == 2 * 1234
    assert rows["— no_endpoints"].hidden == 0
    assert rows["—"].key == ("—", "web", "—"), "no pod could be named"


def test_hidden_errors_are_known_as_far_as_a_log_tells():
    tells, tells_none, tells_not = (pod(minutes=at(ago_1=3), hidden=hidden) for hidden in (at(ago_1=2), NONE, None))
    assert merge(status(tells), status(tells_not))["web-1"].hidden == 2
    assert merge(status(tells_none), status(tells_not))["web-1"].hidden is None
    assert merge(status(tells_none), status(tells_none))["web-1"].hidden == 0
    assert merge(status(tells_not))["web-1"].seen == 3, "a client may have seen them"


def test_causes_are_those_of_the_rows_only_service():
    causes = [
        ServiceCauses("shop", "web", {("crashed", "likely"): 4}),
        ServiceCauses("shop", "pay", {("timeout", ""): 1}),
    ]
    statuses = [
        status(pod(minutes=at(ago_1=1)), causes=causes),
        status(pod("pay-1", at(ago_1=1), service="pay"), causes=causes),
    ]
    rows = merge(*statuses)
    assert rows["web-1"].causes == {("crashed", "likely"): 8}
    assert rows["pay-1"].causes == {("timeout", ""): 2}
    assert merge(*statuses, by=ROLL_UPS["node"])["node-9"].causes == Counter()


def test_untried_requests_are_part_of_their_service():
    untried = UntriedRequests("shop", "web", "no_endpoints", at(ago_0=7), 100)
    rows = merge(status(pod(minutes=at(ago_1=1), hidden=at(ago_1=1)), untried=[untried]), by=ROLL_UPS["service"])
    assert (rows["web"].errors, rows["web"].hidden, rows["web"].seen) == (8, 1, 7)
    assert rows["web"].reasons == {"no_endpoints": 100, "refused": 1}


@pytest.mark.parametrize("by", ["pod", "service", "workload", "revision", "node"])
def test_rows_of_each_kind(by):
    name = "web-7d9f8b6c5-x2x4z"
    (row,) = merge(status(pod(name, at(ago_1=1))), by=ROLL_UPS[by]).values()
    expected = {"pod": name, "service": "web", "workload": "web", "revision": "7d9f8b6c5", "node": "node-9"}
    assert row.key[-1] == expected[by]


def test_only_what_is_asked_for():
    statuses = [status(pod(minutes=at(ago_1=1)), pod("pay-1", at(ago_1=1), service="pay"))]
    assert [*merge(*statuses, included=lambda attempt: attempt["service"] == "pay")] == ["pay-1"]


def test_what_is_over_an_hour_old_is_no_row():
    assert merge(status(pod(minutes=at(ago_59=1))), status(minute=END + 1)) == {}
    assert merge() == {}


@pytest.mark.parametrize("wrong", [-5_000, -MAX_DRIFT - 1, MAX_DRIFT + 1, 5_000])
def test_a_node_with_a_wrong_clock_hides_nothing(wrong):
    """Its minutes count as if it agreed with the others, whose minutes stay."""
    statuses = [status(pod(minutes=at(ago_3=1))), status(), status(pod(minutes=at(ago_3=2)), minute=END + wrong)]
    assert merge(*statuses)["web-1"].errors_per_minute == at(ago_3=3)
    assert end_of(statuses) == END
    assert [*wrong_clocks(statuses)] == [(statuses[2], wrong)]
    assert [*wrong_clocks(statuses[:2])] == []


def test_sorting():
    rows = merge(
        status(
            pod("worst", at(ago_9=9), requests=1),
            pod("latest", at(ago_0=1), requests=2),
            pod("hidden", at(ago_8=3), hidden=at(ago_8=3), requests=3),
            pod("busy", at(ago_7=1), requests=99),
        )
    ).values()
    firsts = {name: sort_rows([*rows], value, "")[0].key[-1] for name, value in SORT_KEYS.items()}
    assert firsts == {"errors": "worst", "latest": "latest", "hidden": "hidden", "attempts": "busy"}


MINUTE_NUMBERS = st.dictionaries(st.integers(0, MINUTES - 1), st.integers(1, 9), max_size=4).map(
    lambda numbers: tuple(numbers.get(place, 0) for place in range(MINUTES))
)
PODS = st.builds(
    lambda name, service, minutes, hides, requests: pod(
        name, minutes, minutes if hides else None, service, {("502", "proxy"): sum(minutes)}, requests=requests
    ),
    st.sampled_from(["web-1", "web-2", ""]),
    st.sampled_from(["web", "pay"]),
    MINUTE_NUMBERS,
    st.booleans(),
    st.integers(0, 99),
)
STATUSES = st.lists(
    st.builds(
        lambda failing, late, untried: status(
            *failing, minute=END - late, untried=[UntriedRequests("shop", "web", "no_endpoints", untried, sum(untried))]
        ),
        st.lists(PODS, max_size=4),
        st.integers(0, MAX_DRIFT // 2),
        MINUTE_NUMBERS,
    ),
    max_size=5,
)


@given(STATUSES, st.randoms(use_true_random=False), st.sampled_from(["pod", "service", "node", "workload"]))
def test_the_order_of_daemons_does_not_matter(statuses, random, by):
    shuffled = random.sample(statuses, len(statuses))
    first, second = (sort_rows(merge_statuses(each, ROLL_UPS[by]), len, "") for each in (statuses, shuffled))
    assert first == second


@given(STATUSES, st.sampled_from(["pod", "service", "node", "workload"]))
def test_each_minute_is_the_sum_of_its_parts(statuses, by):
    expected, hidden, end = Counter(), 0, max((each.minute for each in statuses), default=0)
    for each in statuses:
        parts = [part.errors_per_minute for part in each.failing] + [part.requests_per_minute for part in each.untried]
        for minutes in parts:
            expected.update({each.minute - MINUTES + 1 + n: number for n, number in enumerate(minutes) if number})
        for part in each.failing:
            hidden += sum((part.hidden_per_minute or NONE)[end - each.minute :])
    rows = merge_statuses(statuses, ROLL_UPS[by])
    got = Counter()
    for row in rows:
        got.update({row.end - MINUTES + 1 + n: number for n, number in enumerate(row.errors_per_minute) if number})
    assert got == {minute: number for minute, number in expected.items() if minute > end - MINUTES}
    assert sum(row.hidden or 0 for row in rows) == hidden
    assert sum(row.errors for row in rows) == got.total()
