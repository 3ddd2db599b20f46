"""Which nodes were away as a whole, judged by the attempts at their pods. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from enricher.report.findings.groups import PodTally

MIN_PODS_OF_NODE = 2
"""Smallest number of pods without an answer for which a node is blamed: one may have its own reason."""
Window = tuple[int, int]
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
        if (window := _silence(own)) and _is_alone(others, window):
            yield node


def _silence(tallies: list[PodTally]) -> Window | None:
    """Return from when to when all pods of a node were silent; None if one answered, or if there are too few."""
    silent = [tally for tally in tallies if tally.unanswered]
    windows = [window for tally in silent if (window := _silence_of(tally))]
    if not windows or len({(tally.namespace, tally.pod) for tally in silent}) < MIN_PODS_OF_NODE:
        return None
    window = min(start for start, _ in windows), max(end for _, end in windows)
    answered = any(tally.good_between for tally in silent) or any(
        _answered_within(tally, window) for tally in tallies if not tally.unanswered
    )
    return None if answered else window


def _is_alone(others: Iterable[PodTally], window: Window) -> bool:
    """Return whether the pods of other nodes answered within the window, all of them."""
    has_answer = False
    for tally in others:
        silence = _silence_of(tally)
        if silence and silence[0] <= window[1] and silence[1] >= window[0]:
            return False
        has_answer = has_answer or _answered_within(tally, window)
    return has_answer


def _silence_of(tally: PodTally) -> Window | None:
    if tally.first_unanswered is None or tally.last_unanswered is None:
        return None
    return tally.first_unanswered, tally.last_unanswered


def _answered_within(tally: PodTally, window: Window) -> bool:
    if tally.first is None or tally.last_good is None:
        return False
    return tally.first <= window[1] and tally.last_good >= window[0]
