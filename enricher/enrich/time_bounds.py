"""The time in which all attempts of many lines took place, or those of one. Pure."""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import cast

from enricher.accesslog.columns import Columns
from enricher.accesslog.record import MAX_REQUEST_TIME
from enricher.endpoints.attribution import Window
from enricher.enrich.layout_facts import LayoutFacts
from enricher.enrich.windows import BUFFERING_THRESHOLD, CLOCK_TOLERANCE, request_end, windows_before
from enricher.timestamps import SECOND, parse_rfc3339

Bounds = tuple[int, int]
"""Two times in ns, the earlier one first."""

_TOLERANCE = 3 * CLOCK_TOLERANCE + BUFFERING_THRESHOLD
"""Ns by which the window of an attempt may exceed the times and durations in its line."""
_zone = itemgetter(slice(-6, None))


def attempt_bounds(
    columns: Columns, durations: Collection[int | None] | None, response_times: Collection[int | None]
) -> Bounds | None:
    """Return bounds of the windows of all attempts and requests (see windows.py); None if they are not certain.

    The durations of requests and of attempts are in ns. Lines whose requests have none do not count, unless the layout
    has no durations at all.
    """
    is_start = columns.layout.dialect.facts.clock_is_start
    bounds = _clock_bounds(columns)
    if columns.stamps is not None:
        bounds.append(_rfc3339_bounds(columns.stamps))
    times = [both for both in bounds if both]
    if not times or len(times) < len(bounds):
        return None
    longest = _longest(response_times)
    if durations is not None:
        longest = max(longest, _longest(durations))
    begin = min(begin for begin, _ in times) - longest - _TOLERANCE
    if durations is None:
        begin -= MAX_REQUEST_TIME
        longest = max(longest, MAX_REQUEST_TIME) if is_start else longest
    end = max(end for _, end in times) + SECOND + _TOLERANCE
    return begin, end + longest if is_start else end


def row_windows(
    columns: Columns, facts: LayoutFacts, row: int, attempt_times: Sequence[int | None]
) -> list[Window] | None:
    """Return when each attempt of a line took place, as `attempt_windows` does; None if that is not known.

    The windows are narrower than the bounds of many lines, and take a hundred times as long to find.
    """
    at = None if columns.stamps is None else parse_rfc3339(columns.stamps[row])
    named, uncertainty = facts.ends.at(columns, row)
    ends = request_end(named, uncertainty, at)
    if ends is None:
        return None
    duration = facts.durations.at(columns, row) if facts.has_duration else None
    return windows_before(ends, duration, attempt_times)


def _longest(durations: Collection[int | None]) -> int:
    if None in durations:
        return max(filter(None, durations), default=0)
    return max(cast(Collection[int], durations), default=0)


def _clock_bounds(columns: Columns) -> list[Bounds | None]:
    """Return bounds of the times by each of the proxy's own clocks; None if not all lines have such a time."""
    result = list[Bounds | None]()
    for name, parse in columns.layout.dialect.facts.clocks:
        texts = columns.raw_column(name)
        if texts is None:
            continue
        bounds = _rfc3339_bounds(texts) if parse is parse_rfc3339 else None
        if bounds is None:
            times = list(map(parse, set(texts)))
            parsed = [at for at in times if at is not None]
            if not parsed:
                continue  # it is in some other format in all lines
            bounds = (min(parsed), max(parsed) + SECOND) if len(parsed) == len(times) else None
        result.append(bounds)
    return result


def _rfc3339_bounds(texts: Sequence[bytes]) -> Bounds | None:
    """Return bounds of RFC 3339 times of one time zone; None for any other texts."""
    zone = b"Z"
    if b"".join(texts).count(zone) != len(texts):
        zones = set(map(_zone, texts))
        zone = zones.pop()
        if zones or zone[:1] not in b"+-":
            return None
    times = [parse_rfc3339(second + zone) for second in {text[:19] for text in texts}]
    parsed = [at for at in times if at is not None]
    return (min(parsed), max(parsed) + SECOND) if len(parsed) == len(times) else None
