"""The services that slices name, and the tenures of the pods that are or were in them. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator

from enricher.endpoints.slices import NO_SERVICE, Service
from enricher.endpoints.tenure import Tenure


class ServiceIndex:
    """Services by name, for as long as a slice is of the service or a tenure is or was in it."""

    def __init__(self) -> None:
        self._members: dict[Service, dict[Tenure, None]] = {}
        self._by_name: dict[Service, dict[str, Tenure]] = {}
        """The latest member of each name, for services that were searched, until their members change."""
        self._slices: Counter[Service] = Counter()
        """How many slices each service has, also those that name no endpoint."""
        self._by_namespace: dict[str, Counter[Service]] = {}
        """The services of each namespace, and in how many of these two each of them is."""

    def members(self, service: Service) -> Collection[Tenure]:
        """Return the tenures of the pods that are or were in a service."""
        return self._members.get(service, ())

    def member(self, service: Service, pod: str) -> Tenure | None:
        """Return a tenure of a pod that is or was in a service, by the pod's name."""
        if service not in self._members:
            return None
        if service not in self._by_name:
            self._by_name[service] = {tenure.owner.pod: tenure for tenure in self._members[service]}
        return self._by_name[service].get(pod)

    def has_service(self, service: Service) -> bool:
        """Return whether a slice names the service, or any tenure is or was in it."""
        return service in self._members or service in self._slices

    def has_namespace(self, namespace: str) -> bool:
        """Return whether any service is of the namespace."""
        return namespace in self._by_namespace

    def services(self) -> Iterator[Service]:
        """Yield the services of all namespaces."""
        for services in self._by_namespace.values():
            yield from services

    def services_of_namespace(self, namespace: str) -> Collection[Service]:
        """Return the services of a namespace."""
        return self._by_namespace.get(namespace, ())

    def add_slice(self, service: Service) -> None:
        """Account for a slice of a service, or of none."""
        if service != NO_SERVICE:
            if service not in self._slices:
                self._count(service, +1)
            self._slices[service] += 1

    def remove_slice(self, service: Service) -> None:
        """Account for a slice that is no longer of a service, or is gone."""
        if service != NO_SERVICE:
            self._slices[service] -= 1
            if not self._slices[service]:
                del self._slices[service]
                self._count(service, -1)

    def add_member(self, service: Service, tenure: Tenure) -> None:
        """Account for a pod that is in a service."""
        if service not in self._members:
            self._count(service, +1)
        self._members.setdefault(service, {})[tenure] = None
        self._by_name.pop(service, None)

    def remove_member(self, service: Service, tenure: Tenure) -> None:
        """Forget that a pod is or was in a service."""
        members = self._members[service]
        members.pop(tenure, None)
        self._by_name.pop(service, None)
        if not members:
            del self._members[service]
            self._count(service, -1)

    def _count(self, service: Service, change: int) -> None:
        services = self._by_namespace.setdefault(service.namespace, Counter())
        services[service] += change
        if not services[service]:
            del services[service]
        if not services:
            del self._by_namespace[service.namespace]
