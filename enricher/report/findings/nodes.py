"""Which nodes were away as a whole, judged by the attempts at their pods. Pure."""

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
    tallies = [tally for tally in tallies if tally.node]
    for node in sorted({tally.node for tally in tallies if tally.unanswered}):
        own = [tally for tally in tallies if tally.node == node]
        others = [tally for tally in tallies if tally.node != node]
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


def _is_alone(others: list[PodTally], window: Window) -> bool:
    """Return whether the pods of other nodes answered within the window, all of them."""
    silences = (silence for tally in others if (silence := _silence_of(tally)))
    if any(start <= window[1] and end >= window[0] for start, end in silences):
        return False
    return any(_answered_within(tally, window) for tally in others)


def _silence_of(tally: PodTally) -> Window | None:
    if tally.first_unanswered is None or tally.last_unanswered is None:
        return None
    return tally.first_unanswered, tally.last_unanswered


def _answered_within(tally: PodTally, window: Window) -> bool:
    if tally.first is None or tally.last_good is None:
        return False
    return tally.first <= window[1] and tally.last_good >= window[0]
