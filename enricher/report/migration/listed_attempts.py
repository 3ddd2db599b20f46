"""Which requests of a log may have had attempts that it does not show. Pure."""

from enricher.report.record_view import OutputRecord, retries_of
from enricher.vocabulary import LineKind

_TYPE, _END = "access_log_type", "UpstreamEnd"
"""The field of Envoy's that tells lines of attempts from those of requests, and its value at the end of an attempt."""


class ListedAttempts:
    """Counts requests, and those of them that have only their last attempt, by what each record says.

    A list of nginx's has all attempts, and so has a request with as many as their logged number. Where Envoy logs each
    attempt in a line of its own, but not their number, there must be such a line for each request.
    """

    def __init__(self) -> None:
        self.requests = 0
        """Those that a pod was tried for."""
        self._hiding = 0
        """Those that were tried more often than they have attempts."""
        self._unnumbered = self._unnumbered_with_type = 0
        """Those that do not say how often they were tried, without and with a type."""
        self._attempts_with_type = 0
        """The attempts of all other requests with a type."""
        self._ends = 0
        """The lines of attempts that are those of a request."""
        self._lists_addresses = False

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed."""
        if record["kind"] == LineKind.TRY:
            self._ends += record.get(_TYPE) == _END and "request_missing" not in record
        attempts = record.get("attempts") or ()
        if record["kind"] != LineKind.ACCESS or record.get("subrequest") or not attempts:
            return
        self.requests += 1
        self._lists_addresses |= ", " in str(record.get("upstream_addr", ""))
        has_type = _TYPE in record
        if (retries := retries_of(record)) is None:
            self._unnumbered_with_type += has_type
            self._unnumbered += not has_type
            return
        number = record.get("upstream_attempts")
        self._hiding += max(retries + 1, number if isinstance(number, int) else 0) > len(attempts)
        self._attempts_with_type += len(attempts) if has_type else 0

    @property
    def incomplete(self) -> int:
        """Return how many requests may have had attempts before the last that are not logged."""
        ends = max(0, self._ends - self._attempts_with_type)
        unnumbered = 0 if self._lists_addresses else self._unnumbered
        return self._hiding + unnumbered + max(0, self._unnumbered_with_type - ends)
