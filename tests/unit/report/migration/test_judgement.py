"""What is worse is found with the power that the document states, and neither chance nor large numbers make it up."""

import random
from collections import Counter

import pytest

from enricher.report.migration.judgement import (
    LATER,
    MORE_ERRORS,
    SLOWER,
    can_be_significant,
    judge_share,
    judge_times,
    worse_of,
)

SERVICES = 20
"""Services that are judged together."""


def drawn(rng, requests, share):
    return sum(rng.random() < share for _ in range(requests))


def times(rng, requests, *, factor=1.0, slow=0.0):
    """Response times around 20 ms, of which a share is ten times as long."""
    drawn = (rng.lognormvariate(-4, 0.5) * factor * (10 if rng.random() < slow else 1) for _ in range(requests))
    return Counter(round(each, 3) for each in drawn)


def judged(rng, requests, old_share, new_share, **slower):
    """Judge SERVICES, the last of which differs; return which are worse, in three judgements each."""
    together = []
    for number in range(SERVICES):
        share, more = (new_share, slower) if number == SERVICES - 1 else (old_share, {})
        together.append(
            judge_share("errors", drawn(rng, requests, old_share), requests, drawn(rng, requests, share), requests)
        )
        together += judge_times(times(rng, requests), times(rng, requests, **more))
    return [any(group) for group in zip(*[iter(worse_of(together))] * 3, strict=True)]


def test_chance_alone_is_rarely_worse():
    """By rights in one of a hundred comparisons; more than four are a sign of an error."""
    rng = random.Random(19)
    assert sum(any(judged(rng, 150, 0.01, 0.01)) for _ in range(100)) <= 4


@pytest.mark.parametrize(
    ("requests", "old_share", "new_share", "slower"),
    [
        (300, 0.001, 0.1, {}),
        (1000, 0.001, 0.03, {}),
        (5000, 0.01, 0.025, {}),
        (100, 0.01, 0.01, {"factor": 2.5}),
        (300, 0.01, 0.01, {"factor": 2}),
        (1000, 0.01, 0.01, {"slow": 0.05}),
    ],
)
def test_a_rise_is_found(requests, old_share, new_share, slower):
    """In nine of ten comparisons at least, and at the right service."""
    rng = random.Random(5)
    found = [judged(rng, requests, old_share, new_share, **slower) for _ in range(20)]
    assert sum(worse[-1] for worse in found) >= 18
    assert sum(any(worse[:-1]) for worse in found) <= 1


def test_large_numbers_alone_are_not_worse():
    requests = 10_000_000
    slightly = judge_share("errors", 100_000, requests, 105_000, requests, tolerance=MORE_ERRORS)
    assert slightly.chance < 1e-9
    assert worse_of([slightly]) == [False]
    clearly = judge_share("errors", 100_000, requests, 115_000, requests, tolerance=MORE_ERRORS)
    assert worse_of([clearly]) == [True]


@pytest.mark.parametrize(("change", "is_worse"), [(1.0, False), (0.9, False), (1.2, True), (2.0, True)])
@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.4])
def test_times_may_grow_by_the_tolerance(seconds, change, is_worse):
    border = seconds * SLOWER + LATER
    judgements = list(judge_times(Counter({seconds: 100_000}), Counter({round(border * change, 6): 100_000})))
    assert worse_of(judgements)[0] == is_worse


def test_times_at_the_border_of_the_tolerance_are_rarely_worse():
    """The test is about the tolerance too: half of such times are beyond it by chance."""
    rng = random.Random(3)
    worse = 0
    for _ in range(100):
        new = Counter({round(seconds * SLOWER + LATER, 3): number for seconds, number in times(rng, 1000).items()})
        worse += any(worse_of(list(judge_times(times(rng, 1000), new))))
    assert worse <= 4


def test_a_percentile_that_is_the_same_is_not_worse():
    """More of the new times are long, but not half of them."""
    old, new = Counter({0.1: 6000, 10.0: 4000}), Counter({0.1: 5100, 10.0: 4900})
    assert not any(worse_of(list(judge_times(old, new))))


def test_faster_is_not_worse():
    assert not any(worse_of(list(judge_times(Counter({1.0: 1000}), Counter({0.1: 1000})))))


def test_tests_that_cannot_be_significant_take_nothing_from_the_others():
    assert not can_be_significant(0, 1000, 0, 1000)
    assert not can_be_significant(1, 1000, 2, 1000)
    assert can_be_significant(0, 1000, 7, 1000)
    assert not can_be_significant(500, 1000, 1, 1)
