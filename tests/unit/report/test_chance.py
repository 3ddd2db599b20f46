"""The tests behind verdicts are the exact ones, and take no longer for large numbers."""

import sys
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.report.chance import fisher_chance, holm_rejections

SMALL = st.integers(0, 40)


@given(SMALL, SMALL, SMALL, SMALL)
def test_fishers_test_is_the_exact_one(good, bad, old_good, old_bad):
    drawn, failed, total = good + bad, bad + old_bad, good + bad + old_good + old_bad
    ways = sum(comb(failed, k) * comb(total - failed, drawn - k) for k in range(bad, min(drawn, failed) + 1))
    expected = float(Fraction(ways, comb(total, drawn)))
    assert fisher_chance(bad, drawn, failed, total) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("failures", [0, 1000, 499_000, 500_000, 501_000, 510_000, 700_000, 1_000_000])
def test_large_numbers_cost_no_more(failures):
    steps = 0

    def count(_frame, event, _arg):
        nonlocal steps
        steps += event == "call"

    sys.setprofile(count)
    try:
        chance = fisher_chance(failures, 10_000_000, 1_000_000, 20_000_000)
    finally:
        sys.setprofile(None)
    assert 0 <= chance <= 1
    assert (chance > 0.5) == (failures <= 500_000)
    assert steps < 30_000


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0.001, 0.2))
def test_holms_rule(chances, level):
    """By the definition: a test is significant if it and all those with smaller chances pass."""
    found = holm_rejections(chances, level)
    ordered = sorted(chances)
    passed = 0
    while passed < len(ordered) and ordered[passed] * (len(ordered) - passed) <= level:
        passed += 1
    assert sum(found) == passed
    assert sorted(chance for chance, significant in zip(chances, found, strict=True) if significant) == ordered[:passed]


def test_more_tests_need_clearer_differences():
    assert holm_rejections([0.004], 0.01) == [True]
    assert holm_rejections([0.004, 0.5, 0.5], 0.01) == [False] * 3
    assert holm_rejections([0.001, 0.004, 0.5], 0.01) == [True, True, False]
