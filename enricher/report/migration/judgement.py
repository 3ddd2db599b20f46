"""Whether a share or a response time is worse at the new proxy: tests that are fooled neither by chance nor by numbers.

A difference counts if chance does not explain it, and if it is larger than a tolerance: of millions of requests, even a
difference that nobody would notice is significant. Pure.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from enricher.report.attempt_counts import percentile
from enricher.report.chance import fisher_chance, holm_rejections
from enricher.report.rollout import MAX_CHANCE, MIN_ATTEMPTS

MIN_REQUESTS = MIN_ATTEMPTS
"""Least number of requests at each proxy by which the new one is called no worse, as for two revisions."""
MORE_ERRORS = 1.1
"""How many times the old share of errors the new one must be, at least, to be worse."""
MORE_REFUSALS = 1.5
"""The same of 4xx, which depend more on what clients ask for."""
SLOWER = 1.25
"""How many times an old response time a new one must be, at least, to be worse."""
LATER = 0.005
"""Seconds that it must be longer beside that: logs have milliseconds, and a short time doubles easily."""


class Judgement(NamedTuple):
    """A number of the old proxy beside that of the new one."""

    subject: str
    """`errors`, `4xx` or a status, which are shares of the requests; `p50` or `p99`, in seconds."""
    old: float
    new: float
    chance: float
    """Probability of such a difference if both proxies are alike, before the number of the tests counts."""
    is_material: bool
    """Whether the difference exceeds the tolerance."""

    @property
    def is_a_rise(self) -> bool:
        """Return whether the difference is worth a word by itself, however many others there are."""
        return self.is_material and self.chance <= MAX_CHANCE


def judge_share(
    subject: str, old: int, old_requests: int, new: int, new_requests: int, *, tolerance: float = MORE_REFUSALS
) -> Judgement:
    """Judge a share of the requests."""
    chance = fisher_chance(new, new_requests, old + new, old_requests + new_requests)
    old_share, new_share = old / max(1, old_requests), new / max(1, new_requests)
    return Judgement(subject, old_share, new_share, chance, new_share > tolerance * old_share)


def can_be_significant(old: int, old_requests: int, new: int, new_requests: int) -> bool:
    """Return whether a share could be worse if all of the cases fell to the new proxy.

    A test that cannot be significant is not made, so that it takes nothing from the others: Tarone's rule.
    """
    cases = old + new
    return fisher_chance(min(cases, new_requests), new_requests, cases, old_requests + new_requests) <= MAX_CHANCE


def judge_times(old: Counter[float], new: Counter[float]) -> Iterator[Judgement]:
    """Judge the p50 and the p99 of some requests, whose numbers are given by time (s).

    The times of the old proxy are made longer by the tolerance. The question then is whether more of the new proxy's
    are above the percentile of all together: Mood's test, with Fisher's in place of chi-squared.
    """
    longer = Counter[float]()
    for seconds, number in old.items():
        longer[_tolerated(seconds)] += number
    for percent in (50, 99):
        old_time, new_time, border = (percentile(times, percent) or 0.0 for times in (old, new, longer + new))
        above, above_new = (sum(times[each] for each in times if each > border) for times in (longer, new))
        chance = fisher_chance(above_new, new.total(), above + above_new, old.total() + new.total())
        yield Judgement(f"p{percent}", old_time, new_time, chance, new_time > _tolerated(old_time))


def _tolerated(seconds: float) -> float:
    """Return the longest time that is not worse than an old one, in whole milliseconds as most times are.

    It is rounded up: otherwise new times that are equal but for their rounding would be longer than the old ones.
    """
    return ceil((seconds * SLOWER + LATER) * 1000 - 1e-6) / 1000


def worse_of(judgements: Sequence[Judgement]) -> list[bool]:
    """Return which of some judgements, all of those that are made together, mean that the new proxy is worse."""
    significant = holm_rejections([judgement.chance for judgement in judgements], MAX_CHANCE)
    return [judgement.is_material and each for judgement, each in zip(judgements, significant, strict=True)]
