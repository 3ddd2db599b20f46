"""The first and the last moment for which each rule holds, to the nanosecond."""

import pytest

from enricher.endpoints.tenure import GRACE_PERIOD, LINGER, TAKEOVER_OVERLAP, WATCH_LAG
from enricher.timestamps import SECOND
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary

NS = 1e-9
VIP = "10.96.0.7:80"


def test_the_periods():
    assert (GRACE_PERIOD, WATCH_LAG, TAKEOVER_OVERLAP, LINGER) == (30 * SECOND, 5 * SECOND, 5 * SECOND, 5 * SECOND)


@pytest.fixture
def t():
    """Of 10.0.0.1: `old` from 0 to 10, and `new` from 60 on."""
    t = Timeline()
    t.put(0, slice_("s", pod("10.0.0.1", "old")))
    t.put(10, slice_("s"))
    t.put(60, slice_("s", pod("10.0.0.1", "new")))
    return t


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (-5 - NS, ("unknown",)),
        (-5, ("exact", "old")),  # the proxy knew of it before the watch
        (0, ("exact", "old")),
        (10 - NS, ("exact", "old")),
        (10, ("grace", "old")),
        (40, ("grace", "old")),
        (40 + NS, ("unknown",)),
        (55 - NS, ("unknown",)),
        (55, ("exact", "new")),
        (60 - NS, ("exact", "new")),
        (60, ("exact", "new")),
    ],
)
def test_an_answer(t, at, expected):
    assert summary(t.answered(at)) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (-6, -5 - NS, ("unknown",)),
        (-6, -5, ("assumed", "old")),
        (-1, 0, ("assumed", "old")),
        (0, 10 - NS, ("exact", "old")),
        (10 - NS, 10, ("grace", "old")),
        (10, 11, ("grace", "old")),
        (9, 40, ("grace", "old")),
        (9, 40 + NS, ("assumed", "old")),
        (9, 60 - NS, ("assumed", "old")),
        (9, 60, ("ambiguous", "new", "old")),
        (40, 60, ("ambiguous", "new", "old")),
        (40 + NS, 60, ("assumed", "new")),
        (60 - NS, 61, ("assumed", "new")),
        (60, 61, ("exact", "new")),
    ],
)
def test_a_failure(t, start, end, expected):
    assert summary(t.failed(start, end)) == expected


@pytest.mark.parametrize(("at", "grade"), [(-70, "exact"), (-70 - NS, "assumed")])
def test_an_early_answer_is_certain_if_all_holders_of_the_grace_period_before_are_known(at, grade):
    t = Timeline()  # which is complete since -100
    t.put(-66, slice_("s", pod("10.0.0.1", "p")))
    assert summary(t.answered(at)) == (grade, "p")


BOTH = ("ambiguous", "new", "old")


@pytest.mark.parametrize(
    ("overlap", "at", "expected"),
    [
        (0, 10 - NS, ("exact", "old")),
        (0, 10, ("exact", "new")),
        (3, 10 - NS, ("exact", "old")),
        (3, 10, BOTH),
        (3, 13 - NS, BOTH),
        (3, 13, ("exact", "new")),
        (5, 15 - NS, BOTH),
        (5, 15, ("exact", "new")),
        (5 + NS, 15 + NS, BOTH),  # they shared the address for long: the old one may answer for a moment yet
        (20, 35 - NS, BOTH),
        (20, 35, ("exact", "new")),
    ],
)
def test_two_pods_at_one_time(overlap, at, expected):
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("b", pod("10.0.0.1", "new")))
    if at < 10 + overlap:
        assert summary(t.answered(at)) == expected  # read at once, and after the late slice is cleared
    t.delete(10 + overlap, "a")
    assert summary(t.answered(at)) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (30 + 5 - NS, ("assumed", "old")),
        (60 - NS, ("assumed", "old")),
        (60, ("exact", "new")),
    ],
)
def test_a_pod_that_the_proxy_names_counts_for_the_grace_period_after_a_long_overlap(at, expected):
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old"), service="web"))
    t.put(10, slice_("b", pod("10.0.0.1", "new"), service="pay"))
    t.delete(30, "a")
    assert summary(t.failed(at, at, name="shop-web-8080")) == expected
    assert summary(t.failed(36, 36, name="shop-pay-8080")) == ("exact", "new")


@pytest.mark.parametrize(
    ("new_left", "expected"),
    [(35, ("grace", "old")), (35 + NS, BOTH), (40, BOTH), (45 - NS, BOTH), (45, ("grace", "new"))],
)
def test_the_last_holder_of_two_that_shared_the_address(new_left, expected):
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("b", pod("10.0.0.1", "new")))
    for left, name in sorted([(40, "a"), (new_left, "b")]):
        t.delete(left, name)
    assert summary(t.answered(50)) == expected


@pytest.mark.parametrize(("terminating", "expected"), [(10, ("exact", "new")), (11, ("ambiguous", "new", "old"))])
def test_a_pod_that_was_terminating_when_the_next_came_shares_nothing(terminating, expected):
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    if terminating == 10:
        t.put(10, slice_("a", pod("10.0.0.1", "old", terminating=True)))
    t.put(10, slice_("b", pod("10.0.0.1", "new")))
    if terminating == 11:
        t.put(11, slice_("a", pod("10.0.0.1", "old", terminating=True)))
    t.delete(40, "a")
    assert summary(t.answered(20)) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (15 - NS, ("service", "p")),
        (15, ("service", "p", "q")),  # q is ready from 20 on
        (35 - NS, ("service", "p", "q")),
        (35, ("service", "q")),  # p left at 30
    ],
)
def test_a_service_sends_to_a_pod_a_little_before_and_after_we_see_it(at, expected):
    t = Timeline()
    t.service(-50, "web", "10.96.0.7")
    t.put(0, slice_("a", pod("10.0.0.1", "p"), pod("10.0.0.2", "q") | {"conditions": {"ready": False}}))
    t.put(20, slice_("a", pod("10.0.0.1", "p"), pod("10.0.0.2", "q")))
    t.put(30, slice_("a", pod("10.0.0.2", "q")))
    assert summary(t.answered(at, VIP)) == expected


@pytest.mark.parametrize(("at", "service"), [(-50, "web"), (10 - NS, "web"), (10, "pay"), (12, "pay")])
def test_a_cluster_ip_that_a_service_of_another_namespace_got(at, service):
    t = Timeline()
    t.services.replace([], ns(-100))
    t.service(-50, "web", "10.96.0.7")
    t.services.apply("DELETED", {"metadata": {"namespace": "shop", "name": "web"}}, ns(10))
    t.service(10, "pay", "10.96.0.7", namespace="bank")
    answered = t.answered(at, VIP).service
    assert answered is not None and answered.name == service
