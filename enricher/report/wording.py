"""Small texts that reports are made of. Pure."""

from collections.abc import Sequence

from enricher.report.record_view import Zone, datetime_in

MAX_LISTED = 3
"""Number of names that are written out in a sentence."""


def amount(number: int, noun: str) -> str:
    """Return a number with its noun: `1 failure`, `2,300 failures`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def join_names(names: Sequence[str]) -> str:
    """Return names as `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    if len(names) <= MAX_LISTED:
        return join_names(names)
    return f"{', '.join(names[:MAX_LISTED])} and {len(names) - MAX_LISTED:,} more"


def seconds_text(seconds: float) -> str:
    """Return a duration as `0.4 s`, `12 s` or `5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def span_text(seconds: Sequence[float]) -> str:
    """Return the shortest and the longest of some durations: `0.4 s to 3.8 s`."""
    shortest, longest = seconds_text(min(seconds)), seconds_text(max(seconds))
    return shortest if shortest == longest else f"{shortest} to {longest}"


def percent_text(part: int, whole: int) -> str:
    """Return a share: `2.2 %`, `31 %`, `< 0.1 %`."""
    share = 100 * part / whole if whole else 0.0
    if part and share < 0.1:
        return "< 0.1 %"
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def when_text(first: int | None, last: int | None, zone: Zone | None = None) -> str:
    """Return the first and the last time (ns), without what the second has in common with the first.

    They are in `zone`, else in UTC, and its name is at the end: before it too, if it has changed in between.
    """
    if first is None or last is None:
        return ""
    times = [datetime_in(zone, time) for time in (first, last)]
    (start, start_zone), (end, end_zone) = ((f"{time:%Y-%m-%d %H:%M:%S}", f" {time:%Z}") for time in times)
    if (start, start_zone) == (end, end_zone):
        return f"{start}{start_zone}"
    start_zone = "" if start_zone == end_zone else start_zone
    return f"{start}{start_zone} to {end[11:] if start[:10] == end[:10] else end}{end_zone}"
