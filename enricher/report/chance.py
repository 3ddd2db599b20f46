"""The probability that alike groups differ so much by chance: Fisher's exact test, and Holm's rule. Pure."""

from collections.abc import Iterator, Sequence
from math import exp, lgamma

_NEGLIGIBLE = 1e-18
"""Share of the sum below which the further terms, which only become smaller, are left out."""


def fisher_chance(failures: int, drawn: int, all_failures: int, total: int) -> float:
    """Return the probability of `failures` or more among `drawn` of `total` cases, of which `all_failures` failed.

    This is Fisher's exact test, one-sided. It costs at most some thousand steps, however large the numbers are: the
    terms are added up from the observed number on, away from the expected one.
    """
    if failures <= max(0, drawn + all_failures - total):
        return 1.0
    if failures * total > drawn * all_failures:
        return min(1.0, sum(_terms(failures, drawn, all_failures, total)))
    # So few or fewer among the cases that were not drawn have the same terms, seen from the other side.
    rest = total - drawn
    below = sum(_terms(all_failures - failures + 1, rest, all_failures, total))
    return max(0.0, 1.0 - below)


def _terms(first: int, drawn: int, all_failures: int, total: int) -> Iterator[float]:
    """Yield the probabilities of `first` failures among `drawn` cases, and of each larger number that matters."""
    last = min(drawn, all_failures)
    if first > last:
        return
    whole = _log_choose(total, drawn)
    term = exp(_log_choose(all_failures, first) + _log_choose(total - all_failures, drawn - first) - whole)
    added = 0.0
    for number in range(first, last + 1):
        yield term
        added += term
        others = total - all_failures - drawn + number + 1
        term *= (all_failures - number) * (drawn - number) / ((number + 1) * others)
        if term <= added * _NEGLIGIBLE:
            return


def holm_rejections(chances: Sequence[float], level: float) -> list[bool]:
    """Return which of several tests remain significant together, so that any is so by chance at `level` at most.

    This is Holm's step-down procedure: the smallest chance is multiplied by the number of tests, the next one by one
    less, and so on, until one exceeds the level.
    """
    significant = [False] * len(chances)
    for place, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[index] * (len(chances) - place) > level:
            break
        significant[index] = True
    return significant


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
