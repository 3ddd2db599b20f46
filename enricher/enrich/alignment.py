"""Error lines and attempts side by side: all ways to assign lines to attempts without changing either order. Pure."""

from collections.abc import Sequence

Fits = Sequence[Sequence[bool]]
"""For each attempt, in order, whether each line, in order, may be about it."""


class Alignment:
    """The assignments of lines to attempts that are in order and explain as many attempts as possible.

    `size` is that number, and `line_count` how many lines are considered. The tables hold the sizes for the first and
    for the last attempts and lines. Whether some assignment of full size has a pair follows from the sizes before and
    after the pair.
    """

    def __init__(self, fits: Fits, *, earliest: bool) -> None:
        """Align at least one attempt with at least one line; with `earliest`, with no more lines than it takes."""
        self.line_count = len(fits[0])
        self._before = _sizes(fits)
        self.size = self._before[-1][-1]
        if earliest:
            self.line_count = self._before[-1].index(self.size)
            fits = [row[: self.line_count] for row in fits]
            self._before = [row[: self.line_count + 1] for row in self._before]
        self._fits = fits
        self._after = [row[::-1] for row in _sizes([row[::-1] for row in fits[::-1]])[::-1]]

    def lines_of(self, attempt: int) -> list[int]:
        """Return the lines that an attempt has in any of the assignments."""
        before, after = self._before[attempt], self._after[attempt + 1]
        return [
            line
            for line, fits in enumerate(self._fits[attempt])
            if fits and before[line] + 1 + after[line + 1] == self.size
        ]

    def needs_attempt(self, attempt: int) -> bool:
        """Return whether an attempt has a line in all assignments."""
        before, after = self._before[attempt], self._after[attempt + 1]
        return all(first + last < self.size for first, last in zip(before, after, strict=True))

    def needs_line(self, line: int) -> bool:
        """Return whether a line is in all assignments."""
        pairs = zip(self._before, self._after, strict=True)
        return all(first[line] + last[line + 1] < self.size for first, last in pairs)


def _sizes(fits: Fits) -> list[list[int]]:
    """Return how many pairs the first attempts and the first lines have at most, by both numbers."""
    sizes = [[0] * (len(fits[0]) + 1)]
    for row in fits:
        above, here = sizes[-1], [0]
        for line, fit in enumerate(row):
            here.append(above[line] + 1 if fit else max(above[line + 1], here[line]))
        sizes.append(here)
    return sizes
