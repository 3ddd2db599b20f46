"""The Services that the requests of each route went to, for requests whose lines name a route and no Service. Pure."""

from enricher.endpoints.slices import Service
from enricher.fair_share import FairTable
from enricher.vocabulary import namespace_of_route

MAX_ROUTES = 10_000
"""Largest number of routes of one source whose Services are known, in fair shares of the routes' namespaces."""
MAX_SERVICES = 8
"""Largest number of Services that are known of one route; a rule that splits its traffic mostly has two."""

_Place = tuple[int, int]
"""The number of a batch, and that of a line in it."""


class RouteServices:
    """The Services of the routes in the log of one source, each with the first line whose request went there.

    Lines are not added in their order, as columns are enriched after the lines that are enriched one by one. With the
    place of the first line it makes no difference.
    """

    def __init__(self) -> None:
        self._routes = FairTable[str, dict[Service, _Place]](MAX_ROUTES, lambda _: self.known.clear())
        self._batch = 0
        self.known = set[tuple[str, Service]]()
        """The routes and Services that need not be added again, as lines of earlier batches went there."""
        self._new = list[tuple[str, Service]]()

    def begin_batch(self) -> None:
        """Begin another batch: the numbers of its lines begin anew."""
        self._batch += 1
        self.known.update(self._new)
        self._new.clear()

    def add(self, route: str, service: Service, number: int) -> None:
        """Add that the request of the line with this number in the batch went to a pod of a Service."""
        services = self._routes.find(route, namespace_of_route(route), dict)
        if services is None:
            return
        place = (self._batch, number)
        if service in services:
            services[service] = min(services[service], place)
        elif len(services) < MAX_SERVICES:
            services[service] = place
            self._new.append((route, service))

    def before(self, route: str, number: int) -> tuple[Service, ...]:
        """Return the Services of a route that lines before this one of the batch went to, by name."""
        services, place = self._routes.get(route) or {}, (self._batch, number)
        return tuple(sorted(service for service, first in services.items() if first < place))
