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
    """The pod was terminating, or had left the slices, before the attempt began, or it was evicted."""
    SHUT_DOWN_THEN = "shut down then"
    """The pod began to terminate, or left the slices, during the attempt or shortly afterwards."""
    NEVER_READY = "never ready"
    """The pod had never been ready."""
    JUST_READY = "just ready"
    """The pod had become ready for the first time a short while ago, and stayed so for some time."""
    JUST_READY_SO_FAR = "just ready so far"
    """The same, but it is too early to know what follows."""
    CONTAINER_ENDED = "container ended"
    """The only container of the pod had ended as the attempt was over, and was not running yet."""
    OUT_OF_MEMORY = "out of memory"
    """The same, and the kernel had ended it because its memory limit was exceeded."""
    ENDED_ABOUT_THEN = "container ended about then"
    """A container of the pod had ended, but another may be the one that serves; or the attempt was over within the
    second in which it ended or began again; or it had begun again, and the pod had not been ready since."""
    OUT_OF_MEMORY_ABOUT_THEN = "out of memory about then"
    """The same, and the kernel had ended it because its memory limit was exceeded."""
    STOPPED = "stopped"
    """The only container of the pod was down, and had ended after the pod had begun to terminate."""
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
    if status and (circumstance := _circumstance_of_containers(status, begun, window)):
        return circumstance
    terminating = min(begun[-1].terminating_since, begun[-1].until) if begun else FOREVER
    if not begun or begin < begun[-1].since or _is_vague(begun[-1], begin, end):
        return Circumstance.NOT_KNOWN
    if terminating <= begin:
        return Circumstance.SHUTTING_DOWN
    # A stream that was cut is not the worse for what it has survived.
    last_moment = max(begin, window.end_earliest)
    circumstance = _circumstance_of_readiness(begun[-1], begin, last_moment, min(end + AFTERMATH, terminating))
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
            yield from (container_end.restarted, container_end.restarted + SECOND)


def _circumstance_of_readiness(tenure: Tenure, begin: int, last_moment: int, end: int) -> Circumstance:
    """Return what the readiness was from `begin` to `end` (ns); the attempt lasted until `last_moment` or longer."""
    changes = tenure.serving_changes
    before = [change for change in changes if change <= begin]
    if not before:
        has_dropped_some = len(changes) >= MAX_READY_CHANGES - 1
        is_observed = tenure.since_earliest == tenure.since and not has_dropped_some
        return Circumstance.NEVER_READY if is_observed else Circumstance.NOT_KNOWN
    until_then = [change for change in changes if change <= last_moment]
    is_ready = len(until_then) % 2 == 1
    has_just_recovered = len(until_then) > 1 and last_moment - until_then[-1] < AFTERMATH
    if not is_ready or has_just_recovered or any(last_moment < change < end for change in changes):
        return Circumstance.NOT_READY
    if len(before) < len(until_then):
        return Circumstance.NOT_KNOWN
    is_first = len(before) == 1 and (before[0] > tenure.since or tenure.since_earliest == tenure.since)
    if is_first and begin - before[0] < STARTING_TIME:
        return Circumstance.JUST_READY
    return Circumstance.STEADY if before[-1] <= begin - AFTERMATH else Circumstance.NOT_KNOWN


def _circumstance_of_containers(status: PodStatus, begun: Sequence[Tenure], window: Window) -> Circumstance | None:
    """Return how the container ended that was down as an attempt was over; None if none was."""
    down = [(end, is_certain) for end in status.ends if (is_certain := _was_down(end, begun, window)) is not None]
    if not down:
        return None
    last, is_certain = down[-1]
    is_certain = is_certain and status.containers == 1
    earliest, latest = _termination(status, begun)
    if latest <= last.finished + SECOND:
        if is_certain:
            return Circumstance.STOPPED
        return Circumstance.SHUTTING_DOWN if latest <= max(window.start, window.end_latest) else None
    # A kubelet that evicts a pod does not delete it. When that was is not known: the container may have crashed before.
    is_evicted = status.evicted and status.deleted is None and last.restarted is None
    if earliest <= last.finished + SECOND or is_evicted:
        return Circumstance.SHUTTING_DOWN
    if last.reason == "OOMKilled":
        return Circumstance.OUT_OF_MEMORY if is_certain else Circumstance.OUT_OF_MEMORY_ABOUT_THEN
    return Circumstance.CONTAINER_ENDED if is_certain else Circumstance.ENDED_ABOUT_THEN


def _was_down(container_end: ContainerEnd, begun: Sequence[Tenure], window: Window) -> bool | None:
    """Return whether a container was certainly down at the end of an attempt; None if it certainly was not.

    That it was down at some other time of the attempt explains nothing: the attempt would have ended then. If nobody
    knows to the second when the attempt ended, the container must have been down all the time. The kubelet's times are
    whole seconds.
    """
    earliest = max(window.end_earliest, window.end_latest - SECOND)
    latest = min(window.end_latest, window.end_earliest + SECOND)
    finished, restarted = container_end.finished, container_end.restarted
    if finished > latest:
        return None
    if restarted is None or latest < restarted:
        return finished + SECOND <= earliest
    if earliest < restarted + SECOND:
        return False
    changes = begun[-1].serving_changes if begun else ()
    is_ready_again = any(finished < change <= latest for change in changes[::2])
    was_not_ready = len([change for change in changes if change <= earliest]) % 2 == 0
    return None if is_ready_again or not was_not_ready or not changes else False


def _termination(status: PodStatus, begun: Sequence[Tenure]) -> tuple[int, int]:
    """Return when (ns) a pod began to terminate at the earliest and at the latest.

    The pod itself says so exactly, as soon as it was read; the slices do unless the watch missed changes.
    """
    if status.deleted is not None:
        return status.deleted, status.deleted
    if not begun:
        return FOREVER, FOREVER
    tenure = begun[-1]
    since = tenure.terminating_since
    if since == FOREVER:
        return tenure.until, tenure.until_latest
    return min((begin for begin, end in tenure.vague_changes if begin <= since <= end), default=since), since


def _is_vague(tenure: Tenure, begin: int, end: int) -> bool:
    return any(first <= end + AFTERMATH and begin < last for first, last in tenure.vague_changes)
