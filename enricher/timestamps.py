"""Times as text, read into ns since the epoch. Pure: no clock here."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

EARLIEST = -62_135_596_800
"""The first second of the year 1."""
LATEST = 253_402_300_800
"""The first second of the year 10000."""

_RFC3339 = re.compile(rb"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)")
_TIME_LOCAL = re.compile(rb"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


def rfc3339_ns(text: bytes) -> int | None:
    """`2026-11-22T23:18:31.9022158Z` in ns since the epoch; None where it is no such time."""
    found = _RFC3339.fullmatch(text)
    if not found:
        return None
    second, fraction, zone = found.groups()
    whole = _whole_second(second, zone)
    return None if whole is None else whole + int((fraction or b"0").ljust(9, b"0"))


def _sane(seconds: int) -> int | None:
    """In ns, if it is a time that can be written again: of the years 1 to 9999 in UTC."""
    return seconds * SECOND if EARLIEST <= seconds < LATEST else None


@lru_cache(maxsize=64)  # lines come in the order of time: most share their second with the one before
def _whole_second(second: bytes, zone: bytes) -> int | None:
    suffix = "+00:00" if zone in b"Zz" else zone.decode()
    try:
        return _sane(int(datetime.fromisoformat(second.decode().upper() + suffix).timestamp()))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=64)
def time_local_ns(text: bytes) -> int | None:
    """nginx's `$time_local`, `22/Nov/2026:23:18:31 +0000`, in ns since the epoch: a whole second."""
    found = _TIME_LOCAL.fullmatch(text)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == b"-" else 1)
    try:
        moment = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        return _sane(int(moment.timestamp()))
    except (KeyError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=1 << 12)  # most requests take so few ms that the same texts come again and again
def seconds_ns(text: bytes) -> int | None:
    """Seconds with a fraction, as in `$msec`, `$request_time` and `$upstream_response_time`, in ns."""
    whole, _, fraction = text.partition(b".")
    if not whole.isdigit() or len(whole) > 12 or not (fraction + b"0").isdigit():
        return None
    return int(whole) * SECOND + int(fraction[:9].ljust(9, b"0"))


def format_ns(at: int) -> str:
    """ns since the epoch as RFC 3339 in UTC, with the fraction's trailing zeros trimmed as container runtimes do. What
    lies beyond the years 1 to 9999 is written as their end.
    """
    whole, fraction = divmod(min(max(at, EARLIEST * SECOND), LATEST * SECOND - 1), SECOND)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"
