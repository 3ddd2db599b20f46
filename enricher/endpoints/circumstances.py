"""What was happening to a pod around an attempt at it, as far as that may have ended the attempt. Pure.

The slices report that a pod is being shut down, that it is ready for the first time, and that it is no longer ready.
The pod's status, where it is known, reports that one of its containers ended.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import chain

from enricher.endpoints.attribution import Window
from enricher.endpoints.pod_status import ContainerEnd, PodStatus
from enricher.endpoints.tenure import FOREVER, MAX_READY_CHANGES, Tenure
from enricher.timestamps import SECOND

AFTERMATH = 5 * SECOND
"""Time (ns) after an attempt within which the slices report what ended it.

A kubelet reports a container that ended after at most about 2 s, and the slices follow within a second.
"""
SHUTDOWN_LAG = SECOND
"""Time (ns) by which the slices may be late to report that a pod is terminating.

It is marked before anything else happens to it. The earliest failure was seen 28 ms before the slices reported that.
"""
STARTING_TIME = 30 * SECOND
"""Time (ns) for which a pod that has become ready may not really serve yet."""


class Circumstance(StrEnum):
    """What was happening to the pod of an attempt."""

    SHUTTING_DOWN = "shutting down"
    """The pod was terminating, or had left the slices, before the attempt began."""
    SHUT_DOWN_THEN = "shut down then"
    """The pod began to terminate, or left the slices, during the attempt or shortly afterwards."""
    NEVER_READY = "never ready"
    """The pod had never been ready."""
    JUST_READY = "just ready"
    """The pod had become ready for the first time a short while ago, and stayed so for some time."""
    JUST_READY_SO_FAR = "just ready so far"
    """The same, but it is too early to know what follows."""
    CONTAINER_ENDED = "container ended"
    """A container of the pod ended during the attempt, or before it and was not running yet."""
    OUT_OF_MEMORY = "out of memory"
    """The same, and the kernel had ended it because its memory limit was exceeded."""
    STOPPED = "stopped"
    """A container of the pod ended likewise, after the pod had begun to terminate."""
    NOT_READY = "not ready"
    """The pod had been ready and was not, at some time during the attempt, or shortly before it or afterwards."""
    STEADY = "steady"
    """The pod was ready for some time before the attempt and after it."""
    STEADY_SO_FAR = "steady so far"
    """The pod was ready for some time before the attempt; it is too early to know what follows."""
    NOT_KNOWN = "not known"
    """None of these is certain."""


def circumstance_of(tenures: Sequence[Tenure], status: PodStatus | None, window: Window) -> Circumstance:
    """Return what was happening to a pod around an attempt, whose window this is.

    `tenures` are those of the pod at the address, oldest first.
    """
    begin, end = window.start, max(window.start, window.end_latest)
    begun = [tenure for tenure in tenures if tenure.since_earliest <= end]
    terminating = min(begun[-1].terminating_since, begun[-1].until) if begun else FOREVER
    for container_end in status.ends if status else ():
        if _was_down(container_end, begin, end):
            if terminating <= container_end.finished + SECOND:
                return Circumstance.STOPPED
            is_oom = container_end.reason == "OOMKilled"
            return Circumstance.OUT_OF_MEMORY if is_oom else Circumstance.CONTAINER_ENDED
    if not begun or begin < begun[-1].since or _is_vague(begun[-1], begin, end):
        return Circumstance.NOT_KNOWN
    if terminating <= begin:
        return Circumstance.SHUTTING_DOWN
    circumstance = _circumstance_of_readiness(begun[-1], begin, min(end + AFTERMATH, terminating))
    if circumstance is not Circumstance.NOT_READY and terminating <= end + SHUTDOWN_LAG:
        return Circumstance.SHUT_DOWN_THEN
    return circumstance


def without_hindsight(circumstance: Circumstance, tenures: Sequence[Tenure]) -> Circumstance:
    """Return the circumstance of an attempt if it is too early to know all that follows.

    What follows the beginning of a pod's termination does not count.
    """
    is_over = tenures and min(tenures[-1].terminating_since, tenures[-1].until) != FOREVER
    return circumstance if is_over else _SO_FAR.get(circumstance, circumstance)


_SO_FAR = {
    Circumstance.STEADY: Circumstance.STEADY_SO_FAR,
    Circumstance.JUST_READY: Circumstance.JUST_READY_SO_FAR,
}


def turning_points(tenures: Sequence[Tenure], status: PodStatus | None) -> Iterator[int]:
    """Yield the times (ns) between which all attempts have the same circumstances."""
    for t in tenures:
        changes = (t.terminating_since, t.until, *t.serving_changes, *chain(*t.vague_changes))
        yield from (t.since, t.since_earliest, t.until_latest, t.ready_since)
        for change in changes:
            yield from (change, change - AFTERMATH, change - SHUTDOWN_LAG, change + AFTERMATH, change + STARTING_TIME)
    for container_end in status.ends if status else ():
        yield from (container_end.finished, container_end.finished + SECOND)
        if container_end.restarted is not None:
            yield container_end.restarted + SECOND


def _circumstance_of_readiness(tenure: Tenure, begin: int, end: int) -> Circumstance:
    """Return what the pod's readiness was around `begin` (ns), and until `end`."""
    changes = tenure.serving_changes
    before = [change for change in changes if change <= begin]
    around = [change for change in changes if begin < change < end]
    is_ready = len(before) % 2 == 1
    if not is_ready and not before:
        has_dropped_some = len(changes) >= MAX_READY_CHANGES - 1
        is_observed = tenure.since_earliest == tenure.since and not has_dropped_some
        return Circumstance.NEVER_READY if is_observed else Circumstance.NOT_KNOWN
    has_just_recovered = len(before) > 1 and begin - before[-1] < AFTERMATH
    if not is_ready or around or has_just_recovered:
        return Circumstance.NOT_READY
    is_first = len(before) == 1 and (before[0] > tenure.since or tenure.since_earliest == tenure.since)
    if is_first and begin - before[0] < STARTING_TIME:
        return Circumstance.JUST_READY
    return Circumstance.STEADY if before[-1] <= begin - AFTERMATH else Circumstance.NOT_KNOWN


def _was_down(container_end: ContainerEnd, begin: int, end: int) -> bool:
    """Return whether a container may have ended between two times (ns), or was down then; its times are seconds."""
    restarted = container_end.restarted
    return container_end.finished <= end and (restarted is None or begin < restarted + SECOND)


def _is_vague(tenure: Tenure, begin: int, end: int) -> bool:
    return any(first <= end + AFTERMATH and begin < last for first, last in tenure.vague_changes)
