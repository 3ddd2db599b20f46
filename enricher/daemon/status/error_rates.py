"""Errors per minute of the last hour, for the status page. Pure."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from enricher.fair_share import take_turns
from enricher.metrics.minutes import MINUTES

MAX_KEYS = 100
"""Largest number of keys that are shown: those with the most errors in these minutes, of each group in turn."""

K = TypeVar("K", bound=Hashable)


def worst_first(
    errors: Mapping[K, Mapping[int, int]], now: int, group: Callable[[K], object] = lambda _: None
) -> dict[K, tuple[int, ...]]:
    """Return the errors of each of the last MINUTES minutes, the running one last, for keys that had any.

    `errors` are those of each minute since the epoch, and `now` is the running one; errors of later minutes count as of
    now, because a clock was set back. No group of keys, as `group` returns it, takes the room of another.
    """
    rows = {key: last_minutes(minutes, now) for key, minutes in errors.items() if minutes}

    def by_errors(key: K) -> int:
        return -sum(rows[key])

    failing = sorted((key for key, row in rows.items() if any(row)), key=by_errors)
    return {key: rows[key] for key in sorted(take_turns(failing, group)[:MAX_KEYS], key=by_errors)}


def last_minutes(errors: Mapping[int, int], now: int) -> tuple[int, ...]:
    """Return the numbers of each of the last MINUTES minutes, the running one, which is `now`, last."""
    row = [0] * MINUTES
    for minute, number in errors.items():
        ago = max(0, now - minute)
        if ago < MINUTES:
            row[-1 - ago] += number
    return tuple(row)
