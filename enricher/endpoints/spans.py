"""The tenures of an address in relation to each other: who took over from whom, and who shares the address. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from enricher.endpoints.slices import IDENTITY
from enricher.endpoints.tenure import FOREVER, Tenure, ports_overlap
from enricher.timestamps import SECOND

TAKEOVER_OVERLAP = 5 * SECOND
"""Longest time (ns) for which two pods are in the slices with one address in a takeover; if longer, they share it."""


class Span(NamedTuple):
    """A tenure as limited by its successors, in ns.

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
        return [_span(tenures[0], (), certain_until)]
    tenures = [t for t in tenures if port is None or ports_overlap({port}, t.ports)] or tenures
    return [
        _span(tenure, [t for t in tenures if t.since > tenure.since and not _share_address(tenure, t)], certain_until)
        for tenure in tenures
    ]


def _span(tenure: Tenure, successors: Iterable[Tenure], history_certain_until: int) -> Span:
    certain_until = tenure.until if tenure.is_fixed else min(tenure.until, history_certain_until)
    possible_until = tenure.until_latest
    for successor in successors:
        certain_until = min(certain_until, max(successor.since_earliest, tenure.since))
        possible_until = min(possible_until, successor.since)
    return Span(tenure, tenure.since, certain_until, tenure.since_earliest, possible_until)


def _share_address(tenure: Tenure, other: Tenure) -> bool:
    """Return whether two tenures of an IP are of pods that share it (host network), so that neither took it over."""
    first, second = sorted((tenure, other), key=lambda tenure: tenure.since)
    if first.owner[IDENTITY] == second.owner[IDENTITY]:
        return False
    overlap = min(first.until, second.until) - second.since
    hands_over = first.terminating_since <= second.since and ports_overlap(first.ports, second.ports)
    return overlap > TAKEOVER_OVERLAP and not hands_over
