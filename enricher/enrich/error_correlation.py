"""Joins lines of nginx's error log, which say why an attempt failed, to the access lines of their requests. Pure.

nginx gives the two lines nothing in common but the client, the request line, the upstream and the time. The error line
is written when the attempt fails, the access line when the request ends. Each of the two streams is in order, but a
runtime reads and stamps them independently of each other.

So the lines of a request are claimed together and in order: its first failed attempt has the first of them. All lines
of a request have the number of one connection. A connection of HTTP/1 has one request at a time, so its first lines
belong to the request whose access line comes first. If the lines of several connections fit, or several requests share
a connection, an attempt has a reason only if they agree on it, and no line is used up.
"""

import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from enricher.accesslog.error_log import ErrorLine
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.alignment import Alignment, align
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Origin, Reason

MAX_PENDING = 1000
"""Largest number of a source's error lines that wait for their access lines."""
MAX_ALIKE = 50
"""Largest number of lines that are compared with one request: those nearest to its end.

While alike requests fail in masses, many lines lie within the lag; so many at least are around each of them.
"""
MAX_WAIT = 600 * SECOND
"""Ns for which an error line waits: the longest request whose line it can still explain."""
STREAM_LAG = 100 * MILLISECOND
"""Ns by which the runtime may stamp an error line earlier or later than nginx's own times allow.

On a busy node, lines were up to 51 ms early and 2 ms late.
"""
LONE_LAG = SECOND
"""The same for a line that is earlier still, and that no other request may have. Such a line may also come after the
later attempts of its request."""
STAMP_TOLERANCE = 20 * MILLISECOND
"""The same for a line about an answer that was cut off: its attempt looks like any that succeeded."""
_DURING_ANSWER = re.compile(rb"while (?:reading upstream|proxying upgraded)")
_ONE_AT_A_TIME = ("HTTP/1.0", "HTTP/1.1")
"""How a request ends that has its connection for itself."""
_at = attrgetter("at")


@dataclass(eq=False, slots=True)
class PendingError:
    """An error line that waits for the access line of its request; `at` is in ns.

    `answered` says that the answer had begun when it was cut off, so that the attempt has the status of that answer.
    `shared` says that several requests may have it.
    """

    at: int
    error: ErrorLine
    key: tuple[str, str]
    reason: Reason
    answered: bool
    shared: bool = False


class Claim(NamedTuple):
    """What error lines say of an attempt.

    `explained` says that there is a line about it. `errors` are the lines that may be the one. If these have several
    reasons, the reason is not known.
    """

    explained: bool = False
    reason: Reason = Reason.NONE
    errors: tuple[ErrorLine, ...] = ()
    possible_reasons: frozenset[Reason] = frozenset()
    """The reasons of all lines that may be about it, also if other attempts may have all of these lines."""


_UNEXPLAINED = Claim()


