"""The last hour of a cluster: what its daemons say of it, added up, a row for each pod or other part. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_high
from typing import NamedTuple

from enricher.report.daemon_status import MINUTES, DaemonStatus, FailingPod, UntriedRequests
from enricher.report.pod_rows import RollUp, RowKey
from enricher.report.record_view import OutputRecord

MAX_DRIFT = 2
"""Largest number of minutes by which the ends of two statuses differ if the clocks of their nodes agree."""


class HourRow(NamedTuple):
    """What the daemons counted of one pod, or of what else the rows are made of."""

    key: RowKey
    end: int
    """The running minute since the epoch."""
    errors_per_minute: tuple[int, ...]
    """The errors of each of the last 60 minutes, the running one last."""
    hidden: int | None
    """Those of these errors after which the client got a good answer all the same; None if the log does not tell."""
    attempts: int
    """Attempts since the counters of the pods began, as all that follows."""
    guesses: int
    """Attempts whose attribution is neither exact nor reported."""
    all_errors: int
    codes: Counter[tuple[str, str]]
    """Errors by code, and by who made it; empty for requests that no pod was tried for, whose codes are not known."""
    reasons: Counter[str]
    causes: Counter[tuple[str, str]]
    """Failures of the row's service by cause and its grade; empty if the row has several services."""

    @property
    def errors(self) -> int:
        """Return the errors of the last hour."""
        return sum(self.errors_per_minute)

    @property
    def seen(self) -> int:
        """Return the errors of the last hour that clients saw, or may have seen."""
        return self.errors - (self.hidden or 0)

    @property
    def worst_minute(self) -> int:
        """Return the minute since the epoch with the most errors, the latest such minute."""
        most = max(self.errors_per_minute)
        return self.end - self.errors_per_minute[::-1].index(most)

    @property
    def last_minute(self) -> int:
        """Return the latest minute since the epoch that has an error."""
        return self.end - next((ago for ago, number in enumerate(self.errors_per_minute[::-1]) if number), MINUTES)

    @property
    def sure_percent(self) -> int | None:
        """Return the share of attempts that are no guesses, rounded down; None if there are no attempts."""
        return 100 * (self.attempts - self.guesses) // self.attempts if self.attempts else None


SORT_KEYS: Mapping[str, Callable[[HourRow], float]] = {
    "errors": lambda row: row.errors,
    "latest": lambda row: row.last_minute,
    "hidden": lambda row: row.hidden or 0,
    "attempts": lambda row: row.attempts,
}
"""The values that rows can be sorted by, the largest first, under the names in `enricher top`."""


@dataclass
class _Sums:
    """The sums of a row."""

    minutes: list[int] = field(default_factory=lambda: [0] * MINUTES)
    hidden: int = 0
    hidden_is_unknown: bool = False
    """Whether it is unknown of some of the errors."""
    attempts: int = 0
    guesses: int = 0
    errors: int = 0
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    services: set[tuple[str, str]] = field(default_factory=set)

    def add(self, failing: FailingPod, late: int) -> None:
        """Add what a daemon counted of a pod, whose minutes end `late` minutes before those of the row."""
        self._add_minutes(failing.errors_per_minute, late)
        if failing.hidden_per_minute is None:
            self.hidden_is_unknown = True
        else:
            self.hidden += sum(failing.hidden_per_minute[late:])
        self.attempts += failing.requests
        self.guesses += failing.guesses
        self.errors += failing.errors
        self.codes.update(failing.codes)
        self.reasons.update(failing.reasons)
        self.services.add((failing.namespace, failing.service))

    def add_untried(self, untried: UntriedRequests, late: int) -> None:
        """Add requests that no pod was tried for, none of which is hidden."""
        self._add_minutes(untried.requests_per_minute, late)
        self.errors += untried.requests
        self.reasons[untried.reason] += untried.requests
        self.services.add((untried.namespace, untried.service))

    def _add_minutes(self, minutes: Sequence[int], late: int) -> None:
        for place, number in enumerate(minutes[late:]):
            self.minutes[place] += number

    def row(self, key: RowKey, end: int, causes: Mapping[tuple[str, str], Counter[tuple[str, str]]]) -> HourRow:
        """Return the row of the hour that ends with a minute; `causes` are those of each namespace and service."""
        of_one = causes.get(next(iter(self.services))) if len(self.services) == 1 else None
        return HourRow(
            key,
            end,
            tuple(self.minutes),
            None if self.hidden_is_unknown and not self.hidden else self.hidden,
            self.attempts,
            self.guesses,
            self.errors,
            self.codes,
            self.reasons,
            of_one or Counter(),
        )


def end_of(statuses: Sequence[DaemonStatus]) -> int:
    """Return the running minute since the epoch: the latest of any daemon whose clock agrees with most others."""
    return max(_end_minutes(statuses), default=0)


def wrong_clocks(statuses: Sequence[DaemonStatus]) -> Iterator[tuple[DaemonStatus, int]]:
    """Yield the statuses from nodes whose clocks do not agree with most others, and how many minutes they are ahead."""
    for status, end in zip(statuses, _end_minutes(statuses), strict=True):
        if status.minute != end:
            yield status, status.minute - end


def _end_minutes(statuses: Sequence[DaemonStatus]) -> list[int]:
    """Return the running minute of each status. It is that of most others if its own is quite another."""
    middle = median_high([status.minute for status in statuses]) if statuses else 0
    return [status.minute if abs(status.minute - middle) <= MAX_DRIFT else middle for status in statuses]


def merge_statuses(
    statuses: Sequence[DaemonStatus], roll_up: RollUp, included: Callable[[OutputRecord], bool] = lambda _: True
) -> list[HourRow]:
    """Return the rows of the hour that ends with the latest status, in any order; those without an error are left out.

    Statuses were read at about the same time. Each one's minutes are put in their places in that hour.
    """
    sums: defaultdict[RowKey, _Sums] = defaultdict(_Sums)
    end = end_of(statuses)
    for status, own_end in zip(statuses, _end_minutes(statuses), strict=True):
        late = end - own_end
        for failing in status.failing:
            attempt = _attempt(failing)
            if included(attempt):
                sums[roll_up.key(attempt, attempt)].add(failing, late)
        for untried in status.untried:
            request = _named(namespace=untried.namespace, service=untried.service, reason=untried.reason)
            if included(request):
                sums[roll_up.untried_key(request)].add_untried(untried, late)
    causes: defaultdict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for status in statuses:
        for each in status.causes:
            causes[each.namespace, each.service].update(each.causes)
    rows = (added.row(key, end, causes) for key, added in sums.items())
    return [row for row in rows if row.errors]


def _attempt(failing: FailingPod) -> OutputRecord:
    """Return an attempt at a pod, as an output record has it.

    A status has no uids. A pod whose node is known is one that the API server named, which a uid would show.
    """
    names = {"namespace": failing.namespace, "service": failing.service, "pod": failing.pod}
    return _named(**names, node=failing.node, uid=failing.node)


def _named(**names: str) -> OutputRecord:
    """Return names as an output record has them: without those that are not known."""
    return {name: value for name, value in names.items() if value}
