"""Errors per minute of the last hour, for the status page. Pure."""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from enricher.fair_share import take_turns

MINUTES = 60
"""Number of minutes that are remembered, including the running one."""
MAX_KEYS = 100
"""Largest number of keys that are remembered: those with the most errors in these minutes, of each group in turn."""

K = TypeVar("K", bound=Hashable)


class ErrorRates(Generic[K]):
    """Errors per minute by key, from samples of counters, at least one a minute, so that counting costs nothing more.

    All times are seconds of one monotonic clock, and a minute is a minute of that clock.
    """

    def __init__(self, now: float, group: Callable[[K], object] = lambda _: None) -> None:
        """Begin at `now`. No group of keys, as `group` returns it, takes the room of another."""
        self._group = group
        self._minute = int(now // 60)
        self._totals: dict[K, int] = {}
        self._minutes: dict[K, list[int]] = {}

    def sample(self, totals: Mapping[K, int], now: float) -> None:
        """Take the error counters of all keys that have any.

        Their growth since the last sample belongs to the minute in which that sample was taken.
        """
        growths = {key: _growth(self._totals.get(key, 0), total) for key, total in totals.items()}
        new = {key: growth for key, growth in growths.items() if growth}
        self._totals = dict(totals)
        for key, minutes in self._minutes.items():
            minutes[-1] += new.pop(key, 0)
        for key in take_turns(sorted(new, key=new.__getitem__, reverse=True), self._group)[:MAX_KEYS]:
            self._minutes[key] = [0] * (MINUTES - 1) + [new[key]]
        self._advance(int(now // 60))
        if len(self._minutes) > MAX_KEYS:
            remembered = take_turns(self._keys_worst_first(), self._group)[:MAX_KEYS]
            self._minutes = {key: self._minutes[key] for key in remembered}

    def worst_first(self) -> dict[K, tuple[int, ...]]:
        """Return the errors of each of the last MINUTES minutes, the running one last, for keys that had any."""
        return {key: tuple(self._minutes[key]) for key in self._keys_worst_first()}

    def _advance(self, minute: int) -> None:
        passed = min(minute - self._minute, MINUTES)
        if passed > 0:
            self._minute = minute
            shifted = {key: minutes[passed:] + [0] * passed for key, minutes in self._minutes.items()}
            self._minutes = {key: minutes for key, minutes in shifted.items() if any(minutes)}

    def _keys_worst_first(self) -> list[K]:
        return sorted(self._minutes, key=lambda key: sum(self._minutes[key]), reverse=True)


def _growth(before: int, now: int) -> int:
    """Return what a counter grew by; one that is smaller than before was dropped and began again at 0."""
    return now - before if now >= before else now
