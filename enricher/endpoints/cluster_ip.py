"""The pods that may serve an attempt at the cluster IP of a service. Pure."""

from enricher.endpoints.history import History
from enricher.endpoints.slices import NO_SERVICE, Owner, Service
from enricher.endpoints.tenure import FOREVER, WATCH_LAG, Stay, Tenure

MAX_MEMBERS = 200
"""Largest number of pods of a service, present and past, among which the only one is sought that could have served.

The work for an attempt at the service's cluster IP grows with them.
"""


def service_of_cluster_ip(tenures: list[Tenure], start: int, end: int) -> Service:
    """Return the service that had an IP from `start` to `end` (ns), or NO_SERVICE if there were several."""
    during = [t for t in tenures if t.since_earliest <= end and start < t.until_latest]
    names = (during or tenures)[-1].services_during(start, end) - {NO_SERVICE}
    return names.pop() if len(names) == 1 else NO_SERVICE


def owners_that_could_serve(pods: History, service: Service, start: int, end: int) -> list[Owner]:
    """Return the pods to which a service may have sent an attempt; none if it is too large to find out."""
    members = pods.tenures_of_service(service)
    if len(members) > MAX_MEMBERS:
        return []
    serving = (t.owner for t in members if _could_serve(t, service, start, end, is_snapshot=pods.is_snapshot))
    return list(dict.fromkeys(serving))


def _could_serve(tenure: Tenure, service: Service, start: int, end: int, *, is_snapshot: bool) -> bool:
    """Return whether a Service may have sent an attempt to a pod that had been ready and in it, and had not left long.

    Every node learns of a change a little later, so the pod's stay in the service counts a little longer at both ends.
    """
    if is_snapshot:
        return tenure.services[service].until == FOREVER
    stays = (stay for name, stay in tenure.stays() if name == service)
    return tenure.ready_since - WATCH_LAG <= end and any(
        Stay(0, stay.since - WATCH_LAG, stay.until + WATCH_LAG).overlaps(start, end) for stay in stays
    )
