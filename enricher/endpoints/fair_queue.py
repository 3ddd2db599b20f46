"""A bounded queue that is shared by namespaces, none of which can take the place of another. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items with a time (ns), by namespace, the oldest first.

    If there are too many, the namespace with most of them loses its oldest.
    """

    def __init__(self) -> None:
        self._size = 0
        self._by_namespace: dict[str, deque[tuple[int, T]]] = {}

    def add(self, namespace: str, time: int, item: T) -> None:
        """Add an item that is the latest of its namespace."""
        self._by_namespace.setdefault(namespace, deque()).append((time, item))
        self._size += 1

    def take_excess(self, limit: int) -> Iterator[tuple[int, T]]:
        """Yield and remove what exceeds a limit."""
        while self._size > limit:
            yield self._take_oldest(max(self._by_namespace, key=lambda namespace: len(self._by_namespace[namespace])))

    def take_older(self, time: int) -> Iterator[tuple[int, T]]:
        """Yield and remove what is older than a time (ns)."""
        for namespace, items in list(self._by_namespace.items()):
            while items and items[0][0] < time:
                yield self._take_oldest(namespace)

    def _take_oldest(self, namespace: str) -> tuple[int, T]:
        items = self._by_namespace[namespace]
        oldest = items.popleft()
        self._size -= 1
        if not items:
            del self._by_namespace[namespace]
        return oldest
