"""The history over a restart: a backlog is attributed as of its own time."""

import orjson
import pytest

from enricher.endpoints.files import load_endpoints
from enricher.endpoints.history import History
from enricher.errors import ConfigurationError
from enricher.state_file import StateFile
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


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
    assert summary(t.answered(5)) == ("exact", "old")
    assert summary(t.answered(15)) == ("grace", "old")
    assert summary(t.answered(25, "10.0.0.2:8080")) == ("exact", "other")


def test_a_daemons_file_is_read_in_place_of_a_watch(tmp_path):
    StateFile(str(tmp_path), "history").save(before().history.dump())
    t = Timeline()
    t.history = load_endpoints([str(tmp_path / "history.json")]).pods
    assert summary(t.answered(5)) == ("exact", "old")
    assert summary(t.answered(15)) == ("grace", "old")
    assert summary(t.answered(19.9, "10.0.0.2:8080")) == ("exact", "other")
    assert summary(t.answered(500, "10.0.0.2:8080")) == ("assumed", "other")  # nothing was heard for so long


@pytest.mark.parametrize(
    "content",
    [b'{"version": 2, "history": {}}', b'{"version": 1, "history": 3}', b'{"version": 1, "history": {"tenures": 3}}'],
)
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, content):
    (path := tmp_path / "history.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"history\.json: .*history"):
        load_endpoints([str(path)])


def test_a_list_after_the_restart_goes_on_from_what_was_known():
    t = restarted(before())
    t.relist(100, slice_("a", pod("10.0.0.1", "new")))
    assert summary(t.answered(60)) == ("exact", "new")
    assert summary(t.answered(60, "10.0.0.2:8080")) == ("assumed", "other")
    assert t.history.open_tenures == 1


def test_old_ends_are_forgotten_after_a_restart_too():
    t = restarted(before())
    t.history.expire(10**15)
    assert sorted(tenure.owner.pod for tenure in t.history.tenures()) == ["new", "other"]
    assert orjson.dumps(t.history.dump()) == orjson.dumps(restarted(t).history.dump())


@pytest.mark.parametrize(
    "saved", [{}, {"tenures": [[]]}, {"tenures": 3}, {"tenures": [], "slices": [["a", "b", [[7]]]]}]
)
def test_what_is_no_saved_history_is_refused(saved):
    with pytest.raises(ValueError, match="history"):
        History().load(saved)
