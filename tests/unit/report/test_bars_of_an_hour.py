"""The bars of the last hour: an error is never nothing, and what is most fills its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.report.daemon_status import MINUTES
from enricher.report.hour_texts import BARS, sparkline


@pytest.mark.parametrize(
    ("numbers", "bars"),
    [
        ({}, " " * 12),
        ({0: 1}, "█" + " " * 11),
        ({4: 1, 5: 2}, "▄█" + " " * 10),
        ({0: 1, 59: 1000}, "▁" + " " * 10 + "█"),
        ({55: 1, 56: 1, 57: 1, 58: 1, 59: 1}, " " * 11 + "█"),
    ],
)
def test_bars(numbers, bars):
    assert sparkline([numbers.get(place, 0) for place in range(MINUTES)]) == bars


@given(st.lists(st.integers(0, 1 << 53), min_size=MINUTES, max_size=MINUTES))
def test_each_error_is_seen_and_more_is_never_lower(minutes):
    sums = [sum(minutes[place : place + 5]) for place in range(0, MINUTES, 5)]
    heights = [BARS.index(bar) for bar in sparkline(minutes)]
    assert [height > 0 for height in heights] == [number > 0 for number in sums]
    assert [heights[place] for place in sorted(range(12), key=lambda place: sums[place])] == sorted(heights)
    assert max(heights) == (len(BARS) - 1 if any(sums) else 0)
