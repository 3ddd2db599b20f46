"""Rows of statistics, one for each pod, and how they are sorted. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from enricher.vocabulary import Grade

UNNAMED = "—"
"""Stands for the namespace, service or pod of an attempt that names none."""

PodKey = tuple[str, str, str]
"""Namespace, service and pod, fit for a terminal; UNNAMED in place of a missing one.

Requests that no pod was tried for have a row for each service and reason: its pod is UNNAMED with the reason.
"""


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
