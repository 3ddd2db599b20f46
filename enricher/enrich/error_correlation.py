"""Why an attempt failed is in the error log, that it failed in the access log: here they meet. Pure.

nginx gives the two lines nothing in common but the client, the request line, the upstream and the time. The error line
is written when the attempt fails, the access line when the request ends; a runtime may swap the two.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from enricher.accesslog.error_log import ErrorLine
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.timestamps import MILLISECOND, SECOND

REMEMBERED = 1000
"""How many error lines of a source wait for their access line at most."""
LONGEST = 600 * SECOND
"""How long an error line may wait: the longest request it is remembered for."""
SLACK = 20 * MILLISECOND
"""nginx's clock and the runtime's stamps may be this far apart."""
_MID_ANSWER = re.compile(rb"while (?:reading upstream|processing upgraded)")


class PendingError(NamedTuple):
    """An error line, waiting for the access line of its request; `at` in ns.

    `answered`: it broke off when an answer had begun, so the attempt has the status of that answer.
    """

    at: int
    answered: bool
    reason: str
    client: str
    request: str
    upstream: str


class ErrorCorrelator:
    """The failures of one source that no access line has claimed so far."""

    def __init__(self) -> None:
        self._waiting: deque[PendingError] = deque(maxlen=REMEMBERED)

    def note(self, error: ErrorLine, at: int) -> None:
        """An error line, seen before or after the access line it explains."""
        while self._waiting and self._waiting[0].at < at - LONGEST:
            self._waiting.popleft()
        client, request = (error.fields.get(name, "") for name in ("client", "request"))
        answered = _MID_ANSWER.search(error.message) is not None
        self._waiting.append(PendingError(at, answered, error.reason, client, request, error.upstream))

    def suspects(self) -> set[bytes]:
        """Upstreams of which an answer broke off, so that even a 200 may have its reason here."""
        return {failure.upstream.encode() for failure in self._waiting if failure.answered}

    def upstreams(self) -> set[bytes]:
        """All that a line of the error log is waiting for."""
        return {failure.upstream.encode() for failure in self._waiting}

    def broken(self, record: Record, windows: Sequence[Window | None]) -> list[int]:
        """The numbers of attempts whose answer broke off: nobody completed it."""
        if not any(failure.answered for failure in self._waiting):
            return []
        client, request = _asked(record)
        return [
            n
            for n, (attempt, window) in enumerate(zip(record.attempts, windows, strict=True))
            if window and attempt.answered and self._fitting(attempt, client, request, window)
        ]

    def reasons(self, record: Record, windows: Iterable[Window | None]) -> list[str]:
        """For each attempt of a record why it failed, empty where no error line says so. Each is used once."""
        if not self._waiting:
            return [""] * len(record.attempts)
        client, request = _asked(record)
        return [
            self._take(attempt, client, request, window) if window else ""
            for attempt, window in zip(record.attempts, windows, strict=True)
        ]

    def _take(self, attempt: Attempt, client: str, request: str, window: Window) -> str:
        """The error line nearest to the attempt's end: like requests of one client may fail at one pod in a row."""
        fitting = self._fitting(attempt, client, request, window)
        if not fitting:
            return ""
        nearest = min(fitting, key=lambda failure: abs(failure.at - window.end_latest))
        self._waiting.remove(nearest)
        return nearest.reason

    def _fitting(self, attempt: Attempt, client: str, request: str, window: Window) -> list[PendingError]:
        return [
            failure
            for failure in self._waiting
            if (failure.upstream, failure.client, failure.request) == (attempt.addr, client, request)
            and failure.answered == attempt.answered
            and window.start - SLACK <= failure.at <= window.end_latest + SLACK
        ]


def _asked(record: Record) -> tuple[str, str]:
    """The client and the request line, of which the format may have the parts only."""
    fields = record.fields
    parts = (fields.get(name) for name in ("request_method", "request_uri", "server_protocol"))
    request = fields["request"] if "request" in fields else " ".join(str(part) for part in parts if part)
    return str(fields.get("remote_addr", "")), str(request)


def origin(attempt: Attempt, reason: str) -> str:
    """Who made an attempt's error: `pod`, `proxy`, or `unknown`; empty where it is none.

    The line itself may say so. Else: nginx makes only 502 and 504 of its own. It made one if an error line says why;
    the pod did if it sent a body, or if `$upstream_header_time`, where the format has it, says that a header came.
    """
    if not attempt.failed:
        return ""
    if attempt.made_by or attempt.answered:
        return attempt.made_by or "pod"
    if reason:
        return "proxy"
    if attempt.has_header is None:
        return "pod" if attempt.response_length else "unknown"
    return "pod" if attempt.has_header or attempt.response_length else "proxy"
