"""One of the two proxies: its output records added up. Pure, and bounded."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from enricher.fair_share import OVERFLOW, FairTable
from enricher.report.migration.listed_attempts import ListedAttempts
from enricher.report.migration.paths import PathTable
from enricher.report.migration.request_counts import RequestCounts, status_text
from enricher.report.pod_rows import UNNAMED, PodRow, RollUp, RowKey
from enricher.report.pod_stats import MAX_PODS, PodStats
from enricher.report.record_view import OutputRecord
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import LineKind


class SideRow(NamedTuple):
    """The requests of one row at one proxy, and its attempts; there may be none of either."""

    requests: RequestCounts
    attempts: PodRow | None

    @property
    def attempt_error_share(self) -> float | None:
        """Return the share of the attempts that failed; None without attempts."""
        row = self.attempts
        return (row.errors - row.untried) / row.attempts if row and row.attempts else None

    @property
    def upstream_times(self) -> tuple[float | None, float | None]:
        """Return the p50 and the p99 of the attempts (s); None if some of their times are those of whole requests."""
        row = self.attempts
        return (row.p50, row.p99) if row and not row.times_of_requests else (None, None)

    @property
    def causes(self) -> Counter[str]:
        """Return the failures by cause, whatever its grade."""
        causes = Counter[str]()
        for (cause, _), number in self.attempts.causes.items() if self.attempts else ():
            causes[cause] += number
        return causes


class Side:
    """Adds up the output records of one proxy, by service or by another roll-up."""

    def __init__(self, roll_up: RollUp) -> None:
        self.roll_up = roll_up
        self.paths = PathTable()
        self.total = RequestCounts()
        """All requests."""
        self.by_proxy = Counter[str]()
        """The requests that the proxy answered by itself, without an upstream, by the client's status."""
        self.listed = ListedAttempts()
        self.first: int | None = None
        """Time of the earliest request (ns)."""
        self.last: int | None = None
        self._attempts = PodStats(None, roll_up=roll_up)
        self._others = RequestCounts()
        self._requests = FairTable[RowKey, RequestCounts](MAX_PODS, self._others.add)

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed."""
        self._attempts.add(record)
        self.listed.add(record)
        if record["kind"] != LineKind.ACCESS or record.get("subrequest"):
            return
        has_attempts = bool(record.get("attempts"))
        is_untried = not has_attempts and "reason" in record
        key = self.roll_up.untried_key(record) if is_untried else self.roll_up.key(_deciding_attempt(record), record)
        self.total.add_request(record)
        (self._requests.find(key, self.roll_up.sharer_of(key), RequestCounts) or self._others).add_request(record)
        self.paths.add(record, key)
        if not has_attempts:
            self.by_proxy[status_text(record)] += 1
        at = parse_rfc3339(str(record["time"] or "").encode())
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)

    @property
    def lines(self) -> Counter[str]:
        """Return the numbers of all lines by kind."""
        return self._attempts.lines

    @property
    def times_of_requests(self) -> int:
        """Return the attempts whose time is that of the whole request."""
        return sum(row.times_of_requests for row in self._attempts.rows(self._attempts.newest))

    def rows(self) -> dict[RowKey, SideRow]:
        """Return the rows that have requests or attempts."""
        attempts = {row.key: row for row in self._attempts.rows(self._attempts.newest)}
        requests = dict(self._requests.items())
        if self._others.requests:
            requests[(*[UNNAMED] * (len(self.roll_up.columns) - 1), OVERFLOW)] = self._others
        return {key: SideRow(requests.get(key, RequestCounts()), attempts.get(key)) for key in requests | attempts}


def _deciding_attempt(record: OutputRecord) -> OutputRecord:
    """Return the last attempt, before an internal redirect; the record itself if there is none.

    The record names the attempt's pod too, but not its uid, without which the workload is not certain.
    """
    attempts: Sequence[OutputRecord] = record.get("attempts") or ()
    return next((each for each in reversed(attempts) if "internal_redirect" not in each), record)
