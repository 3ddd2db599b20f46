"""Statistics of pods, services and so on: output records (docs/output.md) added up, over a window of time or all.

Pure: the time is passed in. Attempts are counted by the second in which they ended and their times by the millisecond,
so the memory for a pod is bounded by the length of the window and the number of different response times.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import NamedTuple

from enricher.fair_share import OVERFLOW, FairShare
from enricher.report.attempt_counts import RANKS, AttemptCounts, pod_row
from enricher.report.pod_rows import BY_POD, UNNAMED, PodRow, RollUp, RowKey
from enricher.report.record_view import (
    OutputRecord,
    Zone,
    cause_text,
    client_text,
    error_code,
    lists_tries,
    outcome_text,
    request_text,
    route_text,
    state_text,
    time_text,
    untried_text,
)
from enricher.text import printable
from enricher.timestamps import SECOND, parse_rfc3339
from enricher.vocabulary import SURE_GRADES, LineKind, Outcome

WINDOW_SECONDS = 60
"""Seconds that `enricher top` looks back."""
MAX_FAILED_REQUESTS = 50
"""Number of failed requests that are stored for each pod, the latest ones: more than fit on a screen."""
MAX_PODS = 10_000
"""Largest number of rows, in fair shares of the namespaces. All other attempts are in one row more, those of a row that
gave up its place too.
"""

CLOCK_TOLERANCE = 5 * SECOND
"""Time (ns) by which all lines of a node may come late without its clock being behind: proxies write late, too."""


class FailedRequest(NamedTuple):
    """One request with an error at a pod, in texts fit for a terminal."""

    time: str
    client: str
    request: str
    outcome: str
    """How the pod's attempt ended: `502 refused`."""
    status: str
    """The status that the client got."""
    cause: str
    """Why it failed; empty if that is not known."""
    state: str
    """What the pod was in the middle of; empty if it was ready, or if that is not certain."""
    route: str
    """The route that the request came by; empty if the log does not name it."""
    at: int = 0
    """When it ended (ns); without a time of its own, the newest one so far."""


