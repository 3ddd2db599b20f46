"""The service to which ingress-nginx's name of an upstream refers: `<namespace>-<service>-<port number or name>`. Pure.

Dashes make the name ambiguous, so it is compared with the services that are known.
"""

from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import Tenure


def service_in_upstream_name(upstream_name: str, tenure: Tenure, start: int, end: int) -> Service | None:
    """Return that service of a pod to which an upstream name refers, if any.

    The services that the pod was in from `start` to `end` (ns) come first, then those that it was ever in, because the
    proxy may have an old list. The longest service name that leaves a port wins.
    """
    if not upstream_name:
        return None
    services = [
        service
        for service in tenure.services
        if (port := upstream_name.removeprefix(f"{service.namespace}-{service.name}-")) != upstream_name
        and (port.isdecimal() or port in tenure.ports.values())
    ]
    if len(services) > 1:
        during = tenure.services_during(start, end)
        services = [service for service in services if service in during] or services
    return max(services, key=lambda service: len(service.name), default=None)


def service_of_upstream_name(pods: History, upstream_name: str) -> Service | None:
    """Return the service in the history with which an upstream name begins, for an address without a holder."""
    parts = upstream_name.split("-")
    for end in range(len(parts) - 1, 1, -1):
        for start in range(1, end):
            service = Service("-".join(parts[:start]), "-".join(parts[start:end]))
            if pods.has_service(service):
                return service
    return None
