"""A table of series that has a largest size, and still counts everything under the right service."""

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Series(Protocol):
    """Counters under one key."""

    last_seen: int
    """When something was last counted (ns)."""


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Series)


class BoundedTable(dict[K, S], Generic[K, S]):
    """Series by key. At most `limit` keys have a series of their own; further ones share one.

    `shared_keys` returns, for a key, that of the series that it shares with others of its service, and that of a series
    for services beyond `limit`. So the table never has more than twice `limit` series, and these last ones.
    """

    def __init__(self, limit: float, new: Callable[[], S], shared_keys: Callable[[K], tuple[K, K]]) -> None:
        super().__init__()
        self._limit, self._new, self._shared_keys = limit, new, shared_keys
        self._shared = set[K]()

    def find(self, key: K, now: int) -> tuple[K, S]:
        """Return the series for a key, and the key that it has; both are new if need be. It counts as seen `now`."""
        series = self.get(key)
        if series is None:
            key = self._key_of_new(key)
            series = self.setdefault(key, self._new())
        series.last_seen = now
        return key, series

    def is_shared(self, key: K) -> bool:
        """Return whether the series of this key is shared."""
        return key in self._shared

    def _key_of_new(self, key: K) -> K:
        if len(self) - len(self._shared) < self._limit:
            return key
        of_service, of_others = self._shared_keys(key)
        shared = of_service if of_service in self._shared or len(self._shared) < self._limit else of_others
        self._shared.add(shared)
        return shared

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self._shared.discard(key)

    def expire(self, before: int) -> None:
        """Drop the series in which nothing was counted since `before` (ns)."""
        for key in [key for key, series in self.items() if series.last_seen < before]:
            del self[key]
