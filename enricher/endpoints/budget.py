"""How much of a history each namespace may take, so that none takes the place of another. Pure.

Whoever may write EndpointSlices into a namespace can write as many as the API server stores.
"""

from collections import Counter

from enricher.endpoints.slices import IDENTITY, Owner

MAX_ENTRIES = 160_000
"""Number of entries for which there is room. Kubernetes is made for at most 150,000 pods and 10,000 services.

An endpoint's first entry takes a KiB, each further one a third of that.
"""
MAX_ENTRIES_OF_NAMESPACE = 30_000
"""Largest number of entries of one namespace. Kubernetes is made for 3,000 pods in a namespace."""
MIN_ENDED = 10_000
"""Number of ended tenures for which there is always room."""
MAX_AT_ADDRESS = 128
"""Number of pods at one address at one time for which there is room.

Only pods on the host's network share an address, and a node has at most some hundred pods.
"""
LONG_NAMES = 200
"""Number of characters of a pod's names that take as much as an entry."""


def is_within_share(namespace: str, counts: Counter[str], total: int, *, limit: int, of_namespace: int) -> bool:
    """Return whether a namespace may have one more, where there is room for `limit` in all and `of_namespace` for each.

    It may have as many as would still be free. So one that is large leaves the more to others, and they need not be
    there first. In a full house, each still gets a quarter of an equal share.
    """
    own = counts[namespace]
    reserved = max(1, limit // (4 * len({*counts, namespace}))) if own >= limit - total else 0
    return own < of_namespace and own < max(limit - total, reserved)


def entries_of(owner: Owner) -> int:
    """Return how many entries an endpoint takes; that never changes for its pod."""
    return 1 + sum(map(len, owner[IDENTITY])) // LONG_NAMES


class Budget:
    """The entries of each namespace: each of its slices is one, and so is each port and each endpoint in it."""

    def __init__(self) -> None:
        self._entries, self._total = Counter[str](), 0

    def allows(self, namespace: str) -> bool:
        """Return whether one more entry of a namespace fits in."""
        limits = {"limit": MAX_ENTRIES, "of_namespace": MAX_ENTRIES_OF_NAMESPACE}
        return is_within_share(namespace, self._entries, self._total, **limits)

    def room_for_ended(self) -> int:
        """Return the number of ended tenures for which there is room beside the entries, whatever their names."""
        return max(MIN_ENDED, (MAX_ENTRIES - self._total) // 2)

    def count(self, namespace: str, entries: int) -> None:
        """Account for entries that come or, with a negative number, go."""
        self._total += entries
        self._entries[namespace] += entries
        if not self._entries[namespace]:
            del self._entries[namespace]