class ErrorCorrelator:
    """The error lines of one source that no access line has claimed so far."""

    variables = ("remote_addr", "request", "request_method", "request_uri", "server_protocol", "connection")
    """The variables that a record must have, if its format has them, to be compared with error lines."""

    def __init__(self) -> None:
        self._pending: dict[PendingError, None] = {}
        """The lines in the order in which they came."""
        self._by_request: defaultdict[tuple[str, str], list[PendingError]] = defaultdict(list)
        """The lines by client and request, in the order of their times."""
        self._cut_off: Counter[str] = Counter()
        """How many lines say of an upstream that its answer was cut off."""

    def add(self, error: ErrorLine, at: int) -> None:
        """Add an error line, which may come before or after the access line that it explains; `at` is its time (ns)."""
        while self._pending and next(iter(self._pending)).at < at - MAX_WAIT:
            self._remove(next(iter(self._pending)))
        if len(self._pending) >= MAX_PENDING:
            self._remove(next(iter(self._pending)))
        key = (error.fields.get("client", ""), error.fields.get("request", ""))
        answered = _DURING_ANSWER.search(error.message) is not None
        pending = PendingError(at, error, key, error.reason, answered)
        self._pending[pending] = None
        insort(self._by_request[key], pending, key=_at)
        if answered:
            self._cut_off[error.upstream] += 1

    def _remove(self, pending: PendingError) -> None:
        del self._pending[pending]
        self._by_request[pending.key].remove(pending)
        if not self._by_request[pending.key]:
            del self._by_request[pending.key]
        if pending.answered:
            self._cut_off -= Counter((pending.error.upstream,))

    @property
    def has_errors(self) -> bool:
        """Return whether any error line waits."""
        return bool(self._pending)

    def upstreams(self) -> set[str]:
        """Return the upstreams that the error lines name."""
        return {pending.error.upstream for pending in self._pending}

    def cut_off_upstreams(self) -> set[str]:
        """Return the upstreams whose answers were cut off, so that even a 200 of theirs may have its reason here."""
        return set(self._cut_off)

    def cut_off_attempts(self, record: Record, windows: Sequence[Window | None]) -> list[int]:
        """Return the indexes of the attempts whose answers may have been cut off, so that no pod completed them."""
        if not any(attempt.addr in self._cut_off for attempt in record.attempts):
            return []
        lines = self._by_request.get(_client_and_request(record), ())
        return [
            index
            for index, (attempt, window) in enumerate(zip(record.attempts, windows, strict=True))
            if attempt.answered and any(_fits(attempt, window, line) for line in lines)
        ]

    def claim(self, record: Record, windows: Sequence[Window | None]) -> list[Claim]:
        """Return what error lines say of each attempt of a record, and remove those that no other request can have."""
        if not self._pending or (key := _client_and_request(record)) not in self._by_request:
            return [_UNEXPLAINED] * len(record.attempts)
        groups = self._best_groups(key, record, windows)
        if sum(map(_is_made_by_proxy, record.attempts)) > (groups[0].alignment.size if groups else 0):
            lone = self._best_groups(key, record, _widened(record, windows), lone=True)
            if len(lone) == 1 and (not groups or lone[0].alignment.size > groups[0].alignment.size):
                groups = lone
        claims = [_claim_of(index, groups) for index in range(len(record.attempts))]
        for alignment, lines in groups:
            for line, is_needed in zip(lines, alignment.needs_line, strict=False):
                if is_needed and len(groups) == 1:
                    self._remove(line)
                else:
                    line.shared = True
        return claims

    def _best_groups(
        self, key: tuple[str, str], record: Record, windows: Sequence[Window | None], *, lone: bool = False
    ) -> list["_Group"]:
        """Return the connections whose lines explain most of a record's attempts; none if no line explains any.

        With `lone`, lines that several requests may have do not count.
        """
        lines_of = defaultdict[int | None, list[PendingError]](list)
        for line in self._lines_in(key, windows):
            if not (lone and line.shared):
                lines_of[line.error.connection].append(line)
        connection = record.fields.get("connection")
        if connection is not None:
            lines_of = defaultdict(list, {connection: lines_of[connection]})
        groups = []
        for lines in lines_of.values():
            fits = tuple(
                tuple([_fits(attempt, window, line) for line in lines])
                for attempt, window in zip(record.attempts, windows, strict=True)
            )
            if any(map(any, fits)):
                is_in_turn = key[1].endswith(_ONE_AT_A_TIME) and not any(line.shared for line in lines)
                groups.append(_Group(align(fits, earliest=is_in_turn), lines))
        size = max((group.alignment.size for group in groups), default=0)
        return [group for group in groups if group.alignment.size == size]

    def _lines_in(self, key: tuple[str, str], windows: Sequence[Window | None]) -> list[PendingError]:
        """Return the lines of a request that are near the end of any attempt."""
        times, lines = [window for window in windows if window], self._by_request[key]
        if not times:
            return []
        begin = bisect_left(lines, min(window.end_earliest for window in times) - STREAM_LAG, key=_at)
        end = bisect_right(lines, max(window.end_latest for window in times) + STREAM_LAG, key=_at)
        if end - begin > MAX_ALIKE:
            nearest = bisect_left(lines, times[-1].end_latest, key=_at)
            begin = min(max(begin, nearest - MAX_ALIKE // 2), end - MAX_ALIKE)
            end = begin + MAX_ALIKE
        return lines[begin:end]


class _Group(NamedTuple):
    """The lines of one connection that may be about a request."""

    alignment: Alignment
    lines: list[PendingError]


def _claim_of(attempt: int, groups: Sequence[_Group]) -> Claim:
    lines = [group.lines[number] for group in groups for number in group.alignment.lines_of[attempt]]
    reasons = frozenset(line.reason for line in lines)
    if not lines or not all(group.alignment.needs_attempt[attempt] for group in groups):
        return Claim(possible_reasons=reasons)
    reason = next(iter(reasons)) if len(reasons) == 1 else Reason.NONE
    return Claim(True, reason, tuple(line.error for line in lines), reasons)


def _widened(record: Record, windows: Sequence[Window | None]) -> list[Window | None]:
    """Return the windows of a record's attempts with all of the time in which a lone line may be about them."""
    latest = max((window.end_latest for window in windows if window), default=0)
    return [
        Window(window.start, window.end_earliest + STREAM_LAG - LONE_LAG, latest)
        if window and not attempt.answered
        else window
        for attempt, window in zip(record.attempts, windows, strict=True)
    ]


def _fits(attempt: Attempt, window: Window | None, line: PendingError) -> bool:
    """Return whether a line may be about an attempt; it was written when the attempt ended."""
    if window is None or attempt.addr != line.error.upstream or attempt.answered != line.answered:
        return False
    if attempt.response_length and not attempt.answered:
        return False  # the pod made it
    lag = STAMP_TOLERANCE if attempt.answered else STREAM_LAG
    return window.end_earliest - lag <= line.at <= window.end_latest + lag


def _is_made_by_proxy(attempt: Attempt) -> bool:
    """Return whether an attempt looks as if nginx had failed it."""
    return attempt.failed and not attempt.answered and not attempt.response_length


def _client_and_request(record: Record) -> tuple[str, str]:
    """Return the client and the request line, which is put together if the format has only its parts."""
    fields = record.fields
    parts = (fields.get(name) for name in ("request_method", "request_uri", "server_protocol"))
    request = fields["request"] if "request" in fields else " ".join(str(part) for part in parts if part)
    return str(fields.get("remote_addr", "")), str(request)


def error_origin(attempt: Attempt, *, explained: bool = False) -> Origin:
    """Return who made the answer of a failed attempt; `explained` says that there is an error line about it.

    The access line itself may say so. Otherwise, nginx makes only 502 and 504 of its own. It made one if there is an
    error line. The pod made it if it sent a body, or if `$upstream_header_time`, where the format has it, shows that a
    header came.
    """
    if not attempt.failed:
        return Origin.NONE
    if attempt.made_by or attempt.answered:
        return attempt.made_by or Origin.POD
    if explained:
        return Origin.PROXY
    if attempt.has_header is None:
        return Origin.POD if attempt.response_length else Origin.UNKNOWN
    return Origin.POD if attempt.has_header or attempt.response_length else Origin.PROXY
