"""Rows of statistics, one for each pod or other part of a cluster, and how they are sorted. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeVar

from enricher.report.record_view import OutputRecord
from enricher.text import printable, truncate
from enricher.vocabulary import Cause, Grade

UNNAMED = "—"
"""Stands for the namespace, service or pod of an attempt that names none."""

MAX_NAME = 253
"""Largest number of characters of a name in a row: as many as a name in Kubernetes has. A log may report any text."""
RowKey = tuple[str, ...]
"""The names of a row's pod, or of another part of a cluster, fit for a terminal; UNNAMED in place of a missing one."""


class RollUp(NamedTuple):
    """What rows are made of: one for each pod, for each node and so on."""

    columns: tuple[str, ...]
    """What the names of a key are."""
    names_of: Callable[[OutputRecord], Sequence[str | None]]
    """Returns the names of an attempt's key, or of a request's that no pod was tried for."""
    only_failures: bool = False
    """Whether only failed attempts have these names, so that nothing can be said of all attempts."""
    is_of_request: bool = False
    """Whether the names are those of the request, whichever attempt it is."""
    sharer_of: Callable[[RowKey], str] = itemgetter(0)
    """Returns in whose fair share of the rows a row counts: that of a namespace, or of what the rows have instead."""

    def key(self, attempt: OutputRecord, record: OutputRecord) -> RowKey:
        """Return the key of the row of a record's attempt."""
        named = record if self.is_of_request else attempt
        return tuple(printable(truncate(str(name or UNNAMED), MAX_NAME)) for name in self.names_of(named))

    def untried_key(self, record: OutputRecord) -> RowKey:
        """Return the key of a request that no pod was tried for, with the reason in place of a pod or its like."""
        key = self.key(record, record)
        if self.is_of_request or self.columns[-1] == "service":
            return key
        return (*key[:-1], f"{UNNAMED} {printable(record['reason'])}")


class Row(Protocol):
    """What a table needs of a row, whatever it counts."""

    @property
    def key(self) -> RowKey:
        """Return the names of the row."""

    @property
    def attempts(self) -> int:
        """Return the number of attempts."""

    @property
    def errors(self) -> int:
        """Return the number of attempts, and of requests that no pod was tried for, that failed."""

    @property
    def hidden(self) -> int | None:
        """Return those errors after which the client got a good answer all the same; None if the log does not tell."""

    @property
    def seen(self) -> int:
        """Return the errors that clients saw, or may have seen."""

    @property
    def sure_percent(self) -> int | None:
        """Return the share of attempts that are no guesses, rounded down; None if there are no attempts."""

    @property
    def causes(self) -> Counter[tuple[str, str]]:
        """Return the failures by cause and its grade, which may be empty."""


R = TypeVar("R", bound=Row)

BY_POD = RollUp(
    ("namespace", "service", "pod"), lambda attempt: [attempt.get(name) for name in ("namespace", "service", "pod")]
)


class PodRow(NamedTuple):
    """The statistics of one pod, or what else the rows are made of, over `seconds`. Percentiles are in seconds.

    A row of requests that no pod was tried for has errors, but no attempts.
    """

    key: RowKey
    seconds: float
    attempts: int
    errors_by_code: Counter[str]
    hidden: int | None
    """Errors after which the client got a good answer all the same; None if the log does not tell."""
    p50: float | None
    """None if no attempt has a time."""
    p99: float | None
    sure: int
    """Attempts whose attribution is not a guess: it is exact or reported."""
    grade: Grade | None
    """The least sure grade of the attempts; None if there are none."""
    errors_after_redirect: int
    """Errors after an internal redirect: an error page's pod may only repeat the status of the pod before it."""
    untried: int
    """Errors of requests that no pod was tried for."""
    reasons: Counter[str]
    """Failures by Reason or RequestReason, where the log says it."""
    causes: Counter[tuple[str, str]]
    """Failures by cause and its grade, which may be empty."""
    first_failure: int | None
    """Time of the earliest failure (ns)."""
    last_failure: int | None
    times_of_requests: int
    """Attempts whose time is that of the whole request, because the log has no other."""

    @property
    def errors(self) -> int:
        return self.errors_by_code.total()

    @property
    def seen(self) -> int:
        """Return the errors that clients saw, or may have seen."""
        return self.errors - (self.hidden or 0)

    @property
    def main_cause(self) -> str:
        """Return the most frequent cause of the failures, `unknown` only if none has another one; empty without any."""
        totals = Counter[str]()
        for (cause, _), number in self.causes.items():
            totals[cause] += number
        return min(totals, key=lambda cause: (cause == Cause.UNKNOWN, -totals[cause], cause), default="")

    @property
    def error_share(self) -> float:
        """Return the errors' share of the attempts and of the requests that no pod was tried for, from 0 to 1."""
        return self.errors / self.tried if self.tried else 0.0

    @property
    def sure_percent(self) -> int | None:
        """Return the share of attempts that are no guesses, rounded down; None if there are no attempts."""
        return 100 * self.sure // self.attempts if self.attempts else None

    @property
    def rate(self) -> float:
        """Return the attempts and the requests that no pod was tried for, per second."""
        return self.tried / self.seconds

    @property
    def tried(self) -> int:
        """Return the number of attempts and of the requests that no pod was tried for."""
        return self.attempts + self.untried


SORT_KEYS: dict[str, Callable[[PodRow], float]] = {
    "errors": lambda row: row.errors - row.errors_after_redirect,
    "error share": lambda row: row.error_share,
    "hidden": lambda row: row.hidden or 0,
    "requests": lambda row: row.tried,
    "p99": lambda row: row.p99 or 0.0,
}
"""The values that rows can be sorted by, the largest first, under the names in `enricher top`."""


def sort_rows(rows: Sequence[R], value: Callable[[R], float], filter_text: str) -> list[R]:
    """Return the rows with `filter_text` in a name, sorted by a value, the largest first."""
    matching = [row for row in rows if filter_text in "/".join(row.key)]
    return sorted(matching, key=lambda row: (-value(row), -row.errors, -row.attempts, row.key))


def sure_text(row: Row) -> str:
    """Return the share of attempts that are no guesses; empty if there are none."""
    return "" if row.sure_percent is None else str(row.sure_percent)


def hidden_text(row: Row) -> str:
    """Return how many errors clients did not see; `?` if the log does not tell."""
    return "?" if row.hidden is None else str(row.hidden)
