"""What was happening to a pod around an attempt: from the slices, and from what is known of its containers."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.attribution import Window
from enricher.endpoints.circumstances import Circumstance, circumstance_of, turning_points, without_hindsight
from enricher.endpoints.pod_status import ContainerEnd, PodStatus
from enricher.endpoints.slices import Owner
from enricher.endpoints.states import tenures_of_owner
from enricher.endpoints.tenure import MAX_READY_CHANGES
from enricher.timestamps import SECOND
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_

ADDR = "10.0.0.1:8080"
WEB_1 = Owner("shop", "web-1", "uid-web-1", "node-1")
LIFE = ((0, "not_ready"), (3, "ready"), (100, "not_ready"), (102, "ready"), (200, "terminating"), (230, "gone"))


def live(*life: tuple[float, str]) -> Timeline:
    """Return a history in which a pod's state changes at some times."""
    t = Timeline()
    for at, state in life:
        if state == "gone":
            t.delete(at, "w")
            continue
        obj = pod("10.0.0.1", "web-1", terminating=state == "terminating")
        obj["conditions"] |= {"serving": state != "not_ready", "ready": state == "ready"}
        t.put(at, slice_("w", obj))
    return t


def ended(finished: float, reason: str = "Error", restarted: float | None = None) -> PodStatus:
    restart = None if restarted is None else ns(restarted)
    return PodStatus(ends=(ContainerEnd("web", ns(finished), 1, reason, restart),))


def around(t: Timeline, begin: float, end: float | None = None, status: PodStatus | None = None) -> str:
    end = begin if end is None else end
    window = Window(ns(begin), ns(begin), ns(end))
    return circumstance_of(tenures_of_owner(t.history, ADDR, WEB_1), status, window)


@pytest.mark.parametrize(
    ("begin", "end", "circumstance"),
    [
        (-1, -1, Circumstance.NOT_KNOWN),
        (1, 1, Circumstance.NEVER_READY),
        (1, 4, Circumstance.NEVER_READY),
        (3, 3, Circumstance.JUST_READY),
        (32.9, 40, Circumstance.JUST_READY),
        (33, 40, Circumstance.STEADY),
        (50, 95, Circumstance.STEADY),
        (50, 95.1, Circumstance.NOT_READY),
        (101, 101, Circumstance.NOT_READY),
        (102, 102, Circumstance.NOT_READY),
        (106.9, 107, Circumstance.NOT_READY),
        (107, 107, Circumstance.STEADY),
        (150, 198.9, Circumstance.STEADY),
        (150, 199, Circumstance.SHUT_DOWN_THEN),
        (199.9, 199.9, Circumstance.SHUT_DOWN_THEN),
        (200, 200, Circumstance.SHUTTING_DOWN),
        (229, 240, Circumstance.SHUTTING_DOWN),
        (240, 240, Circumstance.SHUTTING_DOWN),
    ],
)
def test_life_of_a_pod(begin: float, end: float, circumstance: Circumstance) -> None:
    assert around(live(*LIFE), begin, end) is circumstance


def test_a_pod_that_leaves_without_terminating() -> None:
    t = live((0, "ready"), (100, "gone"))
    assert around(t, 98.9) is Circumstance.STEADY
    assert around(t, 99) is Circumstance.SHUT_DOWN_THEN
    assert around(t, 101) is Circumstance.SHUTTING_DOWN


def test_a_pod_that_is_deleted_because_it_failed() -> None:
    """What comes first is the cause: somebody saw the failures and deleted the pod."""
    t = live((0, "ready"), (100, "not_ready"), (100.5, "terminating"))
    assert around(t, 99.8) is Circumstance.NOT_READY
    assert around(t, 100.6) is Circumstance.SHUTTING_DOWN


def test_a_pod_that_was_there_before_anybody_watched() -> None:
    """Nobody knows whether it had been ready before."""
    t = Timeline()
    for at, ready in ((0, False), (50, True)):
        obj = pod("10.0.0.1", "web-1")
        obj["conditions"] |= {"serving": ready, "ready": ready}
        t.relist(at, slice_("w", obj))
    assert around(t, 1) is Circumstance.NOT_KNOWN
    t = Timeline()
    t.relist(0, slice_("w", pod("10.0.0.1", "web-1")))
    assert around(t, 10) is Circumstance.STEADY


def test_a_pod_that_changed_often() -> None:
    """Its first changes are forgotten, so it may have been ready before."""
    t = live(*((n, "not_ready" if n % 2 else "ready") for n in range(3 * MAX_READY_CHANGES)))
    assert around(t, 1) is Circumstance.NOT_KNOWN


@pytest.mark.parametrize(
    ("begin", "end", "circumstance"),
    [
        (49, 49.9, Circumstance.STEADY),
        (49, 50, Circumstance.ENDED_ABOUT_THEN),
        (50.5, 50.5, Circumstance.ENDED_ABOUT_THEN),
        (49, 51, Circumstance.CONTAINER_ENDED),
        (51, 51, Circumstance.CONTAINER_ENDED),
        (53, 54.9, Circumstance.CONTAINER_ENDED),
        (53, 55, Circumstance.ENDED_ABOUT_THEN),
        (55.9, 55.9, Circumstance.ENDED_ABOUT_THEN),
        (56, 56, Circumstance.STEADY),
    ],
)
def test_a_container_that_ended(begin: float, end: float, circumstance: Circumstance) -> None:
    """Its stamps are whole seconds: it ended within [50, 51) and began again within [55, 56)."""
    status = ended(50, restarted=55)
    window = Window(ns(begin), ns(end), ns(end))
    tenures = tenures_of_owner(live((0, "ready")).history, ADDR, WEB_1)
    assert circumstance_of(tenures, status, window) is circumstance


