"""The preStop sleep that would have spared failures at pods that were shutting down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.report.pre_stop import MARGIN, MAX_SLEEP, MIN_SLEEP, LateFailure, pre_stop_sleep, spared_by

SECONDS = st.floats(0, 100, allow_nan=False)
ATTEMPTS = st.lists(
    st.builds(LateFailure, SECONDS, st.none() | SECONDS, st.sampled_from(["", "reset", "refused", "timed_out"])),
    max_size=60,
)


def late(*seconds: float) -> list[LateFailure]:
    return [LateFailure(second) for second in seconds]


def test_no_failures_need_no_sleep() -> None:
    assert pre_stop_sleep([]) is None


def test_a_sleep_exceeds_the_latest_attempt() -> None:
    assert pre_stop_sleep(late(0.1, 0.9, 2.7)) == (4, 3, 3, 30)


def test_an_attempt_needs_its_response_time_too() -> None:
    assert pre_stop_sleep([LateFailure(1, 4.2, "reset")]) == (6, 1, 1, 30)


@pytest.mark.parametrize("reason", ["refused", "unreachable", "timed_out"])
def test_the_time_that_a_proxy_waited_for_a_pod_that_was_gone_does_not_count(reason: str) -> None:
    assert pre_stop_sleep([LateFailure(1, 60, reason)]) == (2, 1, 1, 30)


def test_a_few_that_came_much_later_are_left_out() -> None:
    assert pre_stop_sleep(late(*[0.5, 1.5, 2.9] * 39, *[3.2], *[31, 40, 55])) == (4, 118, 121, 30)


def test_a_few_that_came_little_later_are_not_left_out() -> None:
    assert pre_stop_sleep(late(*[3.0] * 100, 4.2)) == (5, 101, 101, 30)


def test_one_of_a_handful_is_not_left_out() -> None:
    assert pre_stop_sleep(late(1, 1, 25)) == (26, 3, 3, 30)


def test_what_comes_after_any_sleep_is_not_spared() -> None:
    assert pre_stop_sleep(late(1, 1, 90)) == (2, 2, 3, 30)
    assert pre_stop_sleep(late(90)) is None


def test_the_grace_period_allows_for_the_longest_request_after_the_sleep() -> None:
    assert pre_stop_sleep([LateFailure(10, 14.5, "reset")]) == (26, 1, 1, 41)


@given(ATTEMPTS)
def test_a_sleep_spares_as_many_as_it_says(attempts: list[LateFailure]) -> None:
    sleep = pre_stop_sleep(attempts)
    can_be_spared = [attempt for attempt in attempts if attempt.needed + MARGIN < MAX_SLEEP]
    if sleep is None:
        assert not can_be_spared
        return
    assert 1 <= sleep.seconds <= MAX_SLEEP
    assert sleep.spared == sum(attempt.needed + MARGIN < sleep.seconds for attempt in attempts)
    assert sleep.total == len(attempts)
    assert sleep.spared >= len(can_be_spared) - len(attempts) * 0.05
    assert sleep.grace_period > sleep.seconds


@given(ATTEMPTS)
def test_one_second_less_spares_fewer(attempts: list[LateFailure]) -> None:
    if sleep := pre_stop_sleep(attempts):
        assert sleep.seconds == MIN_SLEEP or spared_by(sleep.seconds - 1, attempts).spared < sleep.spared
