"""Times at which slices name so many pods at an address that comparing them would tell nothing, but cost much. Pure.

Only pods on the host's network share an address, and they have different ports. Anybody may write more into slices, and
change them all the time. So the pods of such a crowd are not compared with each other, and the answer is the same for
all attempts while it lasts: the work for a line does not grow with the number of pods, or of changes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from enricher.endpoints.tenure import Tenure
from enricher.timestamps import SECOND

MAX_HOLDERS = 16
"""Largest number of pods at one address and port, at about one time, that are compared with each other."""
RECENT = 10 * SECOND
"""Time (ns) for which a pod that left counts as one of them, so that those that come and go are a crowd as well."""


class Crowd(NamedTuple):
    """The pods that slices name at an address from `begin` until `end` (ns); the end is not part of it."""

    begin: int
    end: int
    tenures: tuple[Tenure, ...]

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether an attempt from `start` to `end` (ns) falls into it."""
        return self.begin <= end and start < self.end


def find_crowds(tenures: Sequence[Tenure], lost: tuple[int, int]) -> list[Crowd]:
    """Return the crowds of an address, oldest first; there is none at an address that never changes hands.

    `lost` is from when until when (ns) there were tenures that have been dropped. They belong to the crowd after them.
    """
    if len(tenures) <= MAX_HOLDERS or any(tenure.is_fixed for tenure in tenures):
        return []
    begins = ((tenure.since_earliest, +1) for tenure in tenures)
    ends = ((tenure.until_latest + RECENT, -1) for tenure in tenures)
    crowds, holders, begin = list[Crowd](), 0, 0
    for at, change in sorted((*begins, *ends)):
        holders += change
        if change > 0 and holders == MAX_HOLDERS + 1:
            begin = at
        elif change < 0 and holders == MAX_HOLDERS:
            crowds.append(Crowd(min(begin, lost[0]) if begin <= lost[1] + RECENT else begin, at, ()))
    return [crowd._replace(tenures=tuple(t for t in tenures if _is_part(t, crowd))) for crowd in crowds]


def _is_part(tenure: Tenure, crowd: Crowd) -> bool:
    return tenure.since_earliest < crowd.end and crowd.begin < tenure.until_latest + RECENT
