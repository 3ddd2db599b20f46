"""Counts of requests as their clients saw them. Pure, and bounded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from enricher.fair_share import OVERFLOW
from enricher.report.attempt_counts import percentile
from enricher.report.record_view import OutputRecord, client_failed, retries_of
from enricher.text import printable

UNANSWERED = "none"
"""Stands for the status of a request whose client got no answer: 499, or what other proxies have in its place."""
CLIENT_CLOSED = 499
"""nginx's status for a client that left; Envoy writes 0, HAProxy -1."""
MAX_STATUSES = 1000
"""Largest number of statuses that are counted one by one. There are few of HTTP, but a pod chooses those of gRPC."""
MAX_SECONDS = 1e6
"""Longest time that is told from longer ones, in seconds: a WebSocket may last for days."""


@dataclass(slots=True)
class RequestCounts:
    """Counts of some requests."""

    requests: int = 0
    failed: int = 0
    """Requests whose client got a 5xx, or whose gRPC call failed."""
    refused: int = 0
    """Requests whose client got a 4xx and had not left."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Requests by the client's status, or by that of the gRPC call if it failed. Fit for a terminal."""
    retries: int = 0
    retries_logged: int = 0
    """Requests of which the log shows how often they were tried again."""
    times: Counter[float] = field(default_factory=Counter)
    """Requests by their duration in seconds, to three digits and not below the millisecond."""

    def add_request(self, record: OutputRecord) -> None:
        """Count a request."""
        status = status_text(record)
        self.requests += 1
        self.failed += client_failed(record)
        self.refused += status.startswith("4") and len(status) == 3
        self.statuses[status if status in self.statuses or len(self.statuses) < MAX_STATUSES else OVERFLOW] += 1
        if (retries := retries_of(record)) is not None:
            self.retries += retries
            self.retries_logged += 1
        seconds = record.get("request_time")
        if isinstance(seconds, (int, float)) and seconds >= 0:
            self.times[_rounded(seconds)] += 1

    def add(self, other: "RequestCounts") -> None:
        """Count the requests that others count."""
        self.requests += other.requests
        self.failed += other.failed
        self.refused += other.refused
        self.statuses.update(other.statuses)
        self.retries += other.retries
        self.retries_logged += other.retries_logged
        self.times.update(other.times)

    @property
    def retries_each(self) -> float | None:
        """Return the retries of a request on average; None if the log does not tell."""
        return self.retries / self.retries_logged if self.retries_logged else None

    @property
    def percentiles(self) -> tuple[float | None, float | None]:
        """Return the p50 and the p99 of the durations (s)."""
        return percentile(self.times, 50), percentile(self.times, 99)


def status_text(record: OutputRecord) -> str:
    """Return what the client got, fit for a terminal: a status, or the name of that of a gRPC call that failed."""
    attempts: Sequence[OutputRecord] = record.get("attempts") or ({},)
    status = record.get("status")
    if grpc_status := attempts[-1].get("grpc_status"):
        return printable(grpc_status)
    if not isinstance(status, int) or not 100 <= status <= 999 or status == CLIENT_CLOSED:
        return UNANSWERED
    return str(status)


def _rounded(seconds: float) -> float:
    """Return a duration with so few digits that there are some thousand different ones at most."""
    return round(seconds, 3) if seconds < 1 else float(f"{min(seconds, MAX_SECONDS):.3g}")
