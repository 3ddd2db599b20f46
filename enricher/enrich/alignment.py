"""Error lines and attempts side by side: all ways to assign lines to attempts without changing either order. Pure."""

from functools import lru_cache

MAX_CACHED_PAIRS = 64
"""Largest number of pairs of an attempt and a line for which alignments are cached: a request may have thousands."""

Fits = tuple[tuple[bool, ...], ...]
"""For each attempt, in order, whether each line, in order, may be about it."""


class Alignment:
    """The assignments of lines to attempts that are in order and explain as many attempts as possible.

    The tables of sizes are for the first and for the last attempts and lines. Whether some assignment of full size has
    a pair, or leaves an attempt or a line out, follows from the sizes before and after it.
    """

    def __init__(self, fits: Fits, *, earliest: bool) -> None:
        """Align attempts with at least one line; with `earliest`, with no more of the first lines than it takes."""
        before = _sizes(fits)
        self.size = size = before[-1][-1]
        """How many attempts have a line."""
        self.line_count = before[-1].index(size) if earliest else len(fits[0])
        """How many lines are considered."""
        fits = tuple(row[: self.line_count] for row in fits)
        before = [row[: self.line_count + 1] for row in before]
        after = [row[::-1] for row in _sizes(tuple(row[::-1] for row in fits[::-1]))[::-1]]
        lines, attempts = range(self.line_count), range(len(fits))
        self.lines_of = [
            [line for line in lines if fits[n][line] and before[n][line] + 1 + after[n + 1][line + 1] == size]
            for n in attempts
        ]
        """For each attempt, the lines that it has in any of the assignments."""
        self.needs_attempt = [
            all(first + last < size for first, last in zip(before[n], after[n + 1], strict=True)) for n in attempts
        ]
        """For each attempt, whether it has a line in all assignments."""
        self.needs_line = [
            all(first[line] + last[line + 1] < size for first, last in zip(before, after, strict=True))
            for line in lines
        ]
        """For each line that is considered, whether it is in all assignments."""


def align(fits: Fits, *, earliest: bool) -> Alignment:
    """Return the alignment of attempts and lines; most requests are small, and like another."""
    is_small = len(fits) * len(fits[0]) <= MAX_CACHED_PAIRS
    return _small_alignment(fits, earliest=earliest) if is_small else Alignment(fits, earliest=earliest)


_small_alignment = lru_cache(maxsize=1024)(Alignment)


def _sizes(fits: Fits) -> list[list[int]]:
    """Return how many pairs the first attempts and the first lines have at most, by both numbers."""
    sizes = [[0] * (len(fits[0]) + 1)]
    for row in fits:
        above, here = sizes[-1], [0]
        for line, fit in enumerate(row):
            here.append(above[line] + 1 if fit else max(above[line + 1], here[line]))
        sizes.append(here)
    return sizes
