"""The lines of tries that wait for the line of their request, in fair shares of limited size. Pure."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from enricher.accesslog.record import Record
from enricher.enrich.parsed_line import ParsedLine
from enricher.fair_share import FairShare

MAX_TRIES = 5_000
"""Largest number of tries of one source that wait. Some 100 a second may so be retried with a try of 50 s each."""
MAX_SIZE = 8 * 1024 * 1024
"""Largest size of their lines together, in bytes: they are saved in each checkpoint. A usual line has some 1.2 KB."""


class WaitingTry(NamedTuple):
    """A try whose line waits."""

    parsed: ParsedLine
    record: Record
    request_id: str
    at: int
    """When its line was written (ns)."""

    @property
    def size(self) -> int:
        """Return the size of its line in bytes."""
        return len(self.parsed.line.text)


class WaitingTries:
    """The tries of one source that wait, in the order of their lines."""

    def __init__(self) -> None:
        self._tries: dict[int, WaitingTry] = {}
        """The tries by their numbers, which grow."""
        self._of_request: dict[str, list[int]] = {}
        self._places = FairShare[int, str](MAX_TRIES)
        """The places by cluster: the requests to one, however many fail, take none from those to another."""
        self._size = self._last_number = 0

    def add(self, waiting: WaitingTry) -> list[WaitingTry]:
        """Add a try; return those that have to leave for it, the longest waiting of the clusters with the most."""
        self._last_number += 1
        number, left = self._last_number, list[WaitingTry]()
        cluster = str(waiting.record.fields.get("upstream_cluster") or waiting.record.route)
        while self._tries and (self._places.is_full(number) or self._size + waiting.size > MAX_SIZE):
            replaced = self._places.replaceable(number, cluster, lambda _: True)
            if replaced is None:
                break
            left += self.take([replaced])
        self._tries[number] = waiting
        self._of_request.setdefault(waiting.request_id, []).append(number)
        self._places.add(number, cluster)
        self._size += waiting.size
        return left

    def has_room(self, tries: int, size: int) -> bool:
        """Return whether so many more tries have a place, whose lines have at most this size together, in bytes."""
        return len(self._tries) + tries <= MAX_TRIES and self._size + size <= MAX_SIZE

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
            self._size -= waiting.size
            taken.append(waiting)
        return taken

    def take_until(self, time: int | None) -> list[WaitingTry]:
        """Remove the tries whose lines were written until a time (ns), or all if it is None, and return them."""
        numbers = list[int]()
        for number, waiting in self._tries.items():
            if time is not None and waiting.at > time:
                break
            numbers.append(number)
        return self.take(numbers)

    def all(self) -> list[WaitingTry]:
        """Return all tries."""
        return list(self._tries.values())
