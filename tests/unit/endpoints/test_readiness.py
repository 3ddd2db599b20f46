"""When no pod of a service was ready: the reason of requests for which a proxy had nobody to try."""

import itertools

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.attribution import Window
from enricher.endpoints.history import History
from enricher.endpoints.readiness import Gap, gap_during, ready_gaps
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import BEGINNING, FOREVER, MAX_READY_CHANGES, WATCH_LAG
from enricher.timestamps import SECOND
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_

WEB = Service("shop", "web")
STATES = ("ready", "not ready", "terminating", "gone")


def endpoint(number: int, state: str) -> dict:
    obj = pod(f"10.0.0.{number}", f"p{number}", terminating=state == "terminating")
    obj["conditions"]["ready"] = state == "ready"
    return obj


def gaps(t: Timeline, service: Service = WEB) -> list[tuple[float, float]]:
    limits = {BEGINNING: float("-inf"), FOREVER: float("inf")}
    return [tuple(limits.get(time, time / SECOND) for time in gap) for gap in ready_gaps(t.history, service)]


@pytest.mark.parametrize("restored", [False, True])
@settings(max_examples=150)
@given(st.lists(st.lists(st.sampled_from(STATES), min_size=2, max_size=2), min_size=1, max_size=8))
def test_gaps_are_where_nobody_is_ready(restored: bool, steps: list[list[str]]) -> None:
    """Each second, each pod is in some state; one that terminates never recovers."""
    t, ready = Timeline(), list[bool]()
    terminating = set[int]()
    for second, step_states in enumerate(steps):
        terminating |= {number for number, state in enumerate(step_states) if state == "terminating"}
        terminating -= {number for number, state in enumerate(step_states) if state == "gone"}
        states = ["terminating" if number in terminating else state for number, state in enumerate(step_states)]
        endpoints = [endpoint(number, state) for number, state in enumerate(states) if state != "gone"]
        # A pod that comes back is another one.
        for obj in endpoints:
            gone = sum(step[int(obj["addresses"][0][-1])] == "gone" for step in steps[:second])
            obj["targetRef"]["uid"] += f"-{gone}"
        t.put(second, slice_("w", *endpoints))
        ready.append("ready" in states)
    if restored:
        saved, t.history = t.history.dump(), History()
        t.history.load(orjson.loads(orjson.dumps(saved)))
    found = gaps(t)
    for second, is_ready in enumerate(ready):
        assert any(begin <= second + 0.5 < end for begin, end in found) != is_ready, (second, found, ready)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))


def test_a_service_that_never_had_a_pod() -> None:
    t = Timeline()
    assert gaps(t) == []
    t.put(5, slice_("w"))
    assert gaps(t) == [(float("-inf"), float("inf"))]
    assert t.history.has_service(WEB)
    t.delete(9, "w")
    assert not t.history.has_service(WEB)
    assert not t.history.has_service(Service("", ""))


def test_a_pod_of_two_services_counts_in_each_while_it_is_in_it() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint(1, "ready")))
    t.put(0, slice_("a", endpoint(1, "ready"), service="api"))
    t.put(10, slice_("a", service="api"))
    assert gaps(t) == [(float("-inf"), 0)]
    assert gaps(t, Service("shop", "api")) == [(float("-inf"), 0), (10, float("inf"))]


def test_changes_without_end_are_bounded() -> None:
    t = Timeline()
    for second in range(3 * MAX_READY_CHANGES):
        t.put(second, slice_("w", endpoint(1, "ready" if second % 2 else "not ready")))
    (tenure,) = t.history.tenures_of_ip("10.0.0.1")
    assert MAX_READY_CHANGES - 1 <= len(tenure.ready_changes) <= MAX_READY_CHANGES
    assert gaps(t)[-2:] == [(44, 45), (46, 47)]


def test_of_a_snapshot_all_times_are_alike() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint(1, "not ready")))
    t.history.is_snapshot = True
    assert gaps(t) == [(float("-inf"), float("inf"))]
    t.put(0, slice_("w", endpoint(1, "ready"), endpoint(2, "not ready")))
    assert gaps(t) == []


def test_without_a_time_nobody_must_ever_have_been_ready() -> None:
    always = Gap(BEGINNING, FOREVER)
    assert gap_during([always], None, FOREVER) == always
    assert gap_during([always], None, ns(5)) is None
    assert gap_during([Gap(BEGINNING, ns(5))], None, FOREVER) is None
    assert gap_during([], None, FOREVER) is None


@pytest.mark.parametrize(
    ("at", "gap"),
    [(9.9, None), (10, (15, 20)), (15, (15, 20)), (24.9, (15, 20)), (25, None), (94, None), (95, (100, 110))],
)
def test_the_proxy_may_be_a_little_ahead_or_behind(at: float, gap: tuple[int, int] | None) -> None:
    assert WATCH_LAG == 5 * SECOND
    known = [Gap(ns(15), ns(20)), Gap(ns(100), ns(110))]
    found = gap_during(known, Window(ns(at), ns(at), ns(at)), FOREVER)
    assert found == (gap and Gap(ns(gap[0]), ns(gap[1])))


def test_nothing_is_certain_after_the_last_news() -> None:
    known, window = [Gap(ns(15), FOREVER)], Window(ns(20), ns(20), ns(30))
    assert gap_during(known, window, ns(30)) is None
    assert gap_during(known, window, ns(30) + 1)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_pod_may_have_become_ready_at_any_time_while_nobody_watched(is_restarted: bool) -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint(1, "not ready")))
    t.put(10, slice_("w", endpoint(1, "not ready")))
    if is_restarted:
        saved, t.history = t.history.dump(), History()
        t.history.load(orjson.loads(orjson.dumps(saved)))
    t.relist(100, slice_("w", endpoint(1, "ready")))
    assert gaps(t) == [(float("-inf"), 10)]


def test_a_pod_may_have_stayed_ready_for_as_long_as_nobody_watched() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint(1, "ready")))
    t.relist(100, slice_("w", endpoint(1, "not ready")))
    assert gaps(t) == [(float("-inf"), 0), (100, float("inf"))]
