"""The service to which ingress-nginx's name of an upstream refers: `<namespace>-<service>-<port number or name>`. Pure.

Dashes make the name ambiguous, so it is compared with the services that are known.
"""

from collections.abc import Iterable

from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import BEGINNING, FOREVER, Tenure

_NOT_OF_A_SERVICE = frozenset(("upstream-default-backend", "internal"))
"""Names that ingress-nginx gives to upstreams of its own."""
MAX_UPSTREAM_NAME = 63 + 1 + 63 + 1 + 15
"""Largest number of characters of such a name: Kubernetes limits the names of namespaces, services and ports.

A longer text is not one, and the ways to split it grow with the square of its dashes.
"""


def service_in_upstream_name(upstream_name: str, tenure: Tenure, start: int, end: int) -> Service | None:
    """Return that service of a pod to which an upstream name refers, if any.

    The services that the pod was in from `start` to `end` (ns) come first, then those that it was ever in, because the
    proxy may have an old list. The longest service name that leaves a port wins.
    """
    if not upstream_name.startswith(f"{tenure.owner.namespace}-"):
        return None
    port_names = {*tenure.ports.values(), *(port.name for port in tenure.past_ports)}
    services = [
        service
        for service in tenure.services
        if (port := upstream_name.removeprefix(f"{service.namespace}-{service.name}-")) != upstream_name
        and (port.isdecimal() or port in port_names)
    ]
    if len(services) > 1:
        during = tenure.services_during(start, end)
        services = [service for service in services if service in during] or services
    return max(services, key=lambda service: len(service.name), default=None)


def tenures_in_service(tenures: Iterable[Tenure], upstream_name: str) -> list[Tenure]:
    """Return the tenures of the pods that are or were in the service to which an upstream name refers."""
    times = BEGINNING, FOREVER
    return [tenure for tenure in tenures if service_in_upstream_name(upstream_name, tenure, *times)]


def service_of_upstream_name(pods: History, upstream_name: str) -> Service | None:
    """Return the service to which an upstream name refers, for an address without a holder; None if that is not clear.

    A service in the history comes first, unless one of another namespace fits as well. Otherwise, there must be only
    one way to split the name, or only one whose namespace is in the history.
    """
    if upstream_name in _NOT_OF_A_SERVICE or len(upstream_name) > MAX_UPSTREAM_NAME:
        return None
    parts = upstream_name.split("-")
    splits = [
        Service("-".join(parts[:start]), "-".join(parts[start:end]))
        for end in range(len(parts) - 1, 1, -1)
        for start in range(1, end)
    ]
    if known := [split for split in splits if pods.has_service(split)]:
        # Whoever has a namespace of a similar name must not count requests for the service of another.
        return known[0] if len({service.namespace for service in known}) == 1 else None
    # Ports mostly have numbers, or names without a dash.
    likely = [split for split in splits[: len(parts) - 2] if all(split) and parts[-1]]
    if len(likely) > 1:
        likely = [split for split in likely if pods.has_namespace(split.namespace)]
    return likely[0] if len(likely) == 1 else None
