"""The next quickest way, for lines that are uncommon and yet plain to read: retries, failures, escapes, no upstream.

One regular expression and one template for one line, as in fastpath.py, where the plain way makes a record, attempts
and a dictionary. It gives the same bytes and counts as the plain way, which a property test sees to; what it can't be
sure of it leaves alone: an attempt at an address whose holder is not settled, or of which the error log has something
to say. Pure.
"""

import re
from collections.abc import Collection, Iterable
from typing import Protocol

import orjson

from enricher.accesslog.attempts import Attempt, read_attempts
from enricher.accesslog.log_format import LogFormat
from enricher.accesslog.variables import ATTEMPT_LISTS, unescape
from enricher.cluster.attribution import Attribution, Known
from enricher.fastpath import Entry, FastPath, Row
from enricher.joining import origin
from enricher.times import SECOND, rfc3339_ns, seconds_ns, time_local_ns
from enricher.timing import LONGEST

_ESCAPED = re.compile(rb"[\\\x00-\x1f\x7f-\xff]")
_ATTEMPT = b'{"addr":"%b","status":%b,"response_time":%b,"response_length":%b,%b%b}'
_ORIGIN = {
    made_by: b',"origin":"%b"' % made_by.encode() if made_by else b"" for made_by in ("", "pod", "proxy", "unknown")
}
_OWN_TIMES = (("msec", seconds_ns), ("time_local", time_local_ns), ("time_iso8601", rfc3339_ns))


class CountAttempt(Protocol):
    def __call__(self, attribution: Attribution, attempt: Attempt, *, retried: bool, origin: str) -> None: ...


class UncommonPath:
    """For one log format; shares what is known of addresses with its fast path."""

    def __init__(self, log_format: LogFormat, pattern: re.Pattern[bytes], fast: FastPath, count: CountAttempt) -> None:
        self._escape, self._pattern, self._fast, self._count = log_format.escape, pattern, fast, count
        names = log_format.names
        self._lists = [names.index(name) + 1 if name in names else 0 for name in ATTEMPT_LISTS]
        self._names = [
            names.index(name) + 1
            for name in ("proxy_upstream_name", "proxy_alternative_upstream_name")
            if name in names
        ]
        self._lasted = names.index("request_time") + 1 if "request_time" in names else 0
        self._own_times = [(names.index(name) + 1, read) for name, read in _OWN_TIMES if name in names]

    def read_all(self, rows: list[Row], numbers: Iterable[int]) -> dict[int, Row]:
        """Of these rows those that can be read, as their stamp and the values of the format's variables."""
        found = ((n, self._pattern.fullmatch(rows[n][0])) for n in numbers)
        return {n: match.groups() for n, match in found if match}

    def enrich(self, row: Row, template: bytes, known: Known, failing: Collection[str]) -> bytes | None:
        """The JSON line; None where the plain way is needed. `failing`: upstreams of which the error log spoke."""
        lists = [row[place] if place else b"" for place in self._lists]
        addrs = lists[0].split(b", ")
        statuses, times, lengths = (text.split(b", ") if text else [b"-"] * len(addrs) for text in lists[1:])
        if not len(addrs) == len(statuses) == len(times) == len(lengths):
            return None
        if addrs == [b"-"]:
            nothing = statuses == times == lengths == [b"-"]
            return template % (*self._escaped(row), b"", b"") if nothing else None
        attempts = read_attempts(*lists)
        if any(attempt.addr in failing for attempt in attempts):
            return None
        entries = self._entries(row, addrs, attempts, known)
        if entries is None:
            return None
        parts = []
        for n, (attempt, entry) in enumerate(zip(attempts, entries, strict=True), 1):
            made_by = origin(attempt, "")
            self._count(entry.attribution, attempt, retried=n < len(attempts), origin=made_by)
            values = (value if value != b"-" else b"null" for value in (statuses[n - 1], times[n - 1], lengths[n - 1]))
            parts.append(_ATTEMPT % (addrs[n - 1], *values, entry.fragments[0], _ORIGIN[made_by]))
        return template % (*self._escaped(row), b",".join(parts), b"," + entries[-1].fragments[1])

    def _entries(self, row: Row, addrs: list[bytes], attempts: list[Attempt], known: Known) -> list[Entry] | None:
        """Who held the addresses, if each has had one holder since before the first of the attempts."""
        at = rfc3339_ns(row[0])
        if at is None:
            return None
        for place, read in self._own_times:
            own = read(row[place])
            at = at if own is None else min(at, own)
        took = sum(attempt.response_time or 0 for attempt in attempts)
        lasted = seconds_ns(row[self._lasted]) if self._lasted else None
        began = at - (took + LONGEST if lasted is None else max(lasted, took)) - SECOND
        names = tuple(row[place] for place in self._names)
        entries = [self._fast.entry((addr, *names), known, began) for addr in addrs]
        settled = [entry for entry in entries if entry is not None and entry.since <= began]
        return settled if len(settled) == len(entries) else None

    def _escaped(self, row: Row) -> Row:
        """The values as JSON has them."""
        if not any(map(_ESCAPED.search, row)):
            return row
        return tuple(
            orjson.dumps(unescape(value, self._escape))[1:-1] if _ESCAPED.search(value) else value for value in row
        )
