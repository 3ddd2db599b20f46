"""The tenures of an address in relation to each other: who took over from whom, and who shares the address. Pure."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush
from typing import NamedTuple

from enricher.endpoints.ports import ports_overlap
from enricher.endpoints.tenure import FOREVER, Tenure


class Span(NamedTuple):
    """A tenure as limited by the pod that took the address over, in ns.

    The pod certainly held the address in [certain_from, certain_until), and possibly in [possible_from,
    possible_until).
    """

    tenure: Tenure
    certain_from: int
    certain_until: int
    possible_from: int
    possible_until: int


def spans_of_port(tenures: list[Tenure], port: int | None, certain_until: int = FOREVER) -> list[Span]:
    """Return the spans of those tenures of an IP that matter for one of its ports.

    Each ends where the next holder took over. Open tenures are certain only until `certain_until` (ns). Of fixed
    addresses, the one with this port is chosen, else the one that stands for all other ports.
    """
    if any(tenure.is_fixed for tenure in tenures):
        tenures = [t for t in tenures if port in t.ports] or [t for t in tenures if None in t.ports or not t.is_fixed]
    if len(tenures) == 1:
        return [_span(tenures[0], None, certain_until)]
    tenures = [t for t in tenures if port is None or ports_overlap({port}, t.ports)] or tenures
    successors = _successors(tenures)
    return [_span(tenure, successors.get(tenure), certain_until) for tenure in tenures]


def _successors(tenures: list[Tenure]) -> dict[Tenure, Tenure]:
    """Return the tenure that took the address over, for each tenure with such a successor.

    `share_address` has the rule. This is one pass in the order of time, because anybody may name many pods at one
    address.
    """
    successors = dict[Tenure, Tenure]()
    ending, order = list[tuple[int, int, Tenure]](), sorted(tenures, key=lambda t: (t.since, t.since_earliest))
    terminating = defaultdict[str, list[tuple[int, int, Tenure]]](list)
    by_name = dict[tuple[str, str], Tenure]()
    begun = 0
    for tenure in order:
        # Tenures that began at one time do not take over from each other.
        while order[begun].since < tenure.since:
            old = order[begun]
            heappush(ending, (old.until, begun, old))
            heappush(terminating[old.owner.namespace], (old.terminating_since, begun, old))
            by_name[old.owner.namespace, old.owner.pod] = old
            begun += 1
        while ending and ending[0][0] <= tenure.since:
            successors.setdefault(heappop(ending)[2], tenure)
        namespace, pod = tenure.owner.namespace, tenure.owner.pod
        if pod and (same_name := by_name.pop((namespace, pod), None)):
            successors.setdefault(same_name, tenure)
        queue, others = terminating[namespace], list[tuple[int, int, Tenure]]()
        while queue and queue[0][0] <= tenure.since:
            entry = heappop(queue)
            if ports_overlap(entry[2].ports, tenure.ports):
                successors.setdefault(entry[2], tenure)
            elif entry[2].until > tenure.since:
                others.append(entry)
        for entry in others:
            heappush(queue, entry)
    return successors


def _span(tenure: Tenure, successor: Tenure | None, history_certain_until: int) -> Span:
    certain_until = tenure.until if tenure.is_fixed else min(tenure.until, history_certain_until)
    possible_until = tenure.until_latest
    if successor:
        certain_until = min(certain_until, max(successor.since_earliest, tenure.since))
        possible_until = min(possible_until, successor.since)
    return Span(tenure, tenure.since, certain_until, tenure.since_earliest, possible_until)
