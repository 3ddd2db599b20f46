"""Statistics of pods: output records (docs/output.md) added up, over a window of time or as a whole.

Pure: the time is passed in. Attempts are counted by the second in which they ended and their times by the millisecond,
so the memory for a pod is bounded by the length of the window and the number of different response times.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.report.record_view import (
    OutputRecord,
    client_text,
    error_code,
    lists_tries,
    outcome_text,
    request_text,
    time_text,
    untried_text,
)
from enricher.text import printable
from enricher.timestamps import SECOND, parse_rfc3339
from enricher.vocabulary import SURE_GRADES, Grade, LineKind, Outcome

UNNAMED = "—"
"""Stands for the namespace, service or pod of an attempt that names none."""
WINDOW_SECONDS = 60
"""Seconds that `enricher top` looks back."""
MAX_FAILED_REQUESTS = 50
"""Number of failed requests that are stored for each pod, the latest ones: more than fit on a screen."""
_GRADES = tuple(Grade)
_RANKS = {str(grade): rank for rank, grade in enumerate(_GRADES)}
"""The positions of the grades in their order, from the surest to the least sure."""

PodKey = tuple[str, str, str]
"""Namespace, service and pod, fit for a terminal; UNNAMED in place of a missing one.

Requests that no pod was tried for have a row for each service and reason: its pod is UNNAMED with the reason.
"""


@dataclass(slots=True)
class AttemptCounts:
    """Counts of some attempts at one pod."""

    attempts: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """Errors by status of HTTP or gRPC, fit for a terminal."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Errors by Outcome."""
    errors_after_redirect: int = 0
    """Errors after an internal redirect, such as of an error page's pod."""
    tries_are_logged: bool = False
    """Whether a log lists all attempts of a request; otherwise earlier errors than the last are not known."""
    times: Counter[float] = field(default_factory=Counter)
    """Attempts by response time, in seconds rounded to the millisecond."""
    sure: int = 0
    """Attempts whose attribution is not a guess."""
    worst_rank: int = 0
    """Position in _GRADES of the least sure grade."""

    def add(self, other: "AttemptCounts") -> None:
        self.attempts += other.attempts
        self.errors.update(other.errors)
        self.outcomes.update(other.outcomes)
        self.errors_after_redirect += other.errors_after_redirect
        self.tries_are_logged |= other.tries_are_logged
        self.times.update(other.times)
        self.sure += other.sure
        self.worst_rank = max(self.worst_rank, other.worst_rank)


class FailedRequest(NamedTuple):
    """One request with an error at a pod, in texts fit for a terminal."""

    time: str
    client: str
    request: str
    outcome: str
    """How the pod's attempt ended: `502 refused`."""
    status: str
    """The status that the client got."""


class PodRow(NamedTuple):
    """The statistics of one pod over `seconds`. Percentiles are in seconds, None if no attempt has a time.

    A row of requests that no pod was tried for has errors, but no attempts.
    """

    key: PodKey
    seconds: float
    attempts: int
    errors_by_code: Counter[str]
    hidden: int | None
    """Errors after which the client got a good answer all the same; None if the log does not tell."""
    p50: float | None
    p99: float | None
    sure: int
    """Attempts whose attribution is not a guess: it is exact or reported."""
    grade: Grade | None
    """The least sure grade of the attempts; None if there are none."""
    errors_after_redirect: int = 0
    """Errors after an internal redirect: an error page's pod may only repeat the status of the pod before it."""

    @property
    def errors(self) -> int:
        return self.errors_by_code.total()

    @property
    def error_share(self) -> float:
        """Return the errors' share of the attempts, or of the requests that no pod was tried for, from 0 to 1."""
        return self.errors / self.tried if self.tried else 0.0

    @property
    def sure_percent(self) -> int | None:
        """Return the share of attempts that are no guesses, rounded down; None if there are no attempts."""
        return 100 * self.sure // self.attempts if self.attempts else None

    @property
    def rate(self) -> float:
        """Return the attempts per second, or the requests that no pod was tried for."""
        return self.tried / self.seconds

    @property
    def tried(self) -> int:
        """Return the number of attempts, or of the requests that no pod was tried for."""
        return self.attempts or self.errors


SORT_KEYS: dict[str, Callable[[PodRow], float]] = {
    "errors": lambda row: row.errors - row.errors_after_redirect,
    "error share": lambda row: row.error_share,
    "hidden": lambda row: row.hidden or 0,
    "requests": lambda row: row.tried,
    "p99": lambda row: row.p99 or 0.0,
}
"""The values that rows can be sorted by, the largest first, under the names in `enricher top`."""


