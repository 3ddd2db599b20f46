"""When an attempt took place, derived from its line. Pure."""

from enricher.accesslog.record import MAX_REQUEST_TIME, Record, RequestTime
from enricher.endpoints.attribution import Window
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Reason

CLOCK_TOLERANCE = 10 * MILLISECOND
"""Ns by which nginx's times may be too early: it reads the clock once in each turn of its event loop."""
BUFFERING_THRESHOLD = 100 * MILLISECOND
"""Ns after the second that a line itself names: a later stamp of the runtime means that nginx buffered the line."""
MAX_FAILURE_TIMES: dict[str, int] = {Reason.REFUSED: 5 * SECOND}
"""Longest time (ns) from the beginning of a failed attempt to its error line, by reason.

A connection that was refused may have taken that long because its SYN was sent again.
"""
MAX_OTHER_FAILURE_TIME = 60 * SECOND
"""The same for all other reasons, which is nginx's default for its timeouts."""


def error_window(at: int | None, reason: str) -> Window | None:
    """Return when the attempt of an error line took place; it failed when the line was written, at `at` (ns)."""
    if at is None:
        return None
    return Window(at - MAX_FAILURE_TIMES.get(reason, MAX_OTHER_FAILURE_TIME), at - CLOCK_TOLERANCE, at)


def attempt_windows(record: Record, at: int | None) -> list[Window | None]:
    """Return when each attempt took place, from nginx's own durations and the time its line was written (`at`, ns).

    The request ended when the line was written, unless the line itself names an earlier second: then nginx buffered
    it, and the request ended some time in that second. An attempt began after the request and the attempts before it,
    and ended before the attempts after it. Slow uploads come before attempts and slow downloads after them, so only
    the time that the request took beyond its attempts shows how much earlier an attempt may have ended.
    """
    if not record.attempts:
        return []
    end = request_end(record.end, record.end_uncertainty, at)
    if end is None:
        return [None] * len(record.attempts)
    end_earliest, end_latest = end
    durations = [
        0 if isinstance(attempt.response_time, RequestTime) else attempt.response_time or 0
        for attempt in record.attempts
    ]
    spare = MAX_REQUEST_TIME if record.duration is None else max(0, record.duration - sum(durations))
    later_attempts, result = 0, list[Window | None]()
    for duration in reversed(durations):
        earliest = end_earliest - later_attempts - spare - CLOCK_TOLERANCE
        result.append(Window(earliest - duration - CLOCK_TOLERANCE, earliest, end_latest - later_attempts))
        later_attempts += duration
    result.reverse()
    return result


def request_window(record: Record, at: int | None) -> Window | None:
    """Return when the request took place: its client had its address for all of that time."""
    end = request_end(record.end, record.end_uncertainty, at)
    return None if end is None else Window(end[0] - (record.duration or 0) - CLOCK_TOLERANCE, end[0], end[1])


def request_end(named: int | None, uncertainty: int, at: int | None) -> tuple[int, int] | None:
    """Return when a request ended at the earliest and at the latest, from the time that its line names and its stamp.

    All times are in ns; the time that the line names may be too early by `uncertainty`.
    """
    if named is None:
        return None if at is None else (at, at)
    if at is not None and uncertainty >= MAX_REQUEST_TIME:
        return at, at  # the line has the time of the request's beginning only
    latest = named + uncertainty + CLOCK_TOLERANCE
    if at is None or at > latest + BUFFERING_THRESHOLD:
        return named, latest
    return min(at, latest), min(at, latest)
