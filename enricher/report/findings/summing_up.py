"""Makes a finding of a group of failures: its headline and the evidence, in plain words. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from enricher.report.findings.advice import advise
from enricher.report.findings.finding import Finding
from enricher.report.findings.groups import EntryTally, FailureGroup, PodTally
from enricher.report.findings.patterns import Place, concentrations, entry_concentration, is_address
from enricher.report.wording import amount, join_names, listed, span_text
from enricher.vocabulary import SURE_GRADES, Cause, CauseGrade, Grade, Outcome, State

HEADLINES: dict[str, str] = {
    Cause.SHUTTING_DOWN: "pods still got requests while they were shut down",
    Cause.STARTING: "pods got requests before they could answer",
    Cause.CRASHED: "a container crashed",
    Cause.OOM_KILLED: "a container was killed because it used too much memory",
    Cause.KEEPALIVE_RACE: "pods closed idle connections as the proxy used them again",
    Cause.TIMEOUT: "pods did not answer in time",
    Cause.NO_ENDPOINTS: "no pod was ready",
    Cause.APPLICATION: "the application answered with an error",
    Cause.UNKNOWN: "failures without a known cause",
}
_BROKEN_BY_REVISION = {Cause.APPLICATION, Cause.CRASHED, Cause.OOM_KILLED, Cause.TIMEOUT, Cause.UNKNOWN}
"""Causes that a faulty revision can have. Shutting down, for instance, concerns old revisions by its nature."""


def make_finding(
    group: FailureGroup,
    peers: Sequence[PodTally],
    entries: Sequence[EntryTally],
    tallies: Sequence[PodTally],
    reports: Sequence[str],
    *,
    services_of_route: Sequence[tuple[str, str]],
) -> Finding:
    """Return the finding of a group.

    `tallies` are the attempts at all pods, `peers` those at the pods of the group's services, and `entries` the same by
    how they came. `reports` are what the API server reports of some of the group's pods. `services_of_route` are the
    Services that other requests went to by the route of a group without a Service.
    """
    places = [place for place in concentrations(group, peers) if _matters(place, group)]
    entry = entry_concentration(group, entries)
    places += [entry] if entry and _matters(entry, group) else []
    broken = next((place for place in places if place.dimension == "revision" and place.is_new), None)
    return Finding(
        cause=group.cause,
        grade=CauseGrade.LIKELY if group.cause == Cause.UNREACHABLE_NODE else group.grade,
        headline=_headline(group, broken),
        failures=group.failures,
        requests=group.requests,
        attempts=sum(tally.attempts for tally in peers),
        seen_by_clients=group.seen,
        hidden=group.outcomes[Outcome.HIDDEN],
        services=["/".join(filter(None, names)) or "" for names, _ in group.services.most_common()],
        workloads=["/".join(filter(None, names)) for names, _ in group.workloads.most_common()],
        revisions=_ordered(group.revisions),
        pods=_ordered(group.pods),
        nodes=_ordered(group.nodes),
        routes=_ordered(group.routes),
        gateways=_ordered(group.gateways),
        first=group.first,
        last=group.last,
        evidence=[
            *_evidence(group, peers, tallies, places),
            *_route_texts(services_of_route),
            *reports,
            *_uncertainties(group),
        ],
        advice=advise(group, places, broken, pods_of_service=_pods_of(peers), services_of_route=services_of_route),
        examples=group.examples,
    )


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _matters(place: Place, group: FailureGroup) -> bool:
    """Return whether failures that keep to a place are evidence: a finding about a node keeps to it by definition."""
    if group.cause == Cause.UNREACHABLE_NODE:
        return False
    return place.dimension != "revision" or group.cause in _BROKEN_BY_REVISION


def _headline(group: FailureGroup, broken: Place | None) -> str:
    if group.cause == Cause.UNREACHABLE_NODE:
        return f"{group.node or 'a node'}: no pod of this node could be reached"
    headline = HEADLINES.get(group.cause, f"failures with the cause {group.cause}")
    if group.is_untried:
        headline = "no pod was tried"
    services = [name for names, _ in group.services.most_common() if (name := "/".join(filter(None, names)))]
    subject = listed(services or list(_ordered(group.routes)) or ["unknown service"])
    return f"{subject}: {headline}{', only in the new revision' if broken else ''}"


def _evidence(
    group: FailureGroup, peers: Sequence[PodTally], tallies: Sequence[PodTally], places: Sequence[Place]
) -> Iterator[str]:
    """Yield the evidence, one sentence each, the strongest first."""
    for place in places:
        yield _place_text(place, group, peers)
    if group.cause == Cause.UNREACHABLE_NODE:
        yield from _node_texts(group, tallies)
    yield from _state_texts(group)
    yield from _answer_texts(group)


def _place_text(place: Place, group: FailureGroup, peers: Sequence[PodTally]) -> str:
    all_of = "All" if place.failures == group.failures else f"{place.failures:,} of"
    failures = f"{all_of} {amount(group.failures, 'failure')}"
    subject = f"{failures} {'is' if group.failures == 1 else 'are'} on"
    few = "none" if place.failures == group.failures else f"{group.failures - place.failures:,}"
    well = f"where {amount(place.good_elsewhere, 'attempt')} went well"
    match place.dimension:
        case "pod":
            return f"{subject} one pod of {_pods_of(peers)}: {place.name}."
        case "revision":
            new = " (new)" if place.is_new else ""
            return f"{subject} revision {place.name}{new}, {few} on {listed(place.others)}, {well}."
        case "node":
            return f"{subject} pods of node {place.name}, {few} on {amount(len(place.others), 'other node')}, {well}."
        case "route" | "listener" | "gateway":
            noun = "Gateway" if place.dimension == "gateway" else place.dimension
            return f"{failures} came by {noun} {place.name}, {few} by {listed(place.others)}, {well}."
        case _:
            return f"{subject} pods of zone {place.name}, {few} in {listed(place.others)}, {well}."


def _pods_of(peers: Sequence[PodTally]) -> int:
    return len({tally.pod for tally in peers if not is_address(tally.pod)})


def _node_texts(group: FailureGroup, tallies: Sequence[PodTally]) -> Iterator[str]:
    others = [tally for tally in tallies if tally.node and tally.node != group.node]
    pods = "pod" if len(group.pods) == 1 else f"{len(group.pods)} pods"
    yield f"Nothing came back from the {pods} on node {group.node or '?'} that requests went to."
    if others:
        nodes = amount(len({tally.node for tally in others}), "other node")
        yield f"Meanwhile the pods on {nodes} answered."


_STATE_TEXTS: dict[str, str] = {
    State.READY: "while the pod was still ready in the slices",
    State.TERMINATING: "while the pod was shutting down",
    State.NOT_READY: "while the pod was not ready",
    State.GONE: "after the pod had left the slices",
}


def _state_texts(group: FailureGroup) -> Iterator[str]:
    known = [(number, _STATE_TEXTS[state]) for state, number in group.states.most_common() if state in _STATE_TEXTS]
    if known and group.cause != Cause.APPLICATION:
        parts = [f"{'all' if number == group.failures else f'{number:,}'} {text}" for number, text in known]
        rest = group.states[""]
        unknown = f"; of {rest:,} that is not certain" if rest else ""
        yield f"Attempts began: {join_names(parts)}{unknown}."
    if group.cause == Cause.SHUTTING_DOWN and group.late.total:
        times = [failure.seconds for failure in group.late.items]
        yield f"They began {span_text(times)} after the pod had begun to shut down."
    if group.cause == Cause.STARTING and group.ages.total:
        yield f"They began {span_text(group.ages.items)} after the pod was first ready."


def _answer_texts(group: FailureGroup) -> Iterator[str]:
    reasons = [f"{reason} {number:,}" for reason, number in group.reasons.most_common() if reason]
    if reasons and group.cause != Cause.NO_ENDPOINTS:
        yield f"The proxy's reasons: {', '.join(reasons[:5])}."
    statuses = [f"{status} {number:,}" for status, number in group.statuses.most_common() if status]
    if group.cause == Cause.APPLICATION:
        yield f"The pods' own answers: {', '.join(statuses[:5])}."
    if group.cause == Cause.NO_ENDPOINTS:
        yield f"No pod was tried. Clients got: {', '.join(statuses[:5])}."
    if group.cause == Cause.TIMEOUT and group.durations.total:
        yield f"The proxy gave up after {span_text(group.durations.items)}."


def _route_texts(services: Sequence[tuple[str, str]]) -> Iterator[str]:
    if services:
        yield f"Other requests by the same route went to {listed(['/'.join(names) for names in services])}."


def _uncertainties(group: FailureGroup) -> Iterator[str]:
    """Yield what makes the finding less sure."""
    certain, likely = group.grades[CauseGrade.CERTAIN], group.grades[CauseGrade.LIKELY]
    if certain and likely:
        yield f"The cause is certain of {certain:,}, likely of {likely:,}."
    guessed = sum(number for grade, number in group.attributions.items() if grade not in {"", *SURE_GRADES})
    if guessed:
        grades = [grade for grade in Grade if group.attributions[grade] and grade not in SURE_GRADES]
        yield f"The pod is not certain for {guessed:,} of them ({', '.join(grades)})."
    if group.cause == Cause.UNKNOWN and group.reasons[""] == group.failures:
        yield "No log gives a reason."
