"""An address changes hands: who had it then, however late it is asked."""

from enricher.endpoints import attribution
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def handed_over(*, left: float = 10, came: float = 12) -> Timeline:
    t = Timeline()
    t.put(0, slice_("s", pod("10.0.0.1", "old")))
    t.put(left, slice_("s"))
    t.put(came, slice_("s", pod("10.0.0.1", "new")))
    return t


def test_the_holder_of_then_is_named_not_todays():
    t = handed_over()
    assert summary(t.answered(5)) == ("exact", "old")
    assert summary(t.answered(15)) == ("exact", "new")


def test_an_answer_after_the_pod_left_is_its_last_holders_by_grace():
    assert summary(handed_over().answered(11)) == ("grace", "old")


def test_grace_ends():
    t = Timeline()
    t.put(0, slice_("s", pod("10.0.0.1", "old")))
    t.put(10, slice_("s"))
    assert summary(t.answered(39.9)) == ("grace", "old")
    assert summary(t.answered(40.1)) == ("unknown",)


def test_an_answer_belongs_to_who_held_the_address_at_its_end():
    """A SYN sent to a dead address is sent again, and lands on the next holder."""
    assert summary(handed_over().answered(13, took=4)) == ("exact", "new")


def test_a_failure_over_a_hand_over_is_nobodys_for_certain():
    assert summary(handed_over(came=10).failed(9, 13)) == ("ambiguous", "new", "old")
    assert summary(handed_over().failed(9, 11)) == ("grace", "old")
    assert summary(handed_over().failed(11, 13)) == ("ambiguous", "new", "old")


def test_reuse_within_a_millisecond():
    t = handed_over(left=10, came=10.001)
    assert summary(t.answered(9.9999)) == ("exact", "old")
    assert summary(t.answered(10.0005)) == ("grace", "old")
    assert summary(t.answered(10.002)) == ("exact", "new")


def test_reuse_in_one_event():
    t = Timeline()
    t.put(0, slice_("s", pod("10.0.0.1", "old")))
    t.put(10, slice_("s", pod("10.0.0.1", "new")))
    assert summary(t.answered(9.9)) == ("exact", "old")
    assert summary(t.answered(10.1)) == ("exact", "new")


def test_a_new_uid_under_the_same_name_is_another_pod():
    t = Timeline()
    t.put(0, slice_("s", pod("10.0.0.1", "db-0", uid="first")))
    t.put(10, slice_("s"))
    t.put(12, slice_("s", pod("10.0.0.1", "db-0", uid="second")))
    before, after = t.answered(5).owner, t.answered(15).owner
    assert before is not None and after is not None
    assert (before.uid, after.uid) == ("first", "second")


def test_a_late_delete_does_not_evict_the_successor():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old", terminating=True)))
    t.put(10, slice_("b", pod("10.0.0.1", "new")))
    assert summary(t.answered(11)) == ("exact", "new")
    t.delete(20, "a")
    assert summary(t.answered(9)) == ("exact", "old")
    assert summary(t.answered(15)) == ("exact", "new")
    assert summary(t.answered(25)) == ("exact", "new")


def test_an_address_that_had_many_pods_is_asked_about_the_few_that_matter(monkeypatch):
    t = Timeline()
    for n in range(60):
        t.put(100 * n, slice_("a", pod("10.0.0.1", f"p{n}")))
    considered = []
    plain = attribution.spans_of_port
    monkeypatch.setattr(attribution, "spans_of_port", lambda near, *rest: considered.extend(near) or plain(near, *rest))
    assert summary(t.answered(3_050)) == ("exact", "p30")
    assert len(considered) < 10


def test_a_slice_that_is_late_to_say_terminating_changes_nothing():
    """A pod is in two slices; the second still calls it ready when its address is taken over."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(0, slice_("b", pod("10.0.0.1", "old"), service="canary"))
    t.put(5, slice_("a", pod("10.0.0.1", "old", terminating=True)))
    t.put(6, slice_("b", pod("10.0.0.1", "old"), service="canary", port_name="http"))
    t.put(10, slice_("c", pod("10.0.0.1", "new")))
    assert summary(t.answered(11)) == ("exact", "new")
    t.put(12, slice_("a"))
    t.put(12, slice_("b", service="canary"))
    assert [summary(t.answered(at)) for at in (9, 11, 13)] == [("exact", "old"), ("exact", "new"), ("exact", "new")]


def test_a_pod_of_the_same_name_takes_over_at_once():
    """A StatefulSet creates the next pod of a name after the one before is gone, whatever a late slice says."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "db-0", uid="first")))
    t.put(0, slice_("b", pod("10.0.0.1", "db-0", uid="first"), service="canary"))
    t.put(10, slice_("a", pod("10.0.0.1", "db-0", uid="second")))
    for _ in range(2):
        owner, attributed = t.answered(11).owner, t.answered(11)
        assert owner is not None
        assert (attributed.grade, owner.uid) == ("exact", "second")
        t.delete(20, "b")
