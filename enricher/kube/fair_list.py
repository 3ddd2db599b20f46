"""A list of objects that is bounded in memory, fairly among namespaces. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")

CUT = 0.9
"""The share of the largest namespace's items that all namespaces are cut to when the list is full."""


class FairList(Generic[T]):
    """Items of namespaces, which take at most `limit` bytes; `size` estimates those of an item.

    Whoever can write objects can write many of them. When there is no more room, the namespaces with the most bytes
    lose their last items, so that no namespace takes the room of one with fewer.
    """

    def __init__(self, limit: float, size: Callable[[T], int]) -> None:
        self._limit, self._size = limit, size
        self._items: dict[str, list[T]] = {}
        self._sizes = Counter[str]()
        self._total = 0
        self._share = inf
        """Largest number of bytes for one namespace; it shrinks each time the list is full."""
        self.dropped = Counter[str]()
        """Number of items that are left out, by namespace."""

    def add(self, namespace: str, item: T) -> None:
        """Add an item, unless its namespace has its share already."""
        size = self._size(item)
        if self._sizes[namespace] + size > self._share:
            self.dropped[namespace] += 1
            return
        self._items.setdefault(namespace, []).append(item)
        self._sizes[namespace] += size
        self._total += size
        while self._total > self._limit:
            self._cut()

    def _cut(self) -> None:
        self._share = CUT * max(self._sizes.values())
        for namespace in [name for name, size in self._sizes.items() if size > self._share]:
            items = self._items[namespace]
            while self._sizes[namespace] > self._share:
                size = self._size(items.pop())
                self._sizes[namespace] -= size
                self._total -= size
                self.dropped[namespace] += 1

    def __iter__(self) -> Iterator[T]:
        """Yield the items by namespace, in the order in which they were added."""
        for items in self._items.values():
            yield from items