class PodStats:
    """Adds up output records, by pod or by another roll-up.

    Only the last `window` seconds count, or all records if it is None. `window_is_covered` is whether the records reach
    back to the start of the window; if they do not, rates are those since the first record. Of attempts, and
    of requests that no pod was tried for, those count that are `included`. The times of failed requests are in `zone`,
    or in those of their stamps.
    """

    def __init__(
        self,
        window: int | None,
        *,
        window_is_covered: bool = True,
        included: Callable[[OutputRecord], bool] = lambda _: True,
        roll_up: RollUp = BY_POD,
        zone: Zone | None = None,
    ) -> None:
        self.roll_up, self._zone = roll_up, zone
        self.window, self._window_is_covered, self._included = window, window_is_covered, included
        self._counts: defaultdict[RowKey, dict[int, AttemptCounts]] = defaultdict(dict)
        """By row, then by the second in which the attempts ended (0 without a window)."""
        self._share = FairShare[RowKey, str](MAX_PODS)
        self._failed_requests: dict[RowKey, deque[FailedRequest]] = {}
        self._first: int | None = None
        """Time of the oldest record (ns)."""
        self.newest = 0
        """Time of the newest record (ns)."""
        self.clock_lags: dict[str, int] = {}
        """How late the most punctual line of each node came (ns), if lines are added as they are written."""
        self.lines: Counter[str] = Counter()
        """All lines so far, by kind."""
        self.grades: Counter[str] = Counter()
        """All attempts so far, by grade."""

    def add(self, record: OutputRecord, now: int | None = None) -> None:
        """Add one output line, parsed. A line without a time counts as having the time of the newest record.

        With `now` (ns), the line has just been written. If all lines of its node came late, the node's clock is behind,
        and its attempts count as that much later.
        """
        self.lines[record["kind"]] += 1
        at = parse_rfc3339(str(record["time"] or "").encode())
        if at is not None:
            self._first = at if self._first is None else min(self._first, at)
            self.newest = max(self.newest, at)
        lag = 0 if at is None or now is None else self._lag(record, now - at)
        second = ((self.newest if at is None else at) + lag) // SECOND if self.window else 0
        attempts = record.get("attempts") or ()
        if not attempts and record.get("reason") and record["kind"] == LineKind.ACCESS:
            self._add_untried(record, second, at)
        tries_are_logged = lists_tries(record) or LineKind.TRY in self.lines
        for attempt in attempts:
            if not self._included(attempt):
                continue
            self.grades[attempt["attribution"]] += 1
            code = error_code(attempt)
            failed = bool(code) or "reason" in attempt
            if self.roll_up.only_failures and not failed:
                continue
            key = self._place(self.roll_up.key(attempt, record))
            counts = self._counts[key].setdefault(second, AttemptCounts())
            counts.attempts += 1
            counts.sure += attempt["attribution"] in SURE_GRADES
            counts.worst_rank = max(counts.worst_rank, RANKS[attempt["attribution"]])
            counts.tries_are_logged |= tries_are_logged
            if (seconds := attempt["response_time"]) is not None:
                counts.times[round(seconds, 3)] += 1
                counts.times_of_requests += attempt.get("response_time_of") == "request"
            if failed:
                counts.add_failure(attempt, at)
            if code:
                counts.errors[printable(code)] += 1
                counts.errors_after_redirect += "internal_redirect" in attempt
                counts.outcomes[attempt.get("outcome", Outcome.UNKNOWN)] += 1
                self._add_failed_request(key, record, attempt, outcome_text(attempt), at)

    def _lag(self, record: OutputRecord, lag: int) -> int:
        """Return by how much the clock of a record's node is behind (ns); `lag` is how late the record came."""
        proxy = record.get("logged_by") or {}
        node = printable(proxy.get("node") or proxy.get("pod") or UNNAMED)
        least = self.clock_lags[node] = min(lag, self.clock_lags.get(node, lag))
        return least if least > CLOCK_TOLERANCE else 0

    def _add_untried(self, record: OutputRecord, second: int, at: int | None) -> None:
        """Add a request that failed and that no pod was tried for."""
        if self._included(record):
            key = self._place(self.roll_up.untried_key(record))
            counts = self._counts[key].setdefault(second, AttemptCounts())
            counts.errors[printable(record.get("status", "-"))] += 1
            counts.untried += 1
            counts.add_failure(record, at)
            counts.tries_are_logged = True
            self._add_failed_request(key, record, record, untried_text(record), at)

    def _place(self, key: RowKey) -> RowKey:
        """Return the key of the row for a key, which is that of all further ones if it has no place."""
        if key in self._share:
            self._share.touch(key)
            return key
        if self._share.is_full(key):
            overflow = (*[UNNAMED] * (len(key) - 1), OVERFLOW)
            replaced = self._share.replaceable(key, self.roll_up.sharer_of(key))
            if replaced is None:
                return overflow
            for second, counts in self._counts[replaced].items():
                self._counts[overflow].setdefault(second, AttemptCounts()).add(counts)
            self._drop(replaced)
        self._share.add(key, self.roll_up.sharer_of(key))
        return key

    def _drop(self, key: RowKey) -> None:
        self._counts.pop(key, None)
        self._failed_requests.pop(key, None)
        if key in self._share:
            self._share.remove(key)

    def _add_failed_request(
        self, key: RowKey, record: OutputRecord, failed: OutputRecord, outcome: str, at: int | None
    ) -> None:
        """Add a request whose attempt, or which itself, failed."""
        status = record.get("status")
        request = FailedRequest(
            time_text(record, self._zone),
            client_text(record),
            request_text(record),
            outcome,
            "-" if status is None else printable(status),
            cause_text(failed),
            state_text(failed),
            route_text(record),
            self.newest if at is None else at,
        )
        self._failed_requests.setdefault(key, deque(maxlen=MAX_FAILED_REQUESTS)).append(request)

    def expire(self, now: int) -> None:
        """Drop the attempts that are older than the window at `now` (ns).

        Attempts later than `now` count as of now: a node's clock may be ahead, or ours was set back.
        """
        if not self.window:
            return
        end = now // SECOND
        for key in list(self._counts):
            by_second = self._counts[key]
            for second in [second for second in by_second if second <= end - self.window]:
                del by_second[second]
            for second in [second for second in by_second if second > end]:
                by_second.setdefault(end, AttemptCounts()).add(by_second.pop(second))
            if not by_second:
                self._drop(key)

    def rows(self, now: int) -> list[PodRow]:
        """Return one row for each pod with an attempt within the window that ends at `now` (ns), in any order."""
        self.expire(now)
        seconds = self._elapsed(now)
        return [pod_row(key, by_second, seconds) for key, by_second in self._counts.items()]

    def failed_requests(self, key: RowKey) -> list[FailedRequest]:
        """Return the latest requests with an error at a pod, newest first: a proxy may write its lines late."""
        requests = reversed(self._failed_requests.get(key, ()))
        return sorted(requests, key=lambda request: request.at, reverse=True)

    def _elapsed(self, now: int) -> float:
        """Return the seconds over which the attempts are spread, at least one."""
        if self.window and self._window_is_covered:
            return self.window
        end = now if self.window else self.newest
        elapsed = max(1.0, (end - (self._first or end)) / SECOND)
        return min(elapsed, self.window or elapsed)
