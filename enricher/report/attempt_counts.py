"""Counts of attempts, and the rows that they make. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from enricher.report.pod_rows import PodRow, RowKey
from enricher.report.record_view import OutputRecord
from enricher.vocabulary import Grade, Outcome

_GRADES = tuple(Grade)
RANKS = {str(grade): rank for rank, grade in enumerate(_GRADES)}
"""The positions of the grades in their order, from the surest to the least sure."""


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
    times_of_requests: int = 0
    """Those of these times that are of whole requests, because the log has no other."""
    sure: int = 0
    """Attempts whose attribution is not a guess."""
    worst_rank: int = 0
    """Position in _GRADES of the least sure grade."""
    untried: int = 0
    """Errors of requests that no pod was tried for."""
    reasons: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failures by cause and its grade."""
    first_failure: int | None = None
    """Time of the earliest failure (ns); None if there is none, or none with a time."""
    last_failure: int | None = None

    def add_failure(self, failed: OutputRecord, at: int | None) -> None:
        """Add why a failed attempt, or a request that no pod was tried for, failed, and when."""
        if reason := failed.get("reason"):
            self.reasons[reason] += 1
        if cause := failed.get("cause"):
            self.causes[cause, failed.get("cause_grade", "")] += 1
        if at is not None:
            self._extend_failures(at, at)

    def _extend_failures(self, first: int, last: int) -> None:
        self.first_failure = first if self.first_failure is None else min(self.first_failure, first)
        self.last_failure = last if self.last_failure is None else max(self.last_failure, last)

    def add(self, other: "AttemptCounts") -> None:
        self.attempts += other.attempts
        self.errors.update(other.errors)
        self.outcomes.update(other.outcomes)
        self.errors_after_redirect += other.errors_after_redirect
        self.tries_are_logged |= other.tries_are_logged
        self.times.update(other.times)
        self.times_of_requests += other.times_of_requests
        self.sure += other.sure
        self.worst_rank = max(self.worst_rank, other.worst_rank)
        self.untried += other.untried
        self.reasons.update(other.reasons)
        self.causes.update(other.causes)
        if other.first_failure is not None and other.last_failure is not None:
            self._extend_failures(other.first_failure, other.last_failure)


def pod_row(key: RowKey, by_second: dict[int, AttemptCounts], seconds: float) -> PodRow:
    """Return the row of counts by second that are spread over some seconds."""
    total = AttemptCounts()
    for counts in by_second.values():
        total.add(counts)
    p50, p99 = (percentile(total.times, percent) for percent in (50, 99))
    hidden: int | None = total.outcomes[Outcome.HIDDEN]
    if not hidden and (total.outcomes[Outcome.UNKNOWN] or not total.tries_are_logged):
        hidden = None
    grade = _GRADES[total.worst_rank] if total.attempts else None
    redirected = total.errors_after_redirect
    return PodRow(
        key,
        seconds,
        total.attempts,
        total.errors,
        hidden,
        p50,
        p99,
        total.sure,
        grade,
        redirected,
        total.untried,
        total.reasons,
        total.causes,
        total.first_failure,
        total.last_failure,
        total.times_of_requests,
    )


def percentile(times: Mapping[float, int], percent: int) -> float | None:
    """Return the smallest time that at least `percent` of all did not exceed (nearest rank); None without any.

    `times` are numbers of attempts, or of requests, by time.
    """
    rank = -(-sum(times.values()) * percent // 100)
    for seconds in sorted(times):
        rank -= times[seconds]
        if rank <= 0:
            return seconds
    return None
