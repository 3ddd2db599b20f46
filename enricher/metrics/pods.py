"""The series of pods, with the kinds of their errors and failures."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.accesslog.record import ErrorLabels
from enricher.accesslog.trace_ids import Exemplar
from enricher.fair_share import OVERFLOW, FairShare
from enricher.metrics.bounded import BoundedTable, Group, Overflow, SharePerService
from enricher.vocabulary import Outcome, Reason, State

PodKey = tuple[str, str, str, str]
"""Namespace, service, pod and node."""


class FailureLabels(NamedTuple):
    """The values of the labels under which an attempt is counted that a log gives a reason for."""

    reason: str
    state: str = State.NONE
    """What the slices reported of the pod as the attempt began."""


KindKey = tuple[PodKey, ErrorLabels | FailureLabels]
"""A pod, and the labels of an error or of a failure."""


@dataclass(slots=True)
class PodSeries:
    """Counters of one pod as a member of one service."""

    requests: int = 0
    guesses: int = 0
    """Requests whose attribution is not sure, see enricher.vocabulary.SURE_GRADES."""
    failed: int = 0
    """Requests that failed, including those of kinds that were dropped from `errors`."""
    errors: Counter[ErrorLabels] = field(default_factory=Counter)
    error_minutes: dict[int, int] = field(default_factory=dict)
    """Requests that failed in each of the last MINUTES minutes since the epoch."""
    hidden_minutes: dict[int, int] = field(default_factory=dict)
    """Those of them after which the client got a good answer all the same."""
    failures: Counter[FailureLabels] = field(default_factory=Counter)
    """Attempts that a log gives a reason for."""
    seconds: float = 0.0
    """Sum of the response times of `timed_attempts`."""
    timed_attempts: int = 0
    """Attempts whose response time is known."""
    last_seen: int = 0
    """When the pod was last seen (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""
    kinds_created: dict[ErrorLabels | FailureLabels, int] = field(default_factory=dict, compare=False)
    """The same for each of `errors` and `failures`."""
    exemplars: dict[ErrorLabels, Exemplar] = field(default_factory=dict, compare=False)
    """The latest exemplar of each of `errors` that has one."""


class PodTable(BoundedTable[PodKey, PodSeries]):
    """Series of pods that the endpoints have, and of a quarter as many that only log lines name.

    Of these, one service has at most a hundredth of the limit. All pods together have at most twice as many kinds of
    errors and failures as the limit, in fair shares; further ones are counted with less detail.
    """

    def __init__(self, limit: float, overflow: Overflow, zero_at: Callable[[], int] = lambda: 0) -> None:
        super().__init__(limit, PodSeries, _shared_keys, overflow, zero_at)
        self.named_by_lines = SharePerService[PodKey](limit / 4, limit / 100)
        self._kinds = FairShare[KindKey, Group](2 * limit)

    def count_error(self, key: PodKey, group: Group, error: ErrorLabels, number: int) -> None:
        """Count errors of one kind."""
        self[key].failed += number
        if not self._has_place((key, error), group):
            self._overflow.count(group, number)
            code = "5xx" if error.code.isdigit() else error.code
            error = ErrorLabels(code, "", "", error.protocol, Outcome.UNKNOWN)
        self[key].kinds_created.setdefault(error, self._zero_at())
        self[key].errors[error] += number

    def count_failure(self, key: PodKey, group: Group, failure: FailureLabels) -> None:
        """Count an attempt that a log gives a reason for."""
        if not self._has_place((key, failure), group):
            self._overflow.count(group, 1)
            failure = FailureLabels(Reason.OTHER)
        self[key].kinds_created.setdefault(failure, self._zero_at())
        self[key].failures[failure] += 1

    def _has_place(self, kind: KindKey, group: Group) -> bool:
        """Return whether a kind has got a place, maybe that of another."""
        if kind in self._kinds:
            self._kinds.touch(kind)
            return True
        if self._kinds.is_full(kind):
            replaced = self._kinds.replaceable(kind, group)
            if replaced is None:
                return False
            self._overflow.drop(self._kinds.group_of(replaced))
            self._drop_kind(replaced)
        self._kinds.add(kind, group)
        return True

    def _drop_kind(self, kind_key: KindKey) -> None:
        key, kind = kind_key
        self._kinds.remove(kind_key)
        del self[key].kinds_created[kind]
        if isinstance(kind, ErrorLabels):
            del self[key].errors[kind]
            self[key].exemplars.pop(kind, None)
        else:
            del self[key].failures[kind]

    def __delitem__(self, key: PodKey) -> None:
        kinds: tuple[ErrorLabels | FailureLabels, ...] = (*self[key].errors, *self[key].failures)
        for kind_key in [(key, kind) for kind in kinds if (key, kind) in self._kinds]:
            self._kinds.remove(kind_key)
        super().__delitem__(key)


def _shared_keys(key: PodKey) -> tuple[PodKey, ...]:
    namespace, service, _, _ = key
    return (
        (namespace, service, OVERFLOW, ""),
        (namespace, OVERFLOW, OVERFLOW, ""),
        ("", OVERFLOW, OVERFLOW, ""),
    )
