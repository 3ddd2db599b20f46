"""The alignment of attempts and error lines is that of all assignments, listed one by one."""

import random
from itertools import combinations, product

import pytest

from enricher.enrich.alignment import align


def assignments(fits):
    """All largest assignments in order, each as pairs of an attempt and a line."""
    attempts, lines = len(fits), len(fits[0])
    for size in range(min(attempts, lines), 0, -1):
        found = [
            list(zip(left, right, strict=True))
            for left, right in product(combinations(range(attempts), size), combinations(range(lines), size))
            if all(fits[attempt][line] for attempt, line in zip(left, right, strict=True))
        ]
        if found:
            return found
    return [[]]


@pytest.mark.parametrize("earliest", [False, True])
@pytest.mark.parametrize("seed", range(200))
def test_it_is_that_of_all_assignments(seed, earliest):
    rng = random.Random(seed)
    attempts, lines, density = rng.randrange(1, 5), rng.randrange(1, 5), rng.random()
    fits = tuple(tuple(rng.random() < density for _ in range(lines)) for _ in range(attempts))
    alignment, expected = align(fits, earliest=earliest), assignments(fits)
    assert alignment.size == len(expected[0])
    if earliest:
        ends = [pairs[-1][1] + 1 if pairs else 0 for pairs in expected]
        assert alignment.line_count == min(ends)
        expected = [pairs for pairs, end in zip(expected, ends, strict=True) if end == min(ends)]
    else:
        assert alignment.line_count == lines
    for attempt in range(attempts):
        lines_of = {line for pairs in expected for other, line in pairs if other == attempt}
        assert alignment.lines_of[attempt] == sorted(lines_of)
        assert alignment.needs_attempt[attempt] == all(attempt in dict(pairs) for pairs in expected)
    for line in range(alignment.line_count):
        assert alignment.needs_line[line] == all(line in dict(pairs).values() for pairs in expected)