@pytest.mark.parametrize(
    ("at", "circumstance"),
    [
        (56.5, Circumstance.OUT_OF_MEMORY_ABOUT_THEN),
        (57.9, Circumstance.OUT_OF_MEMORY_ABOUT_THEN),
        (58, Circumstance.NOT_READY),
        (64, Circumstance.STEADY),
    ],
)
def test_a_container_that_began_again_but_does_not_serve_yet(at: float, circumstance: Circumstance) -> None:
    """Until the pod is ready again, what ended its container is the cause."""
    t = live((0, "ready"), (51.5, "not_ready"), (58, "ready"))
    assert around(t, at, status=ended(50, "OOMKilled", restarted=55)) is circumstance


def test_a_container_that_ended_in_the_second_in_which_its_pod_was_shut_down() -> None:
    """It cannot have ended an attempt that was over before."""
    t = live((0, "ready"), (100.5, "terminating"))
    assert around(t, 100.4, status=ended(100)) is Circumstance.SHUT_DOWN_THEN
    assert around(t, 100.6, status=ended(100)) is Circumstance.SHUTTING_DOWN
    assert around(t, 101, status=ended(100)) is Circumstance.STOPPED


def test_how_a_container_ended() -> None:
    t = live((0, "ready"), (200, "terminating"))
    assert around(t, 60, status=ended(50)) is Circumstance.CONTAINER_ENDED
    assert around(t, 60, status=ended(50, "OOMKilled")) is Circumstance.OUT_OF_MEMORY
    assert around(t, 60, status=ended(50, "Completed")) is Circumstance.CONTAINER_ENDED
    assert around(t, 202.5, status=ended(201, "Completed")) is Circumstance.STOPPED
    assert around(t, 202.5, status=ended(50)) is Circumstance.CONTAINER_ENDED


def test_a_container_that_ended_at_an_address_that_nobody_watched() -> None:
    assert around(Timeline(), 60, status=ended(50)) is Circumstance.CONTAINER_ENDED
    assert around(Timeline(), 60) is Circumstance.NOT_KNOWN


STATES = ["not_ready", "ready", "terminating", "gone"]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from(STATES)), max_size=6),
    st.none() | st.tuples(st.integers(0, 120), st.none() | st.integers(0, 130)),
    st.integers(-10, 150),
    st.integers(0, 20),
)
def test_it_is_the_same_between_two_turning_points(
    life: list[tuple[int, str]], end: tuple[int, int | None] | None, begin: int, took: int
) -> None:
    t, status = live(*sorted(life)), ended(end[0], restarted=end[1]) if end else None
    tenures = tenures_of_owner(t.history, ADDR, WEB_1)
    times = sorted(turning_points(tenures, status))
    start, stop = ns(begin + 0.5), ns(begin + 0.5 + took)
    if any(start <= time <= stop for time in times):
        return
    first = max((time for time in times if time < start), default=start - 100 * SECOND)
    last = min((time for time in times if time > stop), default=stop + 100 * SECOND)
    moments = (first + 1, (first + start) // 2 + 1, stop, (stop + last) // 2, last - 1)
    pairs = itertools.combinations_with_replacement(sorted(moments), 2)
    found = {circumstance_of(tenures, status, Window(a, a, b)) for a, b in pairs}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("terminating", "circumstance"),
    [(99, Circumstance.STOPPED), (100.9, Circumstance.STOPPED), (101.1, Circumstance.CONTAINER_ENDED)],
)
def test_a_container_ends_within_the_second_of_its_stamp(terminating: float, circumstance: Circumstance) -> None:
    t = live((0, "ready"), (terminating, "terminating"))
    assert around(t, 100.5, 103, ended(100)) is circumstance


@pytest.mark.parametrize(
    ("life", "so_far"),
    [
        ((), True),
        (((0, "ready"),), True),
        (((0, "ready"), (50, "terminating")), False),
        (((0, "ready"), (50, "gone")), False),
        (((0, "ready"), (50, "gone"), (60, "ready")), True),
    ],
)
def test_what_may_still_follow(life: tuple[tuple[float, str], ...], so_far: bool) -> None:
    tenures = tenures_of_owner(live(*life).history, ADDR, WEB_1)
    steady, just_ready = (
        (Circumstance.STEADY_SO_FAR, Circumstance.JUST_READY_SO_FAR)
        if so_far
        else (Circumstance.STEADY, Circumstance.JUST_READY)
    )
    assert without_hindsight(Circumstance.STEADY, tenures) is steady
    assert without_hindsight(Circumstance.JUST_READY, tenures) is just_ready
    assert without_hindsight(Circumstance.NOT_READY, tenures) is Circumstance.NOT_READY
