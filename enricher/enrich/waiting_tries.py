"""The lines of tries that wait for the line of their request, in fair shares of limited size. Pure."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from enricher.accesslog.record import Record
from enricher.enrich.parsed_line import ParsedLine
from enricher.fair_share import OVERFLOW, FairShare

MAX_TRIES = 5_000
"""Largest number of tries of all sources that wait. Some 100 a second may so be retried with a try of 50 s each."""
MAX_SIZE = 8 * 1024 * 1024
"""Largest size of their lines together, in bytes: they are saved in each checkpoint. A usual line has some 1.2 KB."""
MAX_ALIKE = 50
"""Largest number of tries with one id: each line of a request looks at all with its id, and clients may choose ids."""

MAX_CLUSTERS = 200
"""Largest number of clusters of one source that have shares of their own: all are looked at for the largest share."""


class WaitingTry(NamedTuple):
    """A try whose line waits."""

    parsed: ParsedLine
    record: Record
    request_id: str
    at: int
    """When its line was written (ns)."""


class WaitingRoom:
    """The room for the tries of all sources, in fair shares of the namespaces, and then of their sources.

    Anybody may write logs that look like a proxy's. While there is room, a source may have any part of it; then each
    has its share. Those that have more give it up when their logs go on or are looked at, so that there may be some
    more for a moment.
    """

    def __init__(self) -> None:
        self.tries = self.size = 0
        self._users: dict[str, set[WaitingTries]] = {}
        """The sources with tries that wait, by namespace."""

    def is_short_for(self, user: "WaitingTries", tries: int = 0, size: int = 0) -> bool:
        """Return whether there is no room for more tries, of a size (bytes), and its source has its share already."""
        users = self._users.get(user.namespace, set())
        sharers = len(self._users.keys() | {user.namespace}) * len(users | {user})
        has_enough = (user.tries + tries) * sharers > MAX_TRIES, (user.size + size) * sharers > MAX_SIZE
        return (self.tries + tries > MAX_TRIES and has_enough[0]) or (self.size + size > MAX_SIZE and has_enough[1])

    def enter(self, user: "WaitingTries") -> None:
        """Give a source a share: it has tries from now on."""
        self._users.setdefault(user.namespace, set()).add(user)

    def leave(self, user: "WaitingTries") -> None:
        """Take the share of a source that has no more tries."""
        users = self._users[user.namespace]
        users.remove(user)
        if not users:
            del self._users[user.namespace]


class WaitingTries:
    """The tries of one source that wait, in the order of their lines."""

    def __init__(self, room: WaitingRoom, namespace: str) -> None:
        self._room, self.namespace = room, namespace
        self._tries: dict[int, WaitingTry] = {}
        """The tries by their numbers, which grow."""
        self._of_request: dict[str, list[int]] = {}
        self._places = FairShare[int, str](MAX_TRIES)
        """The places by cluster: the requests to one, however many fail, take none from those to another."""
        self.size = self._last_number = 0

    @property
    def tries(self) -> int:
        """Return how many there are."""
        return len(self._tries)

    def add(self, waiting: WaitingTry) -> list[WaitingTry]:
        """Add a try; return those that have to leave for it.

        These are the first with the same id, or the longest waiting of the clusters with the most.
        """
        self._last_number += 1
        number, size = self._last_number, len(waiting.parsed.line.text)
        cluster = str(waiting.record.fields.get("upstream_cluster") or waiting.record.route)
        cluster = self._places.group_for(cluster, OVERFLOW, MAX_CLUSTERS)
        alike = self._of_request.get(waiting.request_id, ())
        left = self.take(alike[:1]) if len(alike) >= MAX_ALIKE else list[WaitingTry]()
        if self._room.tries >= MAX_TRIES or self._room.size + size > MAX_SIZE:
            left += self._make_room(cluster, 1, size)
        if not self._tries:
            self._room.enter(self)
        self._tries[number] = waiting
        self._of_request.setdefault(waiting.request_id, []).append(number)
        self._places.add(number, cluster)
        self.size += size
        self._room.size += size
        self._room.tries += 1
        return left

    def trim(self) -> list[WaitingTry]:
        """Remove the tries beyond the source's share if there is no room for all, and return them."""
        return self._make_room()

    def _make_room(self, cluster: str = "", tries: int = 0, size: int = 0) -> list[WaitingTry]:
        """Remove tries until there is room for more to a cluster, of a size in bytes; return those removed."""
        left = list[WaitingTry]()
        while self._tries and self._room.is_short_for(self, tries, size):
            replaced = self._places.replaceable(0, cluster, lambda _: True)
            if replaced is None:
                break
            left += self.take([replaced])
        return left

    def has_room(self, tries: int, size: int) -> bool:
        """Return whether there is room for a number of tries more, with lines of this size together, in bytes."""
        return self._room.tries + tries <= MAX_TRIES and self._room.size + size <= MAX_SIZE

    def request_ids(self) -> Collection[str]:
        """Return the ids of the requests of all tries."""
        return self._of_request.keys()

    def times(self) -> Iterator[int]:
        """Yield when the line of each try was written (ns)."""
        return (waiting.at for waiting in self._tries.values())

    def of_request(self, request_id: str) -> dict[int, WaitingTry]:
        """Return the tries with the id of a request, by number, in the order of their lines."""
        return {number: self._tries[number] for number in self._of_request.get(request_id, ())}

    def take(self, numbers: Iterable[int]) -> list[WaitingTry]:
        """Remove tries and return them."""
        taken = list[WaitingTry]()
        for number in numbers:
            waiting = self._tries.pop(number)
            of_request = self._of_request[waiting.request_id]
            of_request.remove(number)
            if not of_request:
                del self._of_request[waiting.request_id]
            self._places.remove(number)
            size = len(waiting.parsed.line.text)
            self.size -= size
            self._room.size -= size
            taken.append(waiting)
        if taken:
            self._room.tries -= len(taken)
            if not self._tries:
                self._room.leave(self)
        return taken

    def take_until(self, time: int | None) -> list[WaitingTry]:
        """Remove the tries whose lines were written until a time (ns), or all if it is None, and return them."""
        numbers = list[int]()
        for number, waiting in self._tries.items():
            if time is not None and waiting.at > time:
                break
            numbers.append(number)
        return self.take(numbers)

    def set_back(self, time: int) -> None:
        """Take the tries for written at a time (ns) at the latest: the clock has been set back to it."""
        for number in reversed(self._tries):
            if self._tries[number].at <= time:
                break
            self._tries[number] = self._tries[number]._replace(at=time)

    def all(self) -> list[WaitingTry]:
        """Return all tries."""
        return list(self._tries.values())
