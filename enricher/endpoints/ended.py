"""Tenures that have ended, in the order in which a history drops them. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator

from enricher.endpoints.tenure import Tenure

End = tuple[int, Tenure]
"""When a tenure was seen to have ended (ns), and the tenure."""


class EndedTenures:
    """Ended tenures by the namespaces of their pods, the oldest first.

    If there are too many, the namespace with most of them loses its oldest: nobody's pods that come and go take the
    place of another namespace's.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._by_namespace: dict[str, deque[End]] = {}

    def add(self, end: int, tenure: Tenure) -> None:
        """Add a tenure that has ended last of its namespace."""
        self._by_namespace.setdefault(tenure.owner.namespace, deque()).append((end, tenure))
        self._size += 1

    def take_excess(self) -> Iterator[End]:
        """Yield and remove what exceeds the limit."""
        while self._size > self._limit:
            yield self._take_oldest(max(self._by_namespace, key=lambda namespace: len(self._by_namespace[namespace])))

    def take_older(self, time: int) -> Iterator[End]:
        """Yield and remove what ended before a time (ns)."""
        for namespace, ends in list(self._by_namespace.items()):
            while ends and ends[0][0] < time:
                yield self._take_oldest(namespace)

    def _take_oldest(self, namespace: str) -> End:
        ends = self._by_namespace[namespace]
        oldest = ends.popleft()
        self._size -= 1
        if not ends:
            del self._by_namespace[namespace]
        return oldest

    def extend(self, ends: Iterable[End]) -> None:
        """Add tenures that have ended, in any order."""
        for end, tenure in sorted(ends, key=lambda both: both[0]):
            self.add(end, tenure)
