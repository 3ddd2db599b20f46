"""What the API server reports of pods that failed, in sentences: how containers ended, and which probes failed."""

from collections.abc import Iterator
from functools import cached_property

from enricher.endpoints.attribution import Histories
from enricher.endpoints.pod_status import ContainerEnd, Incident, ProbeFailure
from enricher.report.record_view import Zone, datetime_in
from enricher.text import truncate
from enricher.timestamps import SECOND

NEARNESS = 60 * SECOND
"""Ns before the first failure of a finding and after the last one within which what a pod reports belongs to it."""
MAX_EACH = 2
"""Number of sentences of one kind for a pod, the latest ones."""
MAX_MESSAGE = 120
"""Characters of a message that are printed."""


class PodReports:
    """The statuses of the pods in some histories, which may be set later; times are in `zone`, else in UTC."""

    def __init__(self, zone: Zone | None = None) -> None:
        self.histories: Histories | None = None
        self._zone = zone

    def sentences(self, uid: str, first: int | None, last: int | None) -> Iterator[str]:
        """Yield what is known of a pod at about the time of its first and its last failure (ns)."""
        status = self.histories.statuses.of(uid) if self.histories and self.histories.statuses else None
        if status is None or first is None or last is None:
            return
        pod, begin, end = self._names.get(uid) or f"the pod {uid}", first - NEARNESS, last + NEARNESS
        ends = [each for each in status.ends if begin <= each.finished <= end]
        yield from (_end_text(pod, each, self._zone) for each in ends[-MAX_EACH:])
        if status.restarts:
            yield f"Containers of {pod} have begun again {_times(status.restarts)} in all."
        failures = [each for each in status.probe_failures if begin <= each.last and each.first <= end]
        yield from (_probe_text(pod, each, self._zone) for each in failures[-MAX_EACH:])
        if status.evicted:
            yield f"{pod} was evicted: {truncate(status.evicted, MAX_MESSAGE)}."
        others = [each for each in status.incidents if begin <= each.last and each.first <= end]
        yield from (_incident_text(pod, each, self._zone) for each in others[-MAX_EACH:])

    @cached_property
    def _names(self) -> dict[str, str]:
        """Return the names of pods by uid; the histories are complete when the first is needed."""
        tenures = self.histories.pods.tenures() if self.histories else ()
        return {tenure.owner.uid: tenure.owner.pod for tenure in tenures}


def how_it_ended(end: ContainerEnd) -> str:
    """Return how a container ended, such as `ended with exit code 137 (OOMKilled)`."""
    code = "" if end.exit_code is None else f" with exit code {end.exit_code}"
    return f"ended{code}" + (f" ({end.reason})" if end.reason else "")


def _end_text(pod: str, end: ContainerEnd, zone: Zone | None) -> str:
    return f"Container {end.container} of {pod} {how_it_ended(end)} at {_clock(end.finished, zone)}."


def _probe_text(pod: str, failure: ProbeFailure, zone: Zone | None) -> str:
    message = truncate(failure.message.partition(": ")[2] or failure.message, MAX_MESSAGE)
    times = _times(failure.times)
    return f"The {failure.kind} probe of {pod} failed {times}, last at {_clock(failure.last, zone)}: {message}"


def _incident_text(pod: str, incident: Incident, zone: Zone | None) -> str:
    message = truncate(incident.message, MAX_MESSAGE)
    return f"{incident.reason} of {pod}, {_times(incident.times)}, last at {_clock(incident.last, zone)}: {message}"


def _clock(ns: int, zone: Zone | None) -> str:
    return f"{datetime_in(zone, ns):%H:%M:%S}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
