"""The ends of requests in Envoy's lines: `%START_TIME%`, also in a format of its own, and a duration. Pure."""

import re
from collections.abc import Sequence

from enricher.accesslog.columns import Memo
from enricher.accesslog.dialect import end_after, ends_after
from enricher.accesslog.values import parse_milliseconds
from enricher.timestamps import MILLISECOND, SECOND, parse_rfc3339, parse_rfc3339_column, parse_time_local

_DATE_AND_TIME = re.compile(
    rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(?:Z|UTC|GMT|([+-]\d\d):?(\d\d))?"
)
_TIME_LOCAL = re.compile(rb"(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?([+-]\d{4})?")
_EPOCH = re.compile(rb"(\d{10})\.?(\d{1,9})?")
"""Seconds since the epoch, as `%s`, `%s.%3f` or `%s%3f` make them."""
SHAPE = r'[^\s"\]]*(?: \d\d:\d\d:\d\d[^\s"\]]*)?(?: [+-]\d\d:?\d\d| UTC| GMT)?'

_durations = Memo(parse_milliseconds)


def parse_end(start_time: bytes, request_time: bytes) -> tuple[int | None, int]:
    """Return when the request ended, and how much later it may have been, in ns: both values are cut to ms."""
    return end_after(parse_rfc3339(start_time), parse_milliseconds(request_time), 2 * MILLISECOND)


def parse_ends(start_times: Sequence[bytes], request_times: Sequence[bytes]) -> Sequence[tuple[int | None, int]]:
    """Return the same for many requests."""
    durations = list(map(_durations.__getitem__, request_times))
    return ends_after(parse_rfc3339_column(start_times), durations, 2 * MILLISECOND)


def parse_own_end(start_time: bytes, request_time: bytes) -> tuple[int | None, int]:
    """Return the same for a `%START_TIME(…)%`."""
    start, precision = _parse_start_and_precision(start_time)
    return end_after(start, parse_milliseconds(request_time), precision + MILLISECOND)


def parse_start_time(text: bytes) -> int | None:
    """Return a time in ns since the epoch; None if it is in no known format. Without a zone it is UTC."""
    return _parse(text)[0]


def _parse_start_and_precision(text: bytes) -> tuple[int | None, int]:
    """Return the same, and how much later (ns) it may have been."""
    start, fraction = _parse(text)
    return start, MILLISECOND if len(fraction) >= 3 else SECOND


def _parse(text: bytes) -> tuple[int | None, bytes]:
    """Return the time and the digits of the fraction of its second."""
    whole: int | None = None
    fraction = b""
    if match := _DATE_AND_TIME.fullmatch(text):
        year, month, day, time, digits, hours, minutes = match.groups()
        zone = b"%b:%b" % (hours, minutes) if hours else b"Z"
        whole, fraction = parse_rfc3339(b"%b-%b-%bT%b%b" % (year, month, day, time, zone)), digits or b""
    elif match := _TIME_LOCAL.fullmatch(text):
        whole, fraction = parse_time_local(b"%b %b" % (match[1], match[3] or b"+0000")), match[2] or b""
    elif match := _EPOCH.fullmatch(text):
        whole, fraction = int(match[1]) * SECOND, match[2] or b""
    return None if whole is None else whole + int(fraction.ljust(9, b"0")), fraction