class PodStats:
    """Adds up output records, by pod.

    Only the last `window` seconds count, or all records if it is None. `window_is_covered` is whether the records reach
    back to the start of the window; if they do not, rates are those since the first record. With a `namespace`, only
    attempts at its pods count.
    """

    def __init__(self, window: int | None, *, window_is_covered: bool = True, namespace: str | None = None) -> None:
        self._window, self._window_is_covered, self._namespace = window, window_is_covered, namespace
        self._counts: defaultdict[PodKey, dict[int, AttemptCounts]] = defaultdict(dict)
        """By pod, then by the second in which the attempts ended (0 without a window)."""
        self._failed_requests: dict[PodKey, deque[FailedRequest]] = {}
        self._first: int | None = None
        """Time of the oldest record (ns)."""
        self.newest = 0
        """Time of the newest record (ns)."""
        self.lines: Counter[str] = Counter()
        """All lines so far, by kind."""
        self.grades: Counter[str] = Counter()
        """All attempts so far, by grade."""

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed. A line without a time counts as having the time of the newest record."""
        self.lines[record["kind"]] += 1
        at = parse_rfc3339(str(record["time"] or "").encode())
        if at is not None:
            self._first = at if self._first is None else min(self._first, at)
        at = self.newest if at is None else at
        self.newest = max(self.newest, at)
        second = at // SECOND if self._window else 0
        attempts = record.get("attempts") or ()
        if not attempts and record.get("reason") and record["kind"] == LineKind.ACCESS:
            self._add_untried(record, second)
        tries_are_logged = lists_tries(record)
        for attempt in attempts:
            if self._namespace not in {None, attempt.get("namespace")}:
                continue
            key = _pod_key(attempt)
            counts = self._counts[key].setdefault(second, AttemptCounts())
            counts.attempts += 1
            self.grades[attempt["attribution"]] += 1
            counts.sure += attempt["attribution"] in SURE_GRADES
            counts.worst_rank = max(counts.worst_rank, _RANKS[attempt["attribution"]])
            counts.tries_are_logged |= tries_are_logged
            if (seconds := attempt["response_time"]) is not None:
                counts.times[round(seconds, 3)] += 1
            if code := error_code(attempt):
                counts.errors[printable(code)] += 1
                counts.errors_after_redirect += "internal_redirect" in attempt
                counts.outcomes[attempt.get("outcome", Outcome.UNKNOWN)] += 1
                self._add_failed_request(key, record, outcome_text(attempt))

    def _add_untried(self, record: OutputRecord, second: int) -> None:
        """Add a request that failed and that no pod was tried for."""
        if self._namespace in {None, record.get("namespace")}:
            namespace, service, _ = _pod_key(record)
            key = namespace, service, f"{UNNAMED} {printable(record['reason'])}"
            counts = self._counts[key].setdefault(second, AttemptCounts())
            counts.errors[printable(record.get("status", "-"))] += 1
            counts.tries_are_logged = True
            self._add_failed_request(key, record, untried_text(record))

    def _add_failed_request(self, key: PodKey, record: OutputRecord, outcome: str) -> None:
        status = record.get("status")
        request = FailedRequest(
            time_text(record),
            client_text(record),
            request_text(record),
            outcome,
            "-" if status is None else printable(status),
        )
        self._failed_requests.setdefault(key, deque(maxlen=MAX_FAILED_REQUESTS)).append(request)

    def expire(self, now: int) -> None:
        """Drop the attempts that are older than the window at `now` (ns).

        Attempts later than `now` count as of now: a node's clock may be ahead, or ours was set back.
        """
        if not self._window:
            return
        end = now // SECOND
        for key in list(self._counts):
            by_second = self._counts[key]
            for second in [second for second in by_second if second <= end - self._window]:
                del by_second[second]
            for second in [second for second in by_second if second > end]:
                by_second.setdefault(end, AttemptCounts()).add(by_second.pop(second))
            if not by_second:
                del self._counts[key]
                self._failed_requests.pop(key, None)

    def rows(self, now: int) -> list[PodRow]:
        """Return one row for each pod with an attempt within the window that ends at `now` (ns), in any order."""
        self.expire(now)
        seconds = self._elapsed(now)
        return [_pod_row(key, by_second, seconds) for key, by_second in self._counts.items()]

    def failed_requests(self, key: PodKey) -> list[FailedRequest]:
        """Return the latest requests with an error at a pod, newest first."""
        return list(reversed(self._failed_requests.get(key, ())))

    def _elapsed(self, now: int) -> float:
        """Return the seconds over which the attempts are spread, at least one."""
        if self._window and self._window_is_covered:
            return self._window
        end = now if self._window else self.newest
        elapsed = max(1.0, (end - (self._first or end)) / SECOND)
        return min(elapsed, self._window or elapsed)


def sort_rows(rows: Sequence[PodRow], sort_key: str, filter_text: str) -> list[PodRow]:
    """Return the rows with `filter_text` in a name, sorted by one of SORT_KEYS, the worst first."""
    value = SORT_KEYS[sort_key]
    matching = [row for row in rows if filter_text in "/".join(row.key)]
    return sorted(matching, key=lambda row: (-value(row), -row.errors, -row.attempts, row.key))


def sure_text(row: PodRow) -> str:
    """Return the share of attempts that are no guesses; empty if there are none."""
    return "" if row.sure_percent is None else str(row.sure_percent)


def hidden_text(row: PodRow) -> str:
    """Return how many errors clients did not see; `?` if the log does not tell."""
    return "?" if row.hidden is None else str(row.hidden)


def _pod_key(attempt: OutputRecord) -> PodKey:
    namespace, service, pod = (printable(attempt.get(name) or UNNAMED) for name in ("namespace", "service", "pod"))
    return namespace, service, pod


def _pod_row(key: PodKey, by_second: dict[int, AttemptCounts], seconds: float) -> PodRow:
    total = AttemptCounts()
    for counts in by_second.values():
        total.add(counts)
    p50, p99 = (_percentile(total.times, percent) for percent in (50, 99))
    hidden: int | None = total.outcomes[Outcome.HIDDEN]
    if not hidden and (total.outcomes[Outcome.UNKNOWN] or not total.tries_are_logged):
        hidden = None
    grade = _GRADES[total.worst_rank] if total.attempts else None
    redirected = total.errors_after_redirect
    return PodRow(key, seconds, total.attempts, total.errors, hidden, p50, p99, total.sure, grade, redirected)


def _percentile(times: Counter[float], percent: int) -> float | None:
    """Return the smallest time that at least `percent` of the attempts did not exceed (nearest rank)."""
    rank = -(-times.total() * percent // 100)
    for seconds in sorted(times):
        rank -= times[seconds]
        if rank <= 0:
            return seconds
    return None
