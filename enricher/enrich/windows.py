"""When an attempt took place, derived from its line. Pure."""

from collections.abc import Sequence

from enricher.accesslog.record import MAX_REQUEST_TIME, Record, RequestTime
from enricher.endpoints.attribution import Window
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Reason

CLOCK_TOLERANCE = 10 * MILLISECOND
"""Ns by which nginx's times may be too early: it reads the clock once in each turn of its event loop."""
BUFFERING_THRESHOLD = 100 * MILLISECOND
"""Ns after the second that a line itself names: a later stamp of the runtime means that nginx buffered the line."""
MAX_WRITING_DELAY = 600 * SECOND
"""Longest time (ns) from a request's end to its line. If a line seems to be later, the clock that it was written by is
wrong or in another zone, which differs by a quarter of an hour at least. Buffers are flushed more often: Envoy's every
10 s.
"""
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
    return [*windows_before(end, record.duration, [attempt.response_time for attempt in record.attempts])]


def windows_before(end: tuple[int, int], duration: int | None, response_times: Sequence[int | None]) -> list[Window]:
    """Return when each attempt took place of a request that ended between two times.

    The duration of the request and the response times of its attempts are in ns, and None where they are not known.
    """
    end_earliest, end_latest = end
    durations = [0 if isinstance(time, RequestTime) else time or 0 for time in response_times]
    spare = MAX_REQUEST_TIME if duration is None else max(0, duration - sum(durations))
    later_attempts, result = 0, list[Window]()
    for attempt_duration in reversed(durations):
        earliest = end_earliest - later_attempts - spare - CLOCK_TOLERANCE
        result.append(Window(earliest - attempt_duration - CLOCK_TOLERANCE, earliest, end_latest - later_attempts))
        later_attempts += attempt_duration
    result.reverse()
    return result


def attempt_beginning(window: Window) -> tuple[int, int]:
    """Return when the attempt of a window began at the earliest and at the latest (ns)."""
    duration = window.end_earliest - window.start - CLOCK_TOLERANCE
    return window.start, max(window.start, min(window.end_latest, window.end_latest - duration + CLOCK_TOLERANCE))


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


def end_to_show(named: int | None, uncertainty: int, at: int | None) -> int | None:
    """Return the request's end as its line names it, if that is to be shown, not the runtime's stamp; else None.

    All times are in ns; the named one may be too early by `uncertainty`. It is shown if the line was written after it,
    but not so long after it that a clock must be wrong. One that is cut to seconds is shown only if the line is late.
    """
    if named is None or at is None:
        return None
    return named if named + least_delay(uncertainty) <= at <= named + MAX_WRITING_DELAY else None


def least_delay(uncertainty: int) -> int:
    """Return how much later (ns) than the end that a line names the line's stamp must be for that end to be shown.

    With the uncertainty of a request that has no duration this is more than MAX_WRITING_DELAY.
    """
    return 0 if uncertainty <= CLOCK_TOLERANCE else uncertainty + CLOCK_TOLERANCE + BUFFERING_THRESHOLD
