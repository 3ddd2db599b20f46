"""Errors per minute of who failed lately: the last hour, for the status page. Pure."""

from collections.abc import Hashable, Mapping
from heapq import nlargest
from typing import Generic, TypeVar

MINUTES = 60
"""How many minutes are kept, the running one among them."""
KEPT = 100
"""For how many at most: of more, those that failed most in that time."""

K = TypeVar("K", bound=Hashable)


class ErrorRates(Generic[K]):
    """Made of counters that are looked at now and then, at least once a minute: who counts pays nothing for it.

    All times are seconds of one clock that never steps back; its minutes are the minutes.
    """

    def __init__(self, now: float) -> None:
        self._minute = _minute(now)
        self._totals: dict[K, int] = {}
        self._minutes: dict[K, list[int]] = {}

    def sample(self, totals: Mapping[K, int], now: float) -> None:
        """`totals` are the counters of all that ever failed. What they grew by since the last sample belongs to the
        minute in which that was taken.
        """
        came = {key: grown for key, total in totals.items() if (grown := _grown(self._totals.get(key, 0), total))}
        self._totals = dict(totals)
        for key, minutes in self._minutes.items():
            minutes[-1] += came.pop(key, 0)
        for key in nlargest(KEPT, came, key=came.__getitem__):
            self._minutes[key] = [0] * (MINUTES - 1) + [came[key]]
        self._pass(_minute(now))
        if len(self._minutes) > KEPT:
            self._minutes = {key: self._minutes[key] for key in self._worst()[:KEPT]}

    def worst_first(self) -> dict[K, tuple[int, ...]]:
        """The errors of each of the last MINUTES minutes, the running one last, of those that had any."""
        return {key: tuple(self._minutes[key]) for key in self._worst()}

    def _pass(self, minute: int) -> None:
        passed = min(minute - self._minute, MINUTES)
        if passed > 0:
            self._minute = minute
            later = {key: minutes[passed:] + [0] * passed for key, minutes in self._minutes.items()}
            self._minutes = {key: minutes for key, minutes in later.items() if any(minutes)}

    def _worst(self) -> list[K]:
        return sorted(self._minutes, key=lambda key: sum(self._minutes[key]), reverse=True)


def _minute(now: float) -> int:
    return int(now // 60)


def _grown(before: int, now: int) -> int:
    """Less than before is a counter that was dropped and began again."""
    return now - before if now >= before else now
