"""What changed while nobody watched is known to have changed at some time, not when."""

from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary


def test_what_the_first_list_shows_is_assumed_for_earlier_attempts():
    t = Timeline()
    t.history = type(t.history)()
    t.relist(0, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(-5)) == ("assumed", "p")
    assert summary(t.answered(5)) == ("exact", "p")


def test_a_relist_that_finds_the_same_pod_proves_it_was_there():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.relist(100, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.failed(10, 90)) == ("exact", "p")


def test_a_relist_that_finds_another_pod_leaves_the_time_between_open():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.relist(100, slice_("a", pod("10.0.0.1", "new")))
    assert summary(t.answered(50)) == ("ambiguous", "new", "old")
    assert summary(t.answered(101)) == ("exact", "new")


def test_a_relist_that_finds_the_pod_gone():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.relist(100)
    assert summary(t.answered(20)) == ("grace", "p")
    assert summary(t.answered(90)) == ("assumed", "p")
    assert summary(t.answered(131)) == ("unknown",)


def test_an_address_that_was_never_heard_of_before_a_relist():
    t = Timeline()
    t.put(0, slice_("x", pod("10.0.0.9", "other")))
    t.relist(100, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(50)) == ("assumed", "p")


def test_a_pod_that_the_proxy_knew_a_moment_before_us():
    """Nobody else held the address for long: who answered there is the pod that shows up a moment later."""
    t = Timeline()
    t.put(50, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(49.5)) == ("exact", "p")
    assert summary(t.answered(44)) == ("unknown",)


def test_the_same_where_only_one_namespace_is_watched():
    """Somebody of another namespace may have held the address."""
    t = Timeline(all_namespaces=False)
    t.put(50, slice_("a", pod("10.0.0.1", "p")))
    assert summary(t.answered(49.5)) == ("assumed", "p")
    assert summary(t.answered(51)) == ("exact", "p")


def test_who_came_and_went_while_nobody_watched_makes_nobody_else_certain():
    t = Timeline()
    t.put(0, slice_("x", pod("10.0.0.9", "other")))
    t.relist(100, slice_("x", pod("10.0.0.9", "other")))
    t.put(102, slice_("a", pod("10.0.0.1", "new")))
    assert summary(t.answered(101)) == ("assumed", "new")
    t.put(132, slice_("b", pod("10.0.0.2", "later")))
    assert summary(t.answered(131, "10.0.0.2:8080")) == ("exact", "later")


def test_a_burst_of_late_events_after_a_reconnect():
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.history.apply("MODIFIED", slice_("a"), ns(100), ns(20))
    t.history.apply("MODIFIED", slice_("a", pod("10.0.0.1", "new")), ns(100), ns(20))
    assert summary(t.answered(10)) == ("exact", "old")
    assert summary(t.answered(50)) == ("ambiguous", "new", "old")
    assert summary(t.answered(100.1)) == ("exact", "new")


def test_forgetting_is_bounded_by_age_and_number():
    t = Timeline(retention=1000 * 10**9, max_ended=5)
    for n in range(100):
        t.put(n, slice_("a", pod(f"10.0.1.{n}", f"p{n}")))
    assert len(list(t.history.tenures())) == 6
    assert summary(t.answered(97.5, "10.0.1.97:8080")) == ("exact", "p97")
    t.history.expire(10**15)
    assert [tenure.owner.pod for tenure in t.history.tenures()] == ["p99"]
    assert t.history.open_tenures == 1


def test_a_tenure_that_goes_on_is_not_forgotten_for_an_old_end():
    t = Timeline(retention=10**9)
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.delete(1, "a")
    t.put(2, slice_("b", pod("10.0.0.1", "p")))
    t.history.expire(10**15)
    assert summary(t.answered(1.5)) == ("exact", "p")


def test_an_end_a_return_and_an_end_at_one_moment_are_forgotten_once():
    """All events of one packet have one time."""
    t = Timeline(retention=10**9)
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.delete(1, "a")
    t.put(1, slice_("b", pod("10.0.0.1", "p")))
    t.delete(1, "b")
    t.history.expire(10**15)
    assert not list(t.history.tenures())


def test_what_is_forgotten_makes_nobody_else_certain():
    """Read long after: that nobody else held the address before the pod came is no longer known."""
    t = Timeline(retention=10**9)
    t.put(0, slice_("a", pod("10.0.0.1", "old")))
    t.put(100, slice_("a"))
    t.put(104, slice_("a", pod("10.0.0.1", "new")))
    assert summary(t.answered(99)) == ("exact", "old")
    t.history.expire(10**15)
    assert summary(t.answered(99.9)) == ("assumed", "new")
    assert summary(t.answered(130)) == ("exact", "new")
