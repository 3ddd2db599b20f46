"""A table of limited size, whose places are shared fairly between groups of keys. Pure."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from enricher.fair_share import FairShare

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class FairTable(Generic[K, V]):
    """Values by key; `forget` is called with each value that gave up its place for another."""

    def __init__(self, limit: int, forget: Callable[[V], object]) -> None:
        self._share, self._forget = FairShare[K, str](limit), forget
        self._values: dict[K, V] = {}

    def find(self, key: K, group: str, make: Callable[[], V]) -> V | None:
        """Return the value of a key, a new one if it has none yet; None if there is no place for it."""
        if (value := self._values.get(key)) is not None:
            self._share.touch(key)
            return value
        if self._share.is_full(key):
            replaced = self._share.replaceable(key, group)
            if replaced is None:
                return None
            self._share.remove(replaced)
            self._forget(self._values.pop(replaced))
        self._share.add(key, group)
        value = self._values[key] = make()
        return value

    def get(self, key: K) -> V | None:
        """Return the value of a key that has a place."""
        return self._values.get(key)

    def items(self) -> list[tuple[K, V]]:
        """Return the keys and values that have a place."""
        return list(self._values.items())
