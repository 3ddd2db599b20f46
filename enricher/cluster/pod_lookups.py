"""Which pod to ask the API server about next. Pure: the time is passed in.

Only pods at which attempts failed are looked up, each of them some times: the kubelet reports the end of a container a
second or more after connections broke, and then when it began again. They wait in turns of their namespaces, so that
neither a tenant nor a mass failure delays the others.
"""

import re
from math import inf
from typing import NamedTuple

from enricher.endpoints.slices import Owner
from enricher.fair_share import FairShare

MAX_WAITING = 1000
"""Largest number of pods that are looked up in turn. At 5 requests a second, more would wait for too long."""
AGES = (0.0, 2.0, 10.0, 30.0)
"""Seconds after a pod's first failure at which it is looked up."""
AGES_WITH_EVENTS = frozenset((2.0, 30.0))
"""Those at which its Events are read too. A list of Events costs the API server more than a pod."""


_UID = re.compile(r"[0-9A-Za-z-]+")


class Lookup(NamedTuple):
    """One look-up that is due."""

    owner: Owner
    with_events: bool


class _Pod:
    """A pod at which attempts failed."""

    __slots__ = ("due", "number", "owner")

    def __init__(self, owner: Owner, now: float) -> None:
        self.owner = owner
        self.due = now
        """When the next look-up is due (seconds); inf if none is."""
        self.number = 0
        """Number of look-ups in this round, of which there are as many as AGES."""


class LookupQueue:
    """The pods at which attempts failed, and when to look them up."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._places = FairShare[str, str](limit)
        self._pods: dict[str, _Pod] = {}
        self._turns: dict[str, int] = {}
        """The number of the last look-up of each namespace."""
        self._number = 0
        self.skipped = 0
        """How often a pod that failed was not looked up: too many of its namespace wait, or its uid is not one."""

    def report_failure(self, owner: Owner, now: float) -> None:
        """Look up a pod at which an attempt failed; `now` is in seconds.

        A pod with an unusual uid is skipped: a tenant wrote it into a slice, and it would become part of a selector.
        Without any uid, a pod cannot be told from others of its name.
        """
        if not owner.uid or not owner.namespace or not owner.pod:
            return
        if not _UID.fullmatch(owner.uid):
            self.skipped += 1
            return
        if pod := self._pods.get(owner.uid):
            if pod.due == inf:
                pod.due, pod.number = now, 0
            return
        if self._places.is_full(owner.uid):
            replaced = self._places.replaceable(owner.uid, owner.namespace, self._has_been_looked_up)
            if replaced is None:
                self.skipped += 1
                return
            self.skipped += not self._has_been_looked_up(replaced)
            self._places.remove(replaced)
            del self._pods[replaced]
        self._places.add(owner.uid, owner.namespace)
        self._pods[owner.uid] = _Pod(owner, now)

    def _has_been_looked_up(self, uid: str) -> bool:
        return self._pods[uid].number > 0

    def take(self, now: float) -> Lookup | None:
        """Return the next look-up that is due, of the namespace that had none for the longest time."""
        due = [pod for pod in self._pods.values() if pod.due <= now]
        if not due:
            return None
        pod = min(due, key=lambda pod: (self._turns.get(pod.owner.namespace, 0), pod.due))
        self._number += 1
        if len(self._turns) > 2 * MAX_WAITING:
            self._turns.clear()  # of namespaces that have long had no pod, too
        self._turns[pod.owner.namespace] = self._number
        age = AGES[pod.number]
        pod.number += 1
        # One that came late leaves out no other: each is as long after it as it would have been.
        pod.due = now + AGES[pod.number] - age if pod.number < len(AGES) else inf
        return Lookup(pod.owner, age in AGES_WITH_EVENTS)

    @property
    def waiting(self) -> int:
        """Return the number of pods that have not been looked up since they failed."""
        return sum(not pod.number for pod in self._pods.values())

    def next_due(self) -> float:
        """Return when the next look-up is due (seconds); inf if none is."""
        return min((pod.due for pod in self._pods.values()), default=inf)
