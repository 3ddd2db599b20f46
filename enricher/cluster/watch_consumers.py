"""What the updates of a watch are applied to, and how much memory its lists take until they are."""

from collections.abc import Callable
from typing import Any, Protocol

from enricher.endpoints.history import History
from enricher.endpoints.slices import Endpoint, Slice, SliceState, read_slice
from enricher.kube.watcher import Changed, Listed

SLICE_SIZE = 600
"""Estimated bytes of a SliceState with a name of usual length, without its endpoints and ports."""
ENDPOINT_SIZE = 400
"""Estimated bytes of an Endpoint, without the texts of its owner."""
PORT_SIZE = 150
"""Estimated bytes of a port of a slice."""


class WatchConsumer(Protocol):
    """A consumer of the updates of a watch."""

    def transform(self, obj: dict[str, Any]) -> Any:
        """Return the needed part of a listed object, so that the rest need not stay in memory."""

    def size(self, item: Any) -> int:
        """Return an estimate of the bytes that a result of `transform` takes."""

    def apply(self, update: Listed | Changed) -> None:
        """Apply a list of transformed objects, or a changed object as it is."""


class HistoryUpdater:
    """A consumer that applies the updates of a watch to a history; `as_slice` turns objects into EndpointSlices."""

    def __init__(self, history: History, as_slice: Callable[[Slice], Slice] = lambda obj: obj) -> None:
        self._history, self._as_slice = history, as_slice

    def transform(self, obj: Slice) -> SliceState:
        """Return the part of an object that the history needs.

        A list that is read again shows mostly what the history has: it shares the owners.
        """
        state = read_slice(self._as_slice(obj))
        return state._replace(endpoints=tuple(map(self._sharing_owner, state.endpoints)))

    def _sharing_owner(self, endpoint: Endpoint) -> Endpoint:
        for tenure in self._history.tenures_of_ip(endpoint.ip)[-1:]:
            if tenure.owner == endpoint.owner:
                return endpoint._replace(ip=tenure.ip, owner=tenure.owner)
        return endpoint

    def size(self, item: SliceState) -> int:
        """Return an estimate of the bytes that the part of a slice takes."""
        owners = sum(ENDPOINT_SIZE + sum(map(len, endpoint.owner)) for endpoint in item.endpoints)
        return SLICE_SIZE + PORT_SIZE * len(item.ports) + sum(map(len, item.key)) + owners

    def apply(self, update: Listed | Changed) -> None:
        """Bring the history up to date."""
        if isinstance(update, Listed):
            self._history.replace(update.items, update.at, update.requested_at)
        else:
            self._history.apply(update.type, self._as_slice(update.object), update.at, update.earliest)
