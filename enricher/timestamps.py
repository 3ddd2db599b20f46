"""Conversions between times as text and ns since the epoch. Pure: no function reads a clock."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

SECOND = 1_000_000_000
"""One second in ns."""
MINUTE = 60 * SECOND
"""One minute in ns."""
MILLISECOND = 1_000_000
"""One millisecond in ns."""

EARLIEST = -62_135_596_800
"""The first second of the year 1, in seconds since the epoch."""
LATEST = 253_402_300_800
"""The first second of the year 10000, in seconds since the epoch."""

_RFC3339 = re.compile(rb"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)")
_USUAL_TIMES = re.compile(rb"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z\n)*+")
"""RFC 3339 times in UTC, each with a newline after it."""
_MILLISECONDS = (b"", *((b".%03d" % number).rstrip(b"0") for number in range(1, 1000)))
"""The fractions of a second in whole milliseconds, without trailing zeros."""
_TIME_LOCAL = re.compile(rb"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


def parse_rfc3339(text: bytes) -> int | None:
    """Parse an RFC 3339 time such as `2026-11-22T23:18:31.9022158Z` into ns since the epoch.

    Return None if the text is not such a time.
    """
    match = _RFC3339.fullmatch(text)
    if not match:
        return None
    second, fraction, zone = match.groups()
    whole = _parse_whole_second(second, zone)
    return None if whole is None else whole + int((fraction or b"0").ljust(9, b"0"))


@lru_cache(maxsize=64)  # lines come in order of time, so most of them share their second with the one before
def _parse_whole_second(second: bytes, zone: bytes) -> int | None:
    suffix = "+00:00" if zone in b"Zz" else zone.decode()
    try:
        return _to_ns(int(datetime.fromisoformat(second.decode().upper() + suffix).timestamp()))
    except (ValueError, OverflowError):
        return None


def parse_rfc3339_column(texts: Sequence[bytes]) -> list[int | None]:
    """Parse many texts as `parse_rfc3339` does; if all are in UTC, this takes a fifth of the time."""
    if _USUAL_TIMES.fullmatch(b"\n".join((*texts, b""))):
        seconds = {second: _parse_whole_second(second, b"Z") for second in {text[:19] for text in texts}}
        if None not in seconds.values():
            return [seconds[text[:19]] + int((text[20:-1] + b"000000000")[:9]) for text in texts]  # type: ignore[operator]
    return list(map(parse_rfc3339, texts))


@lru_cache(maxsize=64)
def parse_time_local(text: bytes) -> int | None:
    """Parse nginx's `$time_local`, such as `22/Nov/2026:23:18:31 +0000`, into ns since the epoch (a whole second).

    Return None if the text is not such a time.
    """
    match = _TIME_LOCAL.fullmatch(text)
    if not match:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == b"-" else 1)
    try:
        time = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        return _to_ns(int(time.timestamp()))
    except (KeyError, ValueError, OverflowError):
        return None


def _to_ns(seconds: int) -> int | None:
    """Return the seconds in ns, or None outside the years 1 to 9999 in UTC, which could not be formatted again."""
    return seconds * SECOND if EARLIEST <= seconds < LATEST else None


@lru_cache(maxsize=1 << 12)  # most requests take so few milliseconds that the same texts recur
def parse_decimal_seconds(text: bytes) -> int | None:
    """Parse seconds with an optional fraction, as in `$msec`, `$request_time` and `$upstream_response_time`, into ns.

    Return None if the text is not such a number.
    """
    whole, _, fraction = text.partition(b".")
    if not whole.isdigit() or len(whole) > 12 or not (fraction + b"0").isdigit():
        return None
    return int(whole) * SECOND + int(fraction[:9].ljust(9, b"0"))


def format_rfc3339(ns: int) -> str:
    """Format ns since the epoch as RFC 3339 in UTC, without trailing zeros of the fraction, as container runtimes do.

    Times outside the years 1 to 9999 are formatted as the nearest end of that range.
    """
    whole, fraction = divmod(min(max(ns, EARLIEST * SECOND), LATEST * SECOND - 1), SECOND)
    return f"{_format_whole_second(whole).decode()}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"


@lru_cache(maxsize=64)
def _format_whole_second(seconds: int) -> bytes:
    """Format seconds since the epoch as RFC 3339 in UTC, without a zone."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def format_rfc3339_column(times: Collection[int]) -> list[bytes]:
    """Format many times as `format_rfc3339` does; this takes a fifth of the time."""
    seconds = {ns // SECOND for ns in times}
    if seconds and not EARLIEST <= min(seconds) <= max(seconds) < LATEST:
        return [format_rfc3339(ns).encode() for ns in times]
    texts = {second: _format_whole_second(second) for second in seconds}
    return [
        b"%b.%09dZ" % (texts[ns // SECOND], ns % SECOND)
        if ns % 10
        else b"%b%bZ" % (texts[ns // SECOND], _MILLISECONDS[ns % SECOND // MILLISECOND])
        if not ns % MILLISECOND
        else b"%b%bZ" % (texts[ns // SECOND], (b".%09d" % (ns % SECOND)).rstrip(b"0"))
        for ns in times
    ]


def format_in_zone(ns: int, stamp: bytes) -> str:
    """Format ns since the epoch as RFC 3339 in the zone of a stamp, which is an RFC 3339 time."""
    match = _RFC3339.fullmatch(stamp)
    zone = match[3].decode() if match else "Z"
    if zone in "Zz":
        return format_rfc3339(ns)
    offset = (int(zone[1:3]) * 60 + int(zone[-2:])) * (-60 if zone[0] == "-" else 60)
    return format_rfc3339(ns + offset * SECOND)[:-1] + zone
