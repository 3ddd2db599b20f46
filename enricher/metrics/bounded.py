"""A table of series that has a largest size, and still counts everything under the right service."""

from collections import Counter
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from enricher.fair_share import OVERFLOW, FairShare
from enricher.timestamps import SECOND

MAX_LABEL = 253
"""Largest number of characters of a label: Kubernetes' own names have no more. Longer ones are counted together."""
IDLE = 300 * SECOND
"""Ns without anything counted, after which a series gives its place to a new one of its own namespace.

Prometheus has scraped its last value by then.
"""
MAX_NAMESPACES = 1000
"""Largest number of namespaces whose overflow is counted separately."""

Group = str | None
"""The namespace that a series belongs to; None for all namespaces that only log lines name."""


class Series(Protocol):
    """Counters under one key."""

    last_seen: int
    """When something was last counted (ns)."""
    created: int
    """When it was certainly at 0 for the last time (ns)."""


class Overflow:
    """How much was counted together with other things, and how many series were dropped, by namespace."""

    def __init__(self) -> None:
        self.counted = Counter[str]()
        """Attempts, failures and requests that have no series of their own."""
        self.dropped = Counter[str]()
        """Series that were dropped before they expired."""

    def count(self, group: Group, number: int) -> None:
        """Count what has no series of its own."""
        _count_within_limit(self.counted, group or "", number)

    def drop(self, group: Group) -> None:
        """Count a series that gave its place to another."""
        _count_within_limit(self.dropped, group or "", 1)


def _count_within_limit(counter: Counter[str], name: str, number: int) -> None:
    counter[name if name in counter or len(counter) < MAX_NAMESPACES else OVERFLOW] += number


Key = tuple[str, ...]
K = TypeVar("K", bound=Key)
S = TypeVar("S", bound=Series)


class SharePerService(FairShare[K, Group]):
    """Keys of which a service, too, has only so many."""

    def __init__(self, limit: float, limit_of_service: float) -> None:
        super().__init__(limit)
        self._limit_of_service = limit_of_service
        self._of_service = Counter[Key]()

    def add(self, key: K, group: Group) -> None:
        """Give a place to a key that has none."""
        super().add(key, group)
        self._of_service[key[:2]] += 1

    def remove(self, key: K) -> None:
        """Take the place of a key."""
        super().remove(key)
        self._of_service[key[:2]] -= 1
        if not self._of_service[key[:2]]:
            del self._of_service[key[:2]]

    def is_full(self, key: K) -> bool:
        """Return whether a new key gets a place only if another one gives up its own."""
        return super().is_full(key) or self._of_service[key[:2]] >= self._limit_of_service

    def replaceable(self, key: K, group: Group, is_idle: Callable[[K], bool] = lambda _: False) -> K | None:
        """Return the key that has to give its place to a new one of a group; None if that gets none."""
        if self._of_service[key[:2]] >= self._limit_of_service:
            return None
        return super().replaceable(key, group, is_idle)


class BoundedTable(dict[K, S], Generic[K, S]):
    """Series by key. At most `limit` keys have a series of their own; further ones share one.

    `shared_keys` returns, for a key, those of the series that it shares: with others of its service, of its namespace
    and of all. The namespaces have fair shares of all series (see FairShare). The table has at most `limit` series
    that are shared within a service, a tenth as many that are shared within a namespace, and a few of all.
    """

    def __init__(
        self,
        limit: float,
        new: Callable[[], S],
        shared_keys: Callable[[K], tuple[K, ...]],
        overflow: Overflow,
        zero_at: Callable[[], int] = lambda: 0,
    ) -> None:
        """Ask `zero_at` of each new series when it was certainly at 0 for the last time (ns)."""
        super().__init__()
        self._new, self._shared_keys, self._overflow, self._zero_at = new, shared_keys, overflow, zero_at
        self.own = FairShare[K, Group](limit)
        """The keys that have a series of their own."""
        self._shared = FairShare[K, Group](limit), FairShare[K, Group](limit / 10)
        self._share_of: dict[K, FairShare[K, Group]] = {}

    def find(self, key: K, group: Group, now: int, share: FairShare[K, Group] | None = None) -> tuple[K, S]:
        """Return the series for a key, and the key that it has; both are new if need be. It counts as seen `now`.

        A new key gets its place in `share`, or in the table's own one.
        """
        series = self.get(key)
        if series is None:
            key = self._place(key, group, now, self.own if share is None else share)
            if key not in self:
                self[key] = self._new()
                self[key].created = self._zero_at()
            series = self[key]
        self.touch(key, now)
        return key, series

    def touch(self, key: K, now: int) -> None:
        """Let a series count as seen `now`."""
        self[key].last_seen = now
        if key in self._share_of:
            self._share_of[key].touch(key)

    def _place(self, key: K, group: Group, now: int, own: FairShare[K, Group]) -> K:
        """Return the key of the series under which a new key is counted, which has a place."""
        *shared_keys, of_all = self._shared_keys(key)
        for share, candidate in zip((own, *self._shared), (key, *shared_keys), strict=False):
            if candidate in self:
                return candidate
            if max(map(len, candidate)) > MAX_LABEL:
                continue
            if share.is_full(candidate):
                replaced = share.replaceable(candidate, group, lambda other: self[other].last_seen < now - IDLE)
                if replaced is None:
                    continue
                self._overflow.drop(share.group_of(replaced))
                del self[replaced]
            share.add(candidate, group)
            self._share_of[candidate] = share
            return candidate
        return of_all

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        if share := self._share_of.pop(key, None):
            share.remove(key)

    def expire(self, before: int) -> None:
        """Drop the series in which nothing was counted since `before` (ns)."""
        for key in [key for key, series in self.items() if series.last_seen < before]:
            del self[key]
