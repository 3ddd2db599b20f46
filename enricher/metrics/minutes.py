"""Numbers by minute, of the last hour."""

from collections.abc import Mapping

MINUTES = 60
"""Number of minutes that are counted apart, including the running one."""


def add_minutes(counts: dict[int, int], minutes: Mapping[int | None, int], now: int) -> None:
    """Add numbers by the minute since the epoch to `counts`; None and minutes that are to come stand for `now`.

    `counts` is the last MINUTES minutes' afterwards.
    """
    for minute, number in minutes.items():
        place = now if minute is None else min(minute, now)
        if place > now - MINUTES:
            counts[place] = counts.get(place, 0) + number
    if len(counts) > MINUTES:
        for minute in [minute for minute in counts if minute <= now - MINUTES]:
            del counts[minute]
