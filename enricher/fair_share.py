"""Places in a table of limited size, shared fairly between groups of keys. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from operator import itemgetter
from typing import Generic, TypeVar

OVERFLOW = "overflow"
"""Name that stands for what has no place of its own in a table, and is counted together."""

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")


class FairShare(Generic[K, G]):
    """The keys that have a place, of which there are `limit`, so that no group takes the places of another.

    While there is room, a group may have any number of places. Then the group with the most gives up the one that it
    used longest ago for a key of a group that has fewer.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._groups: dict[G, dict[K, None]] = {}
        """The keys of each group, the one that was used longest ago first."""
        self._group_of: dict[K, G] = {}
        self._largest: G | None = None
        """The group with the most keys; None if that is not known since the groups have changed."""

    def __len__(self) -> int:
        return len(self._group_of)

    def __contains__(self, key: object) -> bool:
        return key in self._group_of

    def group_for(self, group: G, others: G, most: int) -> G:
        """Return a group; `others`, which stands for all further ones, if it is new and there are `most` others."""
        return group if group in self._groups or len(self._groups) < most else others

    def is_full(self, key: K) -> bool:
        """Return whether a new key gets a place only if another one gives up its own."""
        return len(self._group_of) >= self._limit

    def add(self, key: K, group: G) -> None:
        """Give a place to a key that has none."""
        self._groups.setdefault(group, {})[key] = None
        self._group_of[key] = group
        self._largest = None

    def touch(self, key: K) -> None:
        """Make a key the last one of its group to give up its place."""
        keys = self._groups[self._group_of[key]]
        del keys[key]
        keys[key] = None

    def remove(self, key: K) -> None:
        """Take the place of a key."""
        group = self._group_of.pop(key)
        keys = self._groups[group]
        del keys[key]
        if not keys:
            del self._groups[group]
        self._largest = None

    def group_of(self, key: K) -> G:
        """Return the group of a key that has a place."""
        return self._group_of[key]

    def replaceable(self, key: K, group: G, is_idle: Callable[[K], bool] = lambda _: False) -> K | None:
        """Return the key that has to give its place to a new one of a group; None if that gets none.

        A group that has its share already can only replace a key that `is_idle`, its own if it has any.
        """
        if not self._groups:
            return None
        if self._largest is None:
            self._largest = max(self._groups, key=lambda name: len(self._groups[name]))
        largest, own = self._groups[self._largest], self._groups.get(group, {})
        if len(largest) > len(own) + 1:
            return next(iter(largest))
        oldest = next(iter(own or largest))
        return oldest if is_idle(oldest) else None


def take_turns(items: Iterable[T], group: Callable[[T], object]) -> list[T]:
    """Return the first item of each group, then the second of each, and so on; else in the given order."""
    turns = Counter[object]()
    numbered = list[tuple[int, T]]()
    for item in items:
        turns[group(item)] += 1
        numbered.append((turns[group(item)], item))
    return [item for _, item in sorted(numbered, key=itemgetter(0))]


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
