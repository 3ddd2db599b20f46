"""The state of a pod as an attempt at it began, and for how long it had been in it. Pure.

The state is what the slices reported, as of when the watch reported it. It is given only if it is the same at all times
at which the attempt can have begun.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from enricher.endpoints.history import History
from enricher.endpoints.slices import Owner, split_address
from enricher.endpoints.tenure import MAX_READY_CHANGES, Tenure
from enricher.vocabulary import State

_LEAST_CHANGES_IF_DROPPED = MAX_READY_CHANGES - 1
"""Least number of changes of a tenure that has dropped some."""


class PodState(NamedTuple):
    """The state of a pod at a time."""

    state: State
    since: int | None
    """When (ns) it came into the state; None if nobody saw that."""
    first_ready: int | None
    """When (ns) it was first ready; None if it was not until then, or if nobody saw that."""


NOT_KNOWN = PodState(State.NONE, None, None)
"""The state of a pod of which the slices report nothing certain."""


def tenures_of_owner(pods: History, addr: str, owner: Owner | None) -> list[Tenure]:
    """Return the tenures of a pod at an address, oldest first; none if no time is known at which it had a state."""
    ip, port = split_address(addr)
    if not ip or not owner or pods.is_snapshot:
        return []
    return [t for t in pods.tenures_of_address(ip, port) if t.owner == owner and not t.is_fixed]


def state_between(tenures: Sequence[Tenure], earliest: int, latest: int, certain_until: int) -> PodState:
    """Return the state of a pod at a time from `earliest` to `latest` (ns); NOT_KNOWN if it may have changed then.

    `tenures` are those of the pod. The watch is certain to have reported everything before `certain_until` (ns).
    """
    begun = [tenure for tenure in tenures if tenure.since_earliest <= latest]
    if not begun or latest >= certain_until or earliest < begun[-1].since:
        return NOT_KNOWN
    tenure = begun[-1]
    if any(begin <= latest and earliest < end for begin, end in tenure.vague_changes):
        return NOT_KNOWN
    state, since = _state_and_beginning(tenure, earliest, latest)
    if state is State.NONE:
        return NOT_KNOWN
    dropped = len(tenure.serving_changes) >= _LEAST_CHANGES_IF_DROPPED
    first_ready = tenure.ready_since if dropped else min(tenure.serving_changes, default=latest + 1)
    is_past = first_ready <= earliest and is_observed(tenure, first_ready)
    return PodState(state, since if is_observed(tenure, since) else None, first_ready if is_past else None)


def _state_and_beginning(tenure: Tenure, earliest: int, latest: int) -> tuple[State, int]:
    """Return the state from one time to another, and since when (ns) it lasts; NONE if it changes between them."""
    nothing = State.NONE, earliest
    if latest >= tenure.until:
        is_gone = earliest >= tenure.until_latest
        return (State.GONE, tenure.until) if is_gone else nothing
    if latest >= tenure.terminating_since:
        is_terminating = earliest >= tenure.terminating_since
        return (State.TERMINATING, tenure.terminating_since) if is_terminating else nothing
    changes = tenure.serving_changes
    number = bisect_right(changes, earliest)
    if number < bisect_right(changes, latest) or (not number and len(changes) >= _LEAST_CHANGES_IF_DROPPED):
        return nothing
    return State.READY if number % 2 else State.NOT_READY, changes[number - 1] if number else tenure.since


def is_observed(tenure: Tenure, at: int) -> bool:
    """Return whether a change that was reported at a time (ns) is known to have happened then."""
    if at == tenure.until and tenure.until < tenure.until_latest:
        return False
    if any(begin <= at <= end for begin, end in tenure.vague_changes):
        return False
    return at > tenure.since or tenure.since_earliest == tenure.since
