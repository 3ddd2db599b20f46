"""When an attempt was, as far as its line tells. Pure."""

from enricher.accesslog.record import Record
from enricher.endpoints.attribution import Window
from enricher.timestamps import MILLISECOND, SECOND

CLOCK = 10 * MILLISECOND
"""nginx reads the clock once per turn of its event loop: its times may be this much old."""
WRITTEN_LATE = 100 * MILLISECOND
"""A runtime's stamp this much after the second that the line itself names means that nginx buffered the line."""


LONGEST = 600 * SECOND
"""How long a request may have taken of which the format does not tell."""
LONGEST_FAILURE = {"refused": 5 * SECOND}
"""How long before its error line an attempt began at the most, by the reason: a SYN may have been sent again."""
LONGEST_OTHER_FAILURE = 60 * SECOND
"""The same for other reasons: nginx's default time-outs."""


def error_window(at: int | None, reason: str) -> Window | None:
    """When an attempt was that an error line is about: it failed when the line was written (ns)."""
    if at is None:
        return None
    return Window(at - LONGEST_FAILURE.get(reason, LONGEST_OTHER_FAILURE), at - CLOCK, at)


def windows(record: Record, at: int | None) -> list[Window | None]:
    """When each attempt was, from nginx's own durations and the time its line was written (`at`, ns).

    The request ended when the line was written, unless the line itself names an earlier second: then nginx buffered
    it, and the request ended some time in that second. An attempt began after the request and the attempts before it,
    and ended before the attempts after it; slow uploads come before attempts and slow downloads after, so how much
    earlier it ended is known only from what the request took beyond its attempts.
    """
    if not record.attempts:
        return []
    end = _request_end(record, at)
    if end is None:
        return [None] * len(record.attempts)
    end_earliest, end_latest = end
    durations = [attempt.response_time or 0 for attempt in record.attempts]
    spare = LONGEST if record.duration is None else max(0, record.duration - sum(durations))
    after, out = 0, list[Window | None]()
    for duration in reversed(durations):
        earliest = end_earliest - after - spare - CLOCK
        out.append(Window(earliest - duration - CLOCK, earliest, end_latest - after))
        after += duration
    out.reverse()
    return out


def request_window(record: Record, at: int | None) -> Window | None:
    """When the request was, as far as its line tells: all that time its client had its address."""
    end = _request_end(record, at)
    return None if end is None else Window(end[0] - (record.duration or 0) - CLOCK, end[0], end[1])


def _request_end(record: Record, at: int | None) -> tuple[int, int] | None:
    if record.end is None:
        return None if at is None else (at, at)
    latest = record.end + record.end_uncertainty + CLOCK
    if at is None or at > latest + WRITTEN_LATE:
        return record.end, latest
    return min(at, latest), min(at, latest)
