"""How late an attempt was: counted from what the slices reported, or not at all where that is not certain."""

from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.lateness import Lateness, late_periods, lateness_between
from enricher.endpoints.states import tenures_of_owner
from enricher.timestamps import SECOND
from enricher.vocabulary import State
from tests.unit.endpoints.test_states import ADDR, WEB_1, endpoint
from tests.unit.endpoints.timeline import Timeline, ns, slice_

REPORTED = ("ready", "not_ready", "terminating", "gone")


def lateness(t: Timeline, earliest: float, latest: float | None = None) -> Lateness | None:
    tenures = tenures_of_owner(t.history, ADDR, WEB_1)
    found = lateness_between(tenures, ns(earliest), ns(earliest if latest is None else latest), t.history.certain_until)
    if found:
        begin, end = ns(earliest), ns(earliest if latest is None else latest)
        assert any(since <= end and begin <= until for since, until in late_periods(tenures))
    return found


def late(state: State, seconds: float) -> Lateness:
    return Lateness(state, round(seconds * SECOND))


def test_life_of_a_pod() -> None:
    t = Timeline()
    for at, name in ((0, "not_ready"), (3, "ready"), (10, "not_ready"), (12, "ready"), (20, "terminating")):
        t.put(at, slice_("w", endpoint(name)))
    t.delete(25, "w")
    assert lateness(t, 2) is None, "it was not ready yet"
    assert lateness(t, 9) is None
    assert lateness(t, 11) == late(State.NOT_READY, 1)
    assert lateness(t, 19) is None
    assert lateness(t, 24) == late(State.TERMINATING, 4)
    assert lateness(t, 31) == late(State.GONE, 11)


def test_a_pod_that_leaves_without_terminating() -> None:
    t = Timeline()
    t.put(0, slice_("w", endpoint("ready")))
    t.delete(25, "w")
    assert lateness(t, 26) == late(State.GONE, 1)


def test_a_pod_that_terminates_after_it_was_not_ready() -> None:
    t = Timeline()
    for at, name in ((0, "ready"), (10, "not_ready"), (20, "terminating")):
        t.put(at, slice_("w", endpoint(name)))
    assert lateness(t, 24) == late(State.TERMINATING, 4)


def test_a_beginning_that_nobody_saw() -> None:
    """What a new list shows happened at some time since the watch's last event, and the first list shows no times."""
    t = Timeline()
    t.put(0, slice_("w", endpoint("ready")))
    t.relist(20, slice_("w", endpoint("terminating")))
    assert lateness(t, 24) is None
    t.delete(25, "w")
    assert lateness(t, 31) is None
    first = Timeline()
    first.relist(0, slice_("w", endpoint("terminating")))
    assert lateness(first, 10) is None


@settings(max_examples=200)
@given(st.lists(st.sampled_from(REPORTED), min_size=1, max_size=14), st.sets(st.integers(1, 13)))
def test_lateness_counts_from_what_was_reported(states: list[str], listed: set[int]) -> None:
    """Each second has one report; some come with a new list, after a second in which nobody watched."""
    t, reported = Timeline(), list[str]()
    for second, drawn in enumerate(states):
        is_terminating = "terminating" in reported and drawn != "gone"
        name = "gone" if "gone" in reported else "terminating" if is_terminating else drawn
        reported.append(name)
        slices = [slice_("w", *([] if name == "gone" else [endpoint(name)]))]
        if second in listed:
            t.relist(second, *slices)
        else:
            t.put(second, *slices)
    for second, name in enumerate(reported):
        found = lateness(t, second + 0.2, second + 0.4)
        should_go = [n for n in range(second + 1) if reported[n] == "terminating"] or [
            next(n for n in range(second, -1, -1) if n == 0 or reported[n - 1] != name)
        ]
        if name == "ready" or (name == "not_ready" and "ready" not in reported[:second]):
            assert found is None
        elif found is not None:
            assert found == late(State(name), second + 0.2 - should_go[0])
            assert should_go[0] not in listed, "nobody saw when it happened"
        elif not listed:
            assert name == reported[0] == "gone", "the pod was never there"
