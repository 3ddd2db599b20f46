"""Which requests `enricher tail` is to print."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from enricher.cli.upstreams import ALL, Upstreams
from enricher.errors import UsageError
from enricher.report.record_view import OutputRecord, has_own_attempts, is_failure, is_of_request


@dataclass(frozen=True, kw_only=True)
class LineFilter:
    """The conditions for a line to be printed; it must meet all that are set.

    A line that names no upstream matches no `pod` and no `service`, nor any `upstreams` but all.
    """

    errors: bool = False
    """Only access lines of requests that failed."""
    pod: str | None = None
    """A shell pattern."""
    service: str | None = None
    """A shell pattern of a service; with a slash in it, of a namespace and a service."""
    upstreams: Upstreams = ALL
    route: str | None = None
    """A shell pattern of a route, or of some of its parts that follow each other: `shop/cart`."""
    statuses: Sequence[range] = ()
    """The statuses that the client may have got; those of the attempt, if its request is not known."""
    slower_than: float | None = None
    """Seconds that the request, or else its last attempt, took at least."""
    request: str | None = None
    """An id of the request: one that the line has in a field of its own, or, in a line of another kind, somewhere."""

    def matches(self, record: OutputRecord) -> bool:
        if self.request is not None and not is_of_request(record, self.request):
            return False
        if self.errors and not (has_own_attempts(record) and is_failure(record)):
            return False
        return self._matches_result(record) and self._matches_place(record)

    def _matches_result(self, record: OutputRecord) -> bool:
        """Return whether a line has the status, the duration and the route that are set."""
        if self.statuses:
            last: OutputRecord = (record.get("attempts") or ({},))[-1]
            status = record.get("status", last.get("status"))
            if not isinstance(status, int) or not any(status in statuses for statuses in self.statuses):
                return False
        if self.slower_than is not None and ((seconds := seconds_of(record)) is None or seconds < self.slower_than):
            return False
        route = f"/{record.get('route', '')}/"
        return self.route is None or fnmatchcase(route, f"*/{self.route}/*")

    def _matches_place(self, record: OutputRecord) -> bool:
        """Return whether a line is about the pod, the service and the upstreams that are set."""
        parts = (record, *(record.get("attempts") or ()))
        owners = [owner for part in parts for owner in (part, *part.get("candidates", ())) if "pod" in owner]
        if self.pod is not None and not any(fnmatchcase(owner["pod"], self.pod) for owner in owners):
            return False
        if not any(map(self.upstreams.include, parts)):
            return False
        if self.service is None:
            return True
        services = [f"{part.get('namespace', '')}/{part['service']}" for part in parts if "service" in part]
        pattern = self.service if "/" in self.service else f"*/{self.service}"
        return any(fnmatchcase(service, pattern) for service in services)


def seconds_of(record: OutputRecord) -> float | None:
    """Return the duration of the request; without one, that of its last attempt."""
    attempts: Sequence[OutputRecord] = record.get("attempts") or ({},)
    seconds = record.get("request_time", attempts[-1].get("response_time"))
    return seconds if isinstance(seconds, (int, float)) else None


def parse_statuses(text: str) -> tuple[range, ...]:
    """Parse statuses such as `404` or `5xx`, with commas between them. Raise UsageError."""
    statuses = []
    for each in text.split(","):
        if not re.fullmatch(r"[1-9](?:\d\d|xx)", each, re.ASCII):
            raise UsageError(f"--status {text!r}: expected statuses such as 503, 5xx or 404,5xx")
        first = int(each.replace("x", "0"))
        statuses.append(range(first, first + (100 if "x" in each else 1)))
    return tuple(statuses)


def parse_seconds(text: str) -> float:
    """Parse a duration such as `500ms` or `2s` into seconds. Raise UsageError."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m)", text, re.ASCII)
    if not match:
        raise UsageError(f"--slower-than {text!r}: expected a whole number and one of ms, s, m, as in 500ms")
    number = int(match[1])
    return number / 1000 if match[2] == "ms" else float(number * (60 if match[2] == "m" else 1))
