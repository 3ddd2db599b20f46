"""Whether failures keep to one pod, node, zone, revision or route, more than chance would have it. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import exp, log
from typing import NamedTuple

from enricher.report.findings.groups import EntryTally, FailureGroup, PodTally, Tally

MIN_SHARE = 0.9
"""Smallest share of the failures that one place must have."""
MAX_CHANCE = 0.001
"""Largest probability with which that would happen if all places were alike."""
MIN_ORDER = 20
"""Attempts at other revisions before the first at one that counts as new: one that was there gets some before."""


class Place(NamedTuple):
    """One pod, node, zone, revision, route, listener or Gateway that has the failures, and how the others did."""

    dimension: str
    name: str
    failures: int
    """Those of the group in this place."""
    others: tuple[str, ...]
    good_elsewhere: int
    """Attempts that went well in other places."""
    is_new: bool = False
    """Whether it is a revision that came later than the others."""
    is_concurrent: bool = True
    """Whether the others were tried while the failures happened."""


def concentrations(group: FailureGroup, peers: Sequence[PodTally]) -> Iterator[Place]:
    """Yield the places to which the failures keep: the narrowest of pod, node and zone, and the revision.

    `peers` are all pods of the group's services. Those that were not tried while the failures happened prove nothing,
    except that an older revision did not fail before.
    """
    everyone, peers = peers, [tally for tally in peers if _was_tried_during(group, tally)]
    named = [("" if is_address(tally.pod) else tally.pod, tally) for tally in peers]
    pods = _concentration("pod", group, group.pods, named)
    nodes = _concentration("node", group, group.nodes, [(tally.node, tally) for tally in peers])
    zones = _concentration("zone", group, group.zones, [(tally.facts.zone, tally) for tally in peers])
    if place := pods or nodes or zones:
        yield place
    revision_of = {tally.pod: tally.facts.revision for tally in everyone}
    by_revision = [(tally.facts.revision, tally) for tally in everyone]
    during = _concentration("revision", group, group.revisions, [(tally.facts.revision, tally) for tally in peers])
    revision = during or _concentration("revision", group, group.revisions, by_revision)
    if revision is None or (pods and len(_pods_of(revision.name, revision_of)) == 1):
        return
    is_new = _is_new(revision.name, everyone)
    if during or is_new:
        yield revision._replace(is_new=is_new, is_concurrent=during is not None)


def entry_concentration(group: FailureGroup, entries: Sequence[EntryTally]) -> Place | None:
    """Return the route by which the failures came, else the listener, else the Gateway; None if there is none.

    `entries` are those of the group's services.
    """
    failures = {"route": group.routes, "listener": group.listeners, "gateway": group.gateways}
    tried = [entry for entry in entries if _was_tried_during(group, entry)]
    places = (
        _concentration(
            dimension, group, counts, [(entry.name, entry) for entry in tried if entry.dimension == dimension]
        )
        for dimension, counts in failures.items()
    )
    return next(filter(None, places), None)


def _was_tried_during(group: FailureGroup, tally: Tally) -> bool:
    """Return whether there were attempts before the last failure and after the first; also if a time is not known."""
    if None in {group.first, group.last, tally.first, tally.last}:
        return True
    return tally.first <= group.last and tally.last >= group.first  # type: ignore[operator]


def is_address(pod: str) -> bool:
    """Return whether an address stands for a pod whose name is not known; names of pods have no colon or slash."""
    return ":" in pod or "/" in pod


def _concentration(
    dimension: str,
    group: FailureGroup,
    failures: Counter[str],
    tallies: Sequence[tuple[str, Tally]],
) -> Place | None:
    """Return the place with nearly all failures, of those in `tallies`, which have the attempts in each."""
    attempts, good = Counter[str](), Counter[str]()
    for place, tally in tallies:
        if place:
            attempts[place] += tally.attempts
            good[place] += tally.good
    if not failures or len(attempts) < 2:
        return None
    name, number = failures.most_common(1)[0]
    elsewhere = good.total() - good[name]
    if number < MIN_SHARE * group.failures or not elsewhere or name not in attempts:
        return None
    if _chance(number, group.failures, attempts[name] / attempts.total()) > MAX_CHANCE:
        return None
    return Place(dimension, name, number, tuple(sorted(attempts.keys() - {name})), elsewhere)


def _chance(hits: int, trials: int, share: float) -> float:
    """Return a bound of the probability of at least so many hits if each trial hits with probability `share`.

    It is Chernoff's bound, which is exact if all trials hit.
    """
    part = hits / trials
    if part <= share:
        return 1.0
    missed = 0.0 if part == 1 else (1 - part) * log((1 - part) / (1 - share))
    return exp(-trials * (part * log(part / share) + missed))


def _pods_of(place: str, place_of: dict[str, str]) -> list[str]:
    return [pod for pod, own_place in place_of.items() if own_place == place]


def _is_new(revision: str, peers: Sequence[PodTally]) -> bool:
    """Return whether pods of other revisions had got requests for a while when the first pod of this one got any."""
    first = min(tally.order for tally in peers if tally.facts.revision == revision)
    others = [tally.order for tally in peers if tally.facts.revision not in {"", revision}]
    return first >= MIN_ORDER and min(others) < first and all(order < first for order in others)
