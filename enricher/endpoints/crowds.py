"""Addresses at which slices name so many pods at one time that comparing them would tell nothing, but cost much. Pure.

Only pods on the host's network share an address, and they have different ports. Anybody may write more into slices, and
change them all the time. So the pods of such a crowd are not compared with each other, and the answer is the same for
all attempts of some seconds: the work for a line does not grow with the number of pods, or of changes.
"""

from enricher.endpoints.ports import ports_overlap
from enricher.endpoints.tenure import Tenure
from enricher.timestamps import SECOND

MAX_HOLDERS = 16
"""Largest number of pods at one address and port, at about one time, that are compared with each other."""
MAX_NEAR = 64
"""Largest number of pods of that address and port that are compared if some have left, or came only later."""
SLOT = 10 * SECOND
"""Length (ns) of the times in which all attempts at a crowded address have one answer."""

Range = tuple[int, int]
"""Two times in ns, the earlier one first."""


def slot_of(start: int, end: int) -> Range:
    """Return the whole slots in which a time lies, from and to (ns); the end is not part of them."""
    return start // SLOT * SLOT, (end // SLOT + 1) * SLOT


def crowd_at(tenures: list[Tenure], port: int | None, present: Range, near: Range) -> list[Tenure]:
    """Return the tenures with a port that held an address at some time of two ranges, if they are a crowd; else none.

    Those of the longer range, `near`, may be more: most of them have left, or are yet to come.
    """
    if len(tenures) <= MAX_HOLDERS or any(tenure.is_fixed for tenure in tenures):
        return []
    tenures = [t for t in _during(tenures, near) if port is None or ports_overlap({port}, t.ports)]
    crowd = _during(tenures, present)
    return crowd if len(crowd) > MAX_HOLDERS else tenures if len(tenures) > MAX_NEAR else []


def _during(tenures: list[Tenure], times: Range) -> list[Tenure]:
    begin, end = times
    return [t for t in tenures if t.since_earliest <= end and begin <= t.until_latest]
