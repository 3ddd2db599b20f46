"""How late an attempt was: for how long its pod had been one that should get no more. Pure.

Proxies learn from the slices that a pod terminates or is no longer ready, and send it requests until they have. How
long that took is given only where both the pod's state as the attempt began and the beginning of that state are
certain. An attempt at a pod that has not been ready yet is not late.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from enricher.endpoints.states import is_observed, state_between
from enricher.endpoints.tenure import FOREVER, Tenure
from enricher.timestamps import MILLISECOND
from enricher.vocabulary import State


class Lateness(NamedTuple):
    """How late an attempt was that began in a state in which its pod should get none."""

    state: State
    ns: int
    """Whole milliseconds since the pod was no longer ready; since it began to terminate, if it did, even if it is gone.

    A pod may also be gone without having terminated; then they are those since it left the slices.
    """


def lateness_between(tenures: Sequence[Tenure], earliest: int, latest: int, certain_until: int) -> Lateness | None:
    """Return how late an attempt was that began from `earliest` to `latest` (ns), at least.

    Return None if it was not late, or if that is not certain. The arguments are those of `state_between`.
    """
    state, since, _ = state_between(tenures, earliest, latest, certain_until)
    tenure = [tenure for tenure in tenures if tenure.since_earliest <= latest][-1] if state else None
    if tenure is None or state is State.READY:
        return None
    if state is State.GONE and tenure.terminating_since != FOREVER:
        since = tenure.terminating_since if is_observed(tenure, tenure.terminating_since) else None
    if state is State.NOT_READY and since not in tenure.serving_changes:
        since = None
    return None if since is None else Lateness(state, (earliest - since) // MILLISECOND * MILLISECOND)


def late_periods(tenures: Sequence[Tenure]) -> Iterator[tuple[int, int]]:
    """Yield the times (ns) between which an attempt at a pod may be late."""
    for tenure in tenures:
        ends = (*tenure.serving_changes, FOREVER)
        yield from ((ends[n], ends[n + 1]) for n in range(1, len(ends) - 1, 2))
        if (end := min(tenure.terminating_since, tenure.until)) < FOREVER:
            yield end, FOREVER
