"""What the API server reports of the pods that failed: how their containers ended, and which probes failed. Pure.

A pod that was deleted is gone from the API, so what was once read of it is kept here, and later readings are added.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from enricher.endpoints.workloads import Workload
from enricher.fair_share import FairShare

MAX_PODS = 4096
"""Largest number of pods whose status is kept. With all that one may have, they take 20 MiB."""
MAX_ENDS = 8
"""Largest number of ends of containers that are kept for a pod, the latest ones."""
MAX_PROBE_FAILURES = 8
"""Largest number of probe failures that are kept for a pod, the latest ones."""
MAX_INCIDENTS = 8
"""Largest number of other events that are kept for a pod, the latest ones."""


class ContainerEnd(NamedTuple):
    """One end of a container."""

    container: str
    finished: int
    """When it ended (ns). The kubelet's stamps have whole seconds: it ended in [finished, finished + 1 s)."""
    exit_code: int | None
    reason: str
    """As the kubelet wrote it: `OOMKilled`, `Error`, `Completed`."""
    restarted: int | None = None
    """When the container began again (ns); None if it did not, or if that is not known."""


class ProbeFailure(NamedTuple):
    """Failures of one probe with one message, which the kubelet reports as one Event."""

    kind: str
    """`readiness`, `liveness` or `startup`."""
    first: int
    last: int
    """When the first and the last of them were (ns)."""
    times: int
    """How often."""
    message: str


class Incident(NamedTuple):
    """What else an Event reports of a pod: `Killing`, `BackOff`, `Evicted`, `OOMKilling`, `NodeNotReady` and so on."""

    reason: str
    first: int
    last: int
    """When the first and the last of them were (ns)."""
    times: int
    """How often."""
    message: str


T = TypeVar("T", ProbeFailure, Incident)


class PodStatus(NamedTuple):
    """What is known of a pod that failed. All texts are bounded and printable."""

    ends: tuple[ContainerEnd, ...] = ()
    """The latest ends of its containers and sidecars, oldest first."""
    restarts: int = 0
    """How often its containers and sidecars began again, in total."""
    workload: Workload | None = None
    """Its owner by its owner references; None if it has none."""
    probe_failures: tuple[ProbeFailure, ...] = ()
    evicted: str = ""
    """Why it was evicted, or otherwise removed before its time; empty if it was not."""
    incidents: tuple[Incident, ...] = ()
    containers: int = 1
    """Number of its containers and sidecars."""
    deleted: int | None = None
    """When its deletion was requested (ns, a whole second, rounded down); None if it was not."""


def merge_statuses(old: PodStatus, new: PodStatus) -> PodStatus:
    """Return what both readings of a pod report, of which `new` is the later one.

    A Pod object has only the latest end of each container, and Events last for an hour.
    """
    ends = {(end.container, end.finished): end for end in old.ends}
    for end in new.ends:
        before = ends.get((end.container, end.finished))
        restarted = end.restarted or (before.restarted if before else None)
        ends[end.container, end.finished] = end._replace(restarted=restarted)
    return PodStatus(
        ends=latest_ends(ends.values()),
        restarts=max(old.restarts, new.restarts),
        workload=new.workload or old.workload,
        probe_failures=_latest((*old.probe_failures, *new.probe_failures), _probe_key, MAX_PROBE_FAILURES),
        evicted=new.evicted or old.evicted,
        incidents=_latest((*old.incidents, *new.incidents), _incident_key, MAX_INCIDENTS),
        containers=max(old.containers, new.containers),
        deleted=min((time for time in (old.deleted, new.deleted) if time is not None), default=None),
    )


def latest_ends(ends: Iterable[ContainerEnd]) -> tuple[ContainerEnd, ...]:
    """Return the latest of the ends, as many as are kept, oldest first."""
    return tuple(sorted(ends, key=lambda end: (end.finished, end.container))[-MAX_ENDS:])


class PodStatuses:
    """The statuses of pods, by their uid. If there are too many, the namespace with the most loses its oldest."""

    def __init__(self, limit: float = MAX_PODS) -> None:
        self._places = FairShare[str, str](limit)
        self._statuses: dict[str, PodStatus] = {}
        self.evicted = 0
        """Number of statuses that gave up their place to others."""

    def __len__(self) -> int:
        return len(self._statuses)

    def of(self, uid: str) -> PodStatus | None:
        """Return the status of a pod, or None if nothing is known of it."""
        return self._statuses.get(uid)

    def latest(self, limit: int) -> Iterator[tuple[str, str, PodStatus]]:
        """Yield uid, namespace and status of the pods that were first looked up last, oldest first."""
        for uid, status in islice(self._statuses.items(), max(0, len(self._statuses) - limit), None):
            yield uid, self._places.group_of(uid), status

    def set(self, uid: str, namespace: str, status: PodStatus) -> None:
        """Keep a pod's status in place of the one before, which then is its namespace's last to give up its place."""
        if uid in self._places:
            self._places.touch(uid)
        else:
            if self._places.is_full(uid):
                replaced = self._places.replaceable(uid, namespace, is_idle=lambda _: True)
                self.evicted += 1
                if replaced is None:
                    return
                self._places.remove(replaced)
                del self._statuses[replaced]
            self._places.add(uid, namespace)
        self._statuses[uid] = status

    def add(self, uid: str, namespace: str, status: PodStatus) -> None:
        """Keep what is newly known of a pod, beside what was known before."""
        before = self._statuses.get(uid)
        self.set(uid, namespace, merge_statuses(before, status) if before else status)


def _probe_key(failure: ProbeFailure) -> object:
    return failure.kind, failure.first, failure.message


def _incident_key(incident: Incident) -> object:
    return incident.reason, incident.first, incident.message


def _latest(items: Iterable[T], key: Callable[[T], object], limit: int) -> tuple[T, ...]:
    """Return the latest of the items, each of them as it was read last, oldest first."""
    different = {key(item): item for item in items}
    return tuple(sorted(different.values(), key=lambda item: (item.last, item.first))[-limit:])
