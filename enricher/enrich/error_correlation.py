"""Joins lines of nginx's error log, which say why an attempt failed, to the access lines of their requests. Pure.

nginx gives the two lines nothing in common but the client, the request line, the upstream and the time. The error line
is written when the attempt fails, the access line when the request ends; a runtime may swap the two.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from enricher.accesslog.error_log import ErrorLine
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Origin, Reason

MAX_PENDING = 1000
"""Largest number of a source's error lines that wait for their access lines."""
MAX_WAIT = 600 * SECOND
"""Ns for which an error line waits: the longest request whose line it can still explain."""
STAMP_TOLERANCE = 20 * MILLISECOND
"""Ns by which nginx's clock and the runtime's stamps may differ."""
_DURING_ANSWER = re.compile(rb"while (?:reading upstream|proxying upgraded)")


class PendingError(NamedTuple):
    """An error line that waits for the access line of its request; `at` is in ns.

    `answered` says that the answer had begun when it was cut off, so that the attempt has the status of that answer.
    """

    at: int
    answered: bool
    reason: Reason
    client: str
    request: str
    upstream: str


class ErrorCorrelator:
    """The error lines of one source that no access line has claimed so far."""

    variables = ("remote_addr", "request", "request_method", "request_uri", "server_protocol")
    """The variables that a record must have, if its format has them, to be compared with error lines."""

    def __init__(self) -> None:
        self._pending: dict[int, PendingError] = {}
        """The lines by their number, in the order in which they came."""
        self._by_request: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        """The numbers of the lines by upstream, client and request: while much fails, many lines wait."""
        self._cut_off: Counter[str] = Counter()
        """How many lines say of an upstream that its answer was cut off."""
        self._next = 0

    def add(self, error: ErrorLine, at: int) -> None:
        """Add an error line, which may come before or after the access line that it explains; `at` is its time (ns)."""
        while self._pending and self._oldest().at < at - MAX_WAIT:
            self._remove(next(iter(self._pending)))
        if len(self._pending) >= MAX_PENDING:
            self._remove(next(iter(self._pending)))
        client, request = (error.fields.get(name, "") for name in ("client", "request"))
        answered = _DURING_ANSWER.search(error.message) is not None
        self._pending[self._next] = PendingError(at, answered, error.reason, client, request, error.upstream)
        self._by_request[error.upstream, client, request].append(self._next)
        if answered:
            self._cut_off[error.upstream] += 1
        self._next += 1

    def _oldest(self) -> PendingError:
        return next(iter(self._pending.values()))

    def _remove(self, number: int) -> None:
        error = self._pending.pop(number)
        key = (error.upstream, error.client, error.request)
        self._by_request[key].remove(number)
        if not self._by_request[key]:
            del self._by_request[key]
        if error.answered:
            self._cut_off -= Counter((error.upstream,))

    @property
    def has_errors(self) -> bool:
        """Return whether any error line waits."""
        return bool(self._pending)

    def upstreams(self) -> set[str]:
        """Return the upstreams that the error lines name."""
        return {upstream for upstream, _, _ in self._by_request}

    def cut_off_upstreams(self) -> set[str]:
        """Return the upstreams whose answers were cut off, so that even a 200 of theirs may have its reason here."""
        return set(self._cut_off)

    def cut_off_attempts(self, record: Record, windows: Sequence[Window | None]) -> list[int]:
        """Return the indexes of the attempts whose answers were cut off, so that no pod completed them."""
        if not any(attempt.addr in self._cut_off for attempt in record.attempts):
            return []
        client, request = _client_and_request(record)
        return [
            index
            for index, (attempt, window) in enumerate(zip(record.attempts, windows, strict=True))
            if window and attempt.answered and self._matches(attempt, client, request, window)
        ]

    def claim_reasons(self, record: Record, windows: Iterable[Window | None]) -> list[Reason]:
        """Return why each attempt of a record failed, if error lines say so; each error line is claimed only once."""
        if not self._pending:
            return [Reason.NONE] * len(record.attempts)
        client, request = _client_and_request(record)
        return [
            self._claim(attempt, client, request, window) if window else Reason.NONE
            for attempt, window in zip(record.attempts, windows, strict=True)
        ]

    def _claim(self, attempt: Attempt, client: str, request: str, window: Window) -> Reason:
        """Remove the error line nearest to the attempt's end, and return its reason.

        The nearest one counts, since several like requests of one client may fail at one pod in a row.
        """
        matches = self._matches(attempt, client, request, window)
        if not matches:
            return Reason.NONE
        nearest = min(matches, key=lambda number: abs(self._pending[number].at - window.end_latest))
        reason = self._pending[nearest].reason
        self._remove(nearest)
        return reason

    def _matches(self, attempt: Attempt, client: str, request: str, window: Window) -> list[int]:
        """Return the numbers of the error lines that may be about an attempt."""
        return [
            number
            for number in self._by_request.get((attempt.addr, client, request), ())
            if (error := self._pending[number]).answered == attempt.answered
            and window.start - STAMP_TOLERANCE <= error.at <= window.end_latest + STAMP_TOLERANCE
        ]


def _client_and_request(record: Record) -> tuple[str, str]:
    """Return the client and the request line, which is put together if the format has only its parts."""
    fields = record.fields
    parts = (fields.get(name) for name in ("request_method", "request_uri", "server_protocol"))
    request = fields["request"] if "request" in fields else " ".join(str(part) for part in parts if part)
    return str(fields.get("remote_addr", "")), str(request)


def error_origin(attempt: Attempt, reason: str) -> Origin:
    """Return who made the answer of a failed attempt; `reason` is that of its error line, empty without one.

    The access line itself may say so. Otherwise, nginx makes only 502 and 504 of its own. It made one if an error line
    gives a reason. The pod made it if it sent a body, or if `$upstream_header_time`, where the format has it, shows
    that a header came.
    """
    if not attempt.failed:
        return Origin.NONE
    if attempt.made_by or attempt.answered:
        return attempt.made_by or Origin.POD
    if reason:
        return Origin.PROXY
    if attempt.has_header is None:
        return Origin.POD if attempt.response_length else Origin.UNKNOWN
    return Origin.POD if attempt.has_header or attempt.response_length else Origin.PROXY
