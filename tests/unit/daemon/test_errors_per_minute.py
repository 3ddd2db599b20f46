"""The page shows errors in the minutes in which they ended, whenever their lines came, and stays bounded."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.daemon.status.error_rates import MAX_KEYS, MINUTES, worst_first
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.metrics.minutes import add_minutes
from enricher.tailer.framing import Framer
from enricher.timestamps import MINUTE, SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import NOW, enrich_all, make_histories

NOTHING = (0,) * MINUTES


def test_minutes_of_the_last_hour():
    errors = {"a": {1000: 3, 999: 2}, "b": {1000 - MINUTES + 1: 7}, "c": {1000 - MINUTES: 9}, "d": {}}
    assert worst_first(errors, 1000) == {"b": (7, *NOTHING[1:]), "a": (*NOTHING[2:], 2, 3)}


def test_errors_of_minutes_to_come_count_as_of_now():
    assert worst_first({"a": {1003: 1, 1000: 1}}, 1000) == {"a": (*NOTHING[1:], 2)}


def test_of_too_many_the_worst_are_shown():
    errors = {number: {5: number} for number in range(1, 10 * MAX_KEYS)}
    assert list(worst_first(errors, 5)) == list(range(10 * MAX_KEYS - 1, 9 * MAX_KEYS - 1, -1))


def test_no_group_takes_the_room_of_another():
    errors = {("evil", number): {5: 100} for number in range(MAX_KEYS)} | {("other", 1): {5: 2}, ("shop", 1): {4: 1}}
    shown = worst_first(errors, 5, lambda key: key[0])
    assert len(shown) == MAX_KEYS
    assert list(shown)[-2:] == [("other", 1), ("shop", 1)]


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(-100, 5), st.integers(1, 9))))
def test_a_series_holds_what_a_list_of_all_errors_would(steps):
    """Time passes, and errors come that ended long ago, or that seem to end in the future."""
    counts, now, ended = {}, 1_000_000, []
    for passed, ago, number in steps:
        now += passed
        add_minutes(counts, {now + ago: number}, now)
        ended += [(now + min(ago, 0), now, number)]
    expected = [0] * MINUTES
    for minute, then, number in ended:
        if now - minute < MINUTES and then - minute < MINUTES:
            expected[-1 - (now - minute)] += number
    assert worst_first({"a": counts}, now).get("a", NOTHING) == tuple(expected)
    assert len(counts) <= MINUTES


def test_errors_without_a_time_are_of_the_present_minute():
    counts = {}
    add_minutes(counts, {None: 4}, 1000)
    assert counts == {1000: 4}


@pytest.mark.parametrize("is_block", [True, False])
def test_lines_that_come_after_their_minute(is_block):
    """Envoy flushes its log later than a request ends, and a backlog is read later than it was written."""
    begin = NOW // MINUTE * MINUTE
    rng, expected, lines = random.Random(1), dict[int, int](), []
    for _ in range(200):
        end = begin - rng.randrange(20 * 60) * SECOND + rng.randrange(60_000) * SECOND // 1000
        stamp = end + rng.choice((0, 3, 9, 40)) * SECOND
        minute = end // 1_000_000 * 1_000_000 // MINUTE
        expected[minute] = expected.get(minute, 0) + 1
        text = f"[{format_rfc3339(end - SECOND)[:19]}.{end // 1_000_000 % 1000:03d}Z] 503 - 1000 10.0.0.1:80"
        lines.append(f"{format_rfc3339(stamp)} stdout F {text}\n".encode())
    log_format = envoy.compile_format("[%START_TIME%] %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST%")
    metrics = Metrics(lambda: begin + 2 * MINUTE)
    enricher = Enricher(FormatDetector((log_format,)), metrics)
    block = Framer().feed(b"".join(lines))
    enrich_all(enricher, make_histories(), block if is_block else list(block))
    enricher.update_counts()
    minutes = sum((Counter(series.error_minutes) for series in metrics.pods.values()), Counter())
    assert minutes.total() == 200
    # An end a few ms before the next minute may be of that one.
    for minute in minutes.keys() | expected.keys():
        assert abs(minutes[minute] - expected.get(minute, 0)) <= 1
