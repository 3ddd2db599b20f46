"""The state of a pod as an attempt began: what the slices reported, or nothing where that is not certain."""

import itertools

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.history import History
from enricher.endpoints.slices import Owner
from enricher.endpoints.states import NOT_KNOWN, PodState, state_between, tenures_of_owner
from enricher.endpoints.tenure import BEGINNING, MAX_READY_CHANGES, MAX_VAGUE_CHANGES
from enricher.timestamps import SECOND
from enricher.vocabulary import State
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_

ADDR = "10.0.0.1:8080"
WEB_1 = Owner("shop", "web-1", "uid-web-1", "node-1")


def endpoint(state: str, *, published: bool = False) -> dict:
    obj = pod("10.0.0.1", "web-1", terminating=state == "terminating")
    obj["conditions"]["serving"] = state != "not_ready"
    obj["conditions"]["ready"] = published or state == "ready"
    return obj


def state(t: Timeline, earliest: float, latest: float | None = None) -> PodState:
    tenures = tenures_of_owner(t.history, ADDR, WEB_1)
    return state_between(tenures, ns(earliest), ns(earliest if latest is None else latest), t.history.certain_until)


def test_life_of_a_pod() -> None:
    t = Timeline()
    for at, name in ((0, "not_ready"), (3, "ready"), (10, "not_ready"), (12, "ready"), (20, "terminating")):
        t.put(at, slice_("w", endpoint(name)))
    t.delete(25, "w")
    assert state(t, -1) == NOT_KNOWN, "the pod was not there"
    assert state(t, 2) == PodState(State.NOT_READY, ns(0), None)
    assert state(t, 9, 9.9) == PodState(State.READY, ns(3), ns(3))
    assert state(t, 11) == PodState(State.NOT_READY, ns(10), ns(3))
    assert state(t, 19) == PodState(State.READY, ns(12), ns(3))
    assert state(t, 24) == PodState(State.TERMINATING, ns(20), ns(3))
    assert state(t, 31) == PodState(State.GONE, ns(25), ns(3))


@pytest.mark.parametrize("change", [3, 10, 12, 20, 25])
def test_an_attempt_that_may_have_begun_before_or_after_a_change(change: float) -> None:
    t = Timeline()
    for at, name in ((0, "not_ready"), (3, "ready"), (10, "not_ready"), (12, "ready"), (20, "terminating")):
        t.put(at, slice_("w", endpoint(name)))
    t.delete(25, "w")
    assert state(t, change - 0.001, change) == NOT_KNOWN
    assert state(t, change, change + 0.5) != NOT_KNOWN
    assert state(t, change - 0.5, change - 0.001) != NOT_KNOWN


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(("ready", "not_ready", "terminating", "gone")), min_size=1, max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_states_are_what_the_slices_reported(states: list[str], restored: bool, published: bool) -> None:
    """One that terminates never recovers, and one that is gone does not come back."""
    t, reported = Timeline(), list[str]()
    for second, drawn in enumerate(states):
        is_terminating = "terminating" in reported and drawn != "gone"
        name = "gone" if "gone" in reported else "terminating" if is_terminating else drawn
        reported.append(name)
        t.put(second, slice_("w", *([] if name == "gone" else [endpoint(name, published=published)])))
    if restored:
        saved, t.history = t.history.dump(), History()
        t.history.load(orjson.loads(orjson.dumps(saved)))
    certain = 0
    for second, name in enumerate(reported):
        found = state(t, second + 0.1, second + 0.9)
        certain += found.state == name
        assert found.state in {name, State.NONE}
        if found.since is not None:
            begun = second - next(n for n in range(second + 1) if n == second or reported[second - n - 1] != name)
            assert found.since == ns(begun)
    changes = sum(before != after for before, after in itertools.pairwise(reported))
    is_there = reported[0] != "gone"
    assert certain == (len(reported) if is_there else 0) or changes >= MAX_READY_CHANGES - 1


def test_what_a_new_list_shows_happened_at_an_unknown_time() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint("ready")))
    t.history.apply("BOOKMARK", {}, ns(5))
    t.relist(9, slice_("w", endpoint("terminating")))
    assert state(t, 4) == PodState(State.READY, ns(0), ns(0))
    assert state(t, 7) == NOT_KNOWN
    assert state(t, 10) == PodState(State.TERMINATING, None, ns(0))
    t.relist(20)
    assert state(t, 15) == NOT_KNOWN
    assert state(t, 21) == PodState(State.GONE, None, ns(0))


def test_a_pod_of_the_first_list_has_an_unknown_age() -> None:
    t = Timeline()
    t.history = History()
    t.relist(0, slice_("w", endpoint("ready")))
    assert state(t, 1) == PodState(State.READY, None, None)
    assert state(t, -1) == NOT_KNOWN
    t.put(5, slice_("w", endpoint("not_ready")))
    assert state(t, 6) == PodState(State.NOT_READY, ns(5), None)


def test_a_pod_that_a_new_list_shows_as_ready_has_an_unknown_age() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint("not_ready")))
    t.relist(9, slice_("w", endpoint("ready")))
    t.put(12, slice_("w", endpoint("not_ready")))
    assert state(t, 13) == PodState(State.NOT_READY, ns(12), None)


def test_many_changes_at_unknown_times() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint("ready")))
    for n in range(3 * MAX_VAGUE_CHANGES):
        t.relist(10 * n + 9, slice_("w", endpoint("ready" if n % 2 else "not_ready")))
    (tenure,) = t.history.tenures()
    assert len(tenure.vague_changes) == MAX_VAGUE_CHANGES
    assert not any(state(t, 10 * n + 8).state for n in range(1, 3 * MAX_VAGUE_CHANGES))


def test_nothing_is_certain_after_the_last_event_of_a_watch_out_of_sync() -> None:
    t = Timeline()
    t.history = History(is_synced=lambda: False)
    t.history.replace([], ns(-100))
    t.put(0, slice_("w", endpoint("ready")))
    t.history.apply("BOOKMARK", {}, ns(5))
    assert state(t, 4).state is State.READY
    assert state(t, 5) == NOT_KNOWN


def test_a_snapshot_and_fixed_addresses_have_no_states() -> None:
    t = Timeline()
    t.history = History()
    t.history.is_snapshot = True
    t.history.apply("ADDED", slice_("w", endpoint("ready")), 0, BEGINNING)
    assert state(t, 1) == NOT_KNOWN
    t.history = History()
    t.history.apply("ADDED", slice_("w", endpoint("ready")), BEGINNING)
    assert state(t, 1) == NOT_KNOWN


def test_a_cluster_without_the_condition_serving() -> None:
    t = Timeline()
    obj = endpoint("not_ready")
    del obj["conditions"]["serving"]
    t.put(0, slice_("w", obj))
    assert state(t, 1).state is State.NOT_READY
    assert state(t, 1).since == 0 * SECOND
