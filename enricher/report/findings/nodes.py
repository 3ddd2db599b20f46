"""Which nodes were away as a whole, judged by the attempts at their pods. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from enricher.report.findings.groups import PodTally

MIN_PODS_OF_NODE = 2
"""Smallest number of pods without an answer for which a node is blamed: one may have its own reason."""
Period = tuple[int, int]
"""A first and a last time (ns)."""


def unreachable_nodes(tallies: Iterable[PodTally]) -> Iterator[str]:
    """Yield the nodes from which nothing came back while pods of other nodes answered.

    Every pod that was tried on the node in that time must have been silent throughout, and no pod elsewhere.
    """
    of_nodes = defaultdict[str, list[PodTally]](list)
    for tally in tallies:
        of_nodes[tally.node].append(tally)
    of_nodes.pop("", None)
    for node, own in sorted(of_nodes.items()):
        others = (tally for name, of_other in of_nodes.items() if name != node for tally in of_other)
        if (period := _silence(own)) and _is_alone(others, period):
            yield node


def _silence(tallies: list[PodTally]) -> Period | None:
    """Return from when to when all pods of a node were silent; None if one answered, or if there are too few."""
    silent = [tally for tally in tallies if tally.unanswered]
    periods = [period for tally in silent if (period := _silence_of(tally))]
    if not periods or len({(tally.namespace, tally.pod) for tally in silent}) < MIN_PODS_OF_NODE:
        return None
    period = min(start for start, _ in periods), max(end for _, end in periods)
    answered = any(tally.good_between for tally in silent) or any(
        _answered_within(tally, period) for tally in tallies if not tally.unanswered
    )
    return None if answered else period


def _is_alone(others: Iterable[PodTally], period: Period) -> bool:
    """Return whether the pods of other nodes answered within the period, all of them."""
    has_answer = False
    for tally in others:
        silence = _silence_of(tally)
        if silence and silence[0] <= period[1] and silence[1] >= period[0]:
            return False
        has_answer = has_answer or _answered_within(tally, period)
    return has_answer


def _silence_of(tally: PodTally) -> Period | None:
    if tally.first_unanswered is None or tally.last_unanswered is None:
        return None
    return tally.first_unanswered, tally.last_unanswered


def _answered_within(tally: PodTally, period: Period) -> bool:
    if tally.first is None or tally.last_good is None:
        return False
    return tally.first <= period[1] and tally.last_good >= period[0]
