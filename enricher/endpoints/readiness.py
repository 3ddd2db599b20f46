"""When none of a service's pods was ready, so that a proxy had nobody to send a request to. Pure."""

from typing import NamedTuple

from enricher.endpoints.attribution import Window
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import BEGINNING, FOREVER, WATCH_LAG

MAX_MEMBERS = 5000
"""Largest number of pods of a service, present and past, that are searched: the work grows with them."""


class Gap(NamedTuple):
    """A time in [begin, end) in which no pod of a service was ready, in ns."""

    begin: int
    """BEGINNING if the history does not know of a time before at which one was."""
    end: int


_ALWAYS = Gap(BEGINNING, FOREVER)


def ready_gaps(pods: History, service: Service) -> list[Gap]:
    """Return the times in which no pod of a service was ready, oldest first.

    There is none if the history does not know the service, or if it is too large to be without ready pods. If its
    slices were read at an unknown time, all times are alike.
    """
    if not pods.has_service(service) or len(pods.tenures_of_service(service)) > MAX_MEMBERS:
        return []
    if pods.is_snapshot:
        members = pods.tenures_of_service(service)
        return [] if any(tenure.is_ready and tenure.until == FOREVER for tenure in members) else [_ALWAYS]
    times = sorted(
        (max(begin, stay.since), min(end, stay.until))
        for tenure in pods.tenures_of_service(service)
        for name, stay in tenure.stays()
        if name == service
        for begin, end in tenure.ready_times()
    )
    gaps, ready_until = list[Gap](), BEGINNING
    for begin, end in times:
        if begin < end:
            if begin > ready_until:
                gaps.append(Gap(ready_until, begin))
            ready_until = max(ready_until, end)
    if ready_until < FOREVER:
        gaps.append(Gap(ready_until, FOREVER))
    return gaps


def watched_since(pods: History, service: Service) -> int:
    """Return since when (ns) it is certain which pods of a service were ready; before that, nobody may have watched.

    A snapshot says that of no time.
    """
    if pods.is_snapshot:
        return FOREVER
    stays = ((tenure.since, *stay) for tenure in pods.tenures_of_service(service) for stay in tenure.stays())
    return min((max(since, stay.since) for since, name, stay in stays if name == service), default=FOREVER)


def gap_during(gaps: list[Gap], window: Window | None, certain_until: int) -> Gap | None:
    """Return the gap in which a request came for which the proxy had nobody; None if somebody may have been ready.

    Without a window, the request may have come at any time. A proxy may learn of a change a little earlier or later
    than the watch does. The watch is certain to have reported everything before `certain_until` (ns).
    """
    if window is None:
        return _ALWAYS if gaps == [_ALWAYS] and certain_until == FOREVER else None
    if window.end_latest >= certain_until:
        return None
    earliest, latest = window.end_earliest - WATCH_LAG, window.end_latest + WATCH_LAG
    return next((gap for gap in reversed(gaps) if gap.begin <= latest and earliest < gap.end), None)
