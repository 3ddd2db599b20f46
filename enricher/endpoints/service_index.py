"""The services that slices name, and the tenures of the pods that are or were in them. Pure."""

from collections import Counter
from collections.abc import Iterable

from enricher.endpoints.slices import NO_SERVICE, Service
from enricher.endpoints.tenure import Tenure


class ServiceIndex:
    """Services by name, for as long as a slice is of the service or a tenure is or was in it."""

    def __init__(self) -> None:
        self._members: dict[Service, dict[Tenure, None]] = {}
        self._slices: Counter[Service] = Counter()
        """How many slices each service has, also those that name no endpoint."""
        self._namespaces: Counter[str] = Counter()
        """How often a service of each namespace is in either of these."""

    def members(self, service: Service) -> Iterable[Tenure]:
        """Return the tenures of the pods that are or were in a service."""
        return self._members.get(service, ())

    def has_service(self, service: Service) -> bool:
        """Return whether a slice names the service, or any tenure is or was in it."""
        return service in self._members or service in self._slices

    def has_namespace(self, namespace: str) -> bool:
        """Return whether any service is of the namespace."""
        return namespace in self._namespaces

    def add_slice(self, service: Service) -> None:
        """Account for a slice of a service, or of none."""
        if service != NO_SERVICE:
            self._count_namespace(service.namespace, +(service not in self._slices))
            self._slices[service] += 1

    def remove_slice(self, service: Service) -> None:
        """Account for a slice that is no longer of a service, or is gone."""
        if service != NO_SERVICE:
            self._slices[service] -= 1
            if not self._slices[service]:
                del self._slices[service]
                self._count_namespace(service.namespace, -1)

    def add_member(self, service: Service, tenure: Tenure) -> None:
        """Account for a pod that is in a service."""
        self._count_namespace(service.namespace, +(service not in self._members))
        self._members.setdefault(service, {})[tenure] = None

    def remove_member(self, service: Service, tenure: Tenure) -> None:
        """Forget that a pod is or was in a service."""
        members = self._members[service]
        members.pop(tenure, None)
        if not members:
            del self._members[service]
            self._count_namespace(service.namespace, -1)

    def _count_namespace(self, namespace: str, services: int) -> None:
        self._namespaces[namespace] += services
        if not self._namespaces[namespace]:
            del self._namespaces[namespace]
