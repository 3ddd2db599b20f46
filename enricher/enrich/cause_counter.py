"""Counts failed attempts by cause, each once nothing that is still to be reported can change its cause. Pure.

What ended an attempt is often reported seconds after its line was written: the line says what was known then, and the
count says what is known when `HINDSIGHT` is over.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from enricher.endpoints.attribution import Histories, Window
from enricher.endpoints.circumstances import AFTERMATH, circumstance_of, without_hindsight
from enricher.endpoints.slices import Owner, Service
from enricher.endpoints.states import tenures_of_owner
from enricher.endpoints.tenure import FOREVER
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.causes import CauseOf, Symptom, cause_of
from enricher.fair_share import FairShare
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Cause, CauseGrade

HINDSIGHT = 10 * SECOND
"""Ns after an attempt at which its cause is counted."""
MAX_PENDING = 10_000
"""Largest number of kinds of attempts whose cause is not counted yet, in fair shares of the pods' namespaces.

Each takes some 800 bytes. All others are counted with what their lines say.
"""
RESOLUTION = 250 * MILLISECOND
"""Ns within which attempts at one pod with the same symptom count as having been made at the same time."""
MIN_PODS_OF_NODE = 2
"""Number of pods of a node that must have failed before the node is blamed."""
_NODE_SYMPTOMS = frozenset((Symptom.TIMED_OUT, Symptom.LATE, Symptom.UNREACHABLE))
_UNREACHABLE_NODE = CauseOf.make(Cause.UNREACHABLE_NODE, CauseGrade.LIKELY)


class CauseCounts(Protocol):
    """Counts failed attempts by cause; enricher.metrics.counters implements it."""

    def count_cause(self, service: Service | None, cause: str, grade: str, failures: int = 1) -> None: ...


class Failure(NamedTuple):
    """A kind of failed attempts at one pod: those with the same symptom at about the same time."""

    addr: str
    owner: Owner
    service: Service | None
    is_sure: bool
    symptom: Symptom
    begin: int
    """When such an attempt began at the earliest, in units of RESOLUTION, rounded down."""
    end_earliest: int
    """When it was over at the earliest, rounded down."""
    end: int
    """When it was over at the latest, rounded up."""

    @property
    def window(self) -> Window:
        """Return when such an attempt took place."""
        return Window(self.begin * RESOLUTION, self.end_earliest * RESOLUTION, self.end * RESOLUTION)


@dataclass(slots=True)
class _Pending:
    """Attempts of one kind that are to be counted."""

    cause: CauseOf
    """The cause of the first one, as its line has it."""
    number: int = 0


class CauseCounter:
    """Failed attempts that are to be counted by cause."""

    def __init__(self) -> None:
        self.now: int | None = None
        """The present time (ns); None if nothing more is going to be reported."""
        self._counted: Counter[tuple[Service | None, CauseOf]] = Counter()
        self._pending: dict[Failure, _Pending] = {}
        self._places = FairShare[Failure, str](MAX_PENDING)

    def add(
        self,
        owner: CachedAttribution,
        symptom: Symptom,
        window: Window | None,
        cause: CauseOf,
    ) -> None:
        """Add a failed attempt. Nothing more becomes known of one at a pod that nobody knows."""
        pod = owner.attribution.owner
        is_final = cause.grade is CauseGrade.CERTAIN and cause.cause is not Cause.TIMEOUT
        if pod and not is_final and window and self._is_recent(window.end_latest):
            failure = Failure(
                owner.addr,
                pod,
                owner.service,
                owner.is_sure,
                symptom,
                window.start // RESOLUTION,
                window.end_earliest // RESOLUTION,
                -(-window.end_latest // RESOLUTION),
            )
            if pending := self._place_of(failure, cause):
                pending.number += 1
                return
        self._counted[owner.service, cause] += 1

    def _place_of(self, failure: Failure, cause: CauseOf) -> "_Pending | None":
        """Return where attempts of a kind wait; None if there is no place for them."""
        if pending := self._pending.get(failure):
            return pending
        namespace = failure.owner.namespace
        if self._places.is_full(failure):
            replaced = self._places.replaceable(failure, namespace)
            if replaced is None:
                return None
            pending = self._take(replaced)
            self._counted[replaced.service, pending.cause] += pending.number
        self._places.add(failure, namespace)
        pending = self._pending[failure] = _Pending(cause)
        return pending

    def _take(self, failure: Failure) -> "_Pending":
        self._places.remove(failure)
        return self._pending.pop(failure)

    def _is_recent(self, end: int) -> bool:
        """Return whether an attempt ended shortly before now; a clock that is ahead by much counts for nothing."""
        return self.now is not None and -HINDSIGHT <= self.now - end < HINDSIGHT

    def count(self, counts: CauseCounts, histories: Histories, now: int | None) -> None:
        """Count the attempts that are long enough ago, or all of them if `now` (ns) is None."""
        due = [failure for failure in self._pending if now is None or failure.end * RESOLUTION + HINDSIGHT <= now]
        blamed = _unreachable_nodes(self._pending, histories) if due else set()
        for failure in due:
            with_hindsight = _cause_with_hindsight(failure, histories, blamed)
            self._counted[failure.service, with_hindsight] += self._take(failure).number
        for (service, (cause, grade, _)), number in self._counted.items():
            counts.count_cause(service, cause, grade, number)
        self._counted.clear()


def _cause_with_hindsight(failure: Failure, histories: Histories, blamed: set[str]) -> CauseOf:
    owner = failure.owner
    tenures = tenures_of_owner(histories.pods, failure.addr, owner)
    status = histories.statuses.of(owner.uid) if histories.statuses else None
    circumstance = circumstance_of(tenures, status, failure.window)
    if failure.end * RESOLUTION + AFTERMATH > histories.pods.certain_until:  # the watch is not in sync
        circumstance = without_hindsight(circumstance, tenures)
    cause = cause_of(failure.symptom, circumstance, is_sure=failure.is_sure)
    may_be_the_node = failure.symptom in _NODE_SYMPTOMS and cause.cause in {Cause.TIMEOUT, Cause.UNKNOWN}
    return _UNREACHABLE_NODE if may_be_the_node and owner.node in blamed else cause


def _unreachable_nodes(failures: Iterable[Failure], histories: Histories) -> set[str]:
    """Return the nodes all of whose pods of some services could not be reached, while no pod elsewhere failed so."""
    pods_of_node = defaultdict[str, set[Owner]](set)
    services = defaultdict[str, set[Service]](set)
    for failure in failures:
        if failure.symptom in _NODE_SYMPTOMS and failure.owner.node:
            pods_of_node[failure.owner.node].add(failure.owner)
            services[failure.owner.node] |= {failure.service} if failure.service else set()
    if len(pods_of_node) != 1:
        return set()
    [(node, failed)] = pods_of_node.items()
    members = {
        tenure.owner
        for service in services[node]
        for tenure in histories.pods.tenures_of_service(service)
        if tenure.until == FOREVER
    }
    is_whole_node = {owner for owner in members if owner.node == node} <= failed
    is_elsewhere = any(owner.node != node for owner in members)
    return {node} if len(failed) >= MIN_PODS_OF_NODE and is_whole_node and is_elsewhere else set()
