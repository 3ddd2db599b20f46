"""Errors per minute come from counters that are looked at now and then, and stay bounded."""

from hypothesis import given
from hypothesis import strategies as st

from enricher.daemon.status.error_rates import MAX_KEYS, MINUTES, ErrorRates

NOTHING = (0,) * MINUTES


def test_what_grew_belongs_to_the_minute_in_which_it_began_to():
    recent = ErrorRates(now=5.0)
    recent.sample({"a": 3}, now=60.1)  # at the end of the first minute, and a little late
    recent.sample({"a": 4}, now=90.0)  # somebody looks at the page
    recent.sample({"a": 6, "b": 1}, now=120.0)
    assert recent.worst_first() == {"a": (*NOTHING[3:], 3, 3, 0), "b": (*NOTHING[3:], 0, 1, 0)}


def test_the_running_minute_is_there_at_once():
    recent = ErrorRates(now=0.0)
    recent.sample({"a": 2}, now=1.0)
    assert recent.worst_first() == {"a": (*NOTHING[1:], 2)}


def test_after_an_hour_it_is_forgotten():
    recent = ErrorRates(now=0.0)
    recent.sample({"a": 2}, now=1.0)
    recent.sample({"a": 2}, now=60.0 * (MINUTES - 1))
    assert recent.worst_first() == {"a": (2, *NOTHING[1:])}
    recent.sample({"a": 2}, now=60.0 * MINUTES)
    assert recent.worst_first() == {}
    recent.sample({"a": 3}, now=60.0 * MINUTES + 1)
    assert recent.worst_first() == {"a": (*NOTHING[1:], 1)}


def test_a_long_sleep_leaves_nothing_behind():
    recent = ErrorRates(now=0.0)
    recent.sample({"a": 2}, now=1.0)
    recent.sample({"a": 2}, now=1e6)
    assert recent.worst_first() == {}


def test_a_counter_that_began_again():
    recent = ErrorRates(now=0.0)
    recent.sample({"a": 5}, now=1.0)
    recent.sample({"a": 2}, now=2.0)
    assert recent.worst_first() == {"a": (*NOTHING[1:], 7)}
    recent.sample({}, now=3.0)
    recent.sample({"a": 4}, now=4.0)
    assert recent.worst_first() == {"a": (*NOTHING[1:], 11)}


def test_of_too_many_the_worst_are_kept_whenever_they_come():
    recent = ErrorRates(now=0.0)
    recent.sample({n: n for n in range(1, 10 * MAX_KEYS)}, now=1.0)
    assert list(recent.worst_first()) == list(range(10 * MAX_KEYS - 1, 9 * MAX_KEYS - 1, -1))
    recent.sample({n: n for n in range(1, 10 * MAX_KEYS)} | {"late": 5000, "little": 1}, now=2.0)
    assert list(recent.worst_first())[:2] == ["late", 10 * MAX_KEYS - 1]
    assert len(recent.worst_first()) == MAX_KEYS


@given(st.lists(st.tuples(st.floats(0, 400), st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)))))
def test_it_holds_what_a_list_of_all_errors_would(steps):
    recent, now, totals, began = ErrorRates(now=0.0), 0.0, {}, []
    for passed, came in steps:
        began += [(key, now // 60, count) for key, count in came.items()]
        totals = {key: totals.get(key, 0) + came.get(key, 0) for key in (*totals, *came)}
        now += passed
        recent.sample(totals, now)
    actual = recent.worst_first()
    for key in "abc":
        expected = [0] * MINUTES
        for name, minute, count in began:
            if name == key and (ago := int(now // 60 - minute)) < MINUTES:
                expected[-1 - ago] += count
        assert actual.get(key, NOTHING) == tuple(expected)
    sums = [sum(minutes) for minutes in actual.values()]
    assert sums == sorted(sums, reverse=True)


def test_no_group_takes_the_room_of_another():
    recent = ErrorRates(0.0, lambda key: key[0])
    recent.sample({("shop", 1): 1}, now=1.0)
    recent.sample({("shop", 1): 1} | {("evil", n): 100 for n in range(MAX_KEYS)} | {("other", 1): 2}, now=2.0)
    remembered = recent.worst_first()
    assert len(remembered) == MAX_KEYS
    assert list(remembered)[-2:] == [("other", 1), ("shop", 1)]
