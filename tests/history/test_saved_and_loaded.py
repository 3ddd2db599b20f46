"""The history over a restart: a backlog is attributed as of its own time."""

import orjson
import pytest
from timeline import Timeline, pod, said, slice_

from enricher.cluster.history import History


def restarted(t: Timeline) -> Timeline:
    after = Timeline()
    after.history = History()
    after.history.load(orjson.loads(orjson.dumps(t.history.dump())))
    return after


def before() -> Timeline:
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(10, slice_("a", pod("10.0.0.2", "other")))
    t.put(20, slice_("a", pod("10.0.0.1", "new"), pod("10.0.0.2", "other")))
    return t


def test_the_past_is_answered_alike():
    t = restarted(before())
    assert said(t.answered(5)) == ("exact", "old")
    assert said(t.answered(15)) == ("grace", "old")
    assert said(t.answered(25, "10.0.0.2:8080")) == ("exact", "other")


def test_a_list_after_the_restart_goes_on_from_what_was_known():
    t = restarted(before())
    t.relist(100, slice_("a", pod("10.0.0.1", "new")))
    assert said(t.answered(60)) == ("exact", "new")
    assert said(t.answered(60, "10.0.0.2:8080")) == ("assumed", "other")
    assert t.history.held == 1


def test_old_ends_are_forgotten_after_a_restart_too():
    t = restarted(before())
    t.history.forget(10**15)
    assert sorted(tenure.owner.pod for tenure in t.history.tenures()) == ["new", "other"]
    assert t.history.dump() == restarted(t).history.dump()


@pytest.mark.parametrize(
    "saved", [{}, {"tenures": [[]]}, {"tenures": 3}, {"tenures": [], "slices": [["a", "b", [[7]]]]}]
)
def test_what_is_no_saved_history_is_refused(saved):
    with pytest.raises(ValueError, match="history"):
        History().load(saved)
