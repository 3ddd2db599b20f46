"""Who held which address when. Pure: slices and times in, tenures kept. What they answer is in attribution.py.

A *tenure* is one pod's holding of one address. It begins when the first slice names the pod there and ends when the
last slice that named it no longer does. How well its ends are known is kept with them: a change seen live happened
when it was seen; one found by listing again happened somewhere between the last sign of life of the watch and the
list; what the very first list shows began nobody knows when.

An address that a pod holds without interruption is never somebody else's in between: a pod that moves from slice to
slice, or vanishes and comes back with the same uid while nobody took the address, has one tenure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from enricher.endpoints.slices import (
    IDENTITY,
    NO_SERVICE,
    Endpoint,
    Owner,
    Service,
    Slice,
    SliceState,
    read_slice,
)
from enricher.timestamps import SECOND

KEEP = 3600 * SECOND
"""How long ended tenures are kept."""
KEEP_AT_MOST = 100_000
"""How many ended tenures are kept at most, a KiB each; the oldest go first."""

FOREVER = 1 << 63
EVER = -FOREVER


Ports = Mapping[int | None, str]
"""Names by number; the number None stands for all."""


@dataclass(slots=True, eq=False)
class Tenure:
    """One pod's holding of one address; times in ns since the epoch, FOREVER while it lasts.

    Certain in [since, until); possible in [since_earliest, until_latest).
    """

    ip: str
    owner: Owner
    since: int
    since_earliest: int
    until: int = FOREVER
    until_latest: int = FOREVER
    terminating_since: int = FOREVER
    ready_since: int = FOREVER
    """When the pod first was ready: before, a Service sends it nothing."""
    ports: Ports = field(default_factory=dict)
    services: dict[Service, int] = field(default_factory=dict)
    """How many slices of each service name it now; a service that no longer does stays, with 0."""

    @property
    def fixed(self) -> bool:
        """Whether the address is its owner's for ever: then each of its ports may be somebody else's."""
        return self.since == EVER

    @property
    def slices(self) -> int:
        return sum(self.services.values())


Named = tuple[Service, list[Tenure]]
"""What a slice says: the tenures it names, as members of its service."""


class History:
    """Tenures by address. `keep` (ns) and `keep_at_most` bound the ended ones; with `keep` None all are kept.

    `in_sync` says whether the watch would tell if something happened now, `whole` whether it speaks of all pods and
    not only of a namespace's.
    """

    def __init__(
        self,
        *,
        keep: int | None = KEEP,
        keep_at_most: int = KEEP_AT_MOST,
        in_sync: Callable[[], bool] = lambda: True,
        whole: bool = True,
    ) -> None:
        self._keep, self._keep_at_most, self._in_sync, self._whole = keep, keep_at_most, in_sync, whole
        self._tenures: dict[str, list[Tenure]] = {}
        self._members: dict[Service, dict[Tenure, None]] = {}
        self._slices: dict[tuple[str, str], Named] = {}
        self._ended: deque[tuple[int, Tenure]] = deque()
        self.bookmarked = False
        """Whether there was a BOOKMARK: then silence means that there is nothing to be heard of any more."""
        self.timeless = False
        """Whether the slices are a snapshot of a time that nobody knows."""
        self.held = 0
        """How many addresses somebody holds now."""
        self.on_change = set[Callable[[str], object]]()
        """Called with each IP of which something has changed, for who keeps answers."""
        self.began = FOREVER
        """Since when an address of which nothing is known was nobody's (ns): since there was a watch of all pods that
        missed nothing, and as far back as nothing it said is forgotten.
        """
        self.current = EVER
        """The last sign of life of the watch (ns): everything that happened before is known."""

    @property
    def horizon(self) -> int:
        """Until when a tenure that did not end is known to have lasted (ns). Where nothing has a time, for ever."""
        return FOREVER if self._in_sync() or self.current == EVER else self.current

    # --- what the watch says -----------------------------------------------------------------------------------

    def apply(self, type_: str, obj: Slice, at: int, earliest: int | None = None) -> None:
        """One watch event, which arrived `at` and happened no earlier than `earliest`: ADDED, MODIFIED, DELETED, or
        BOOKMARK, which says that nothing else happened.
        """
        if type_ == "BOOKMARK":
            self.bookmarked = True
        else:
            state = read_slice(obj)
            if type_ == "DELETED":
                state = state._replace(endpoints=())
            self._put(state, at, at if earliest is None else earliest)
        self._heard(at)

    def replace(self, states: Iterable[SliceState], at: int, asked: int | None = None) -> None:
        """A whole list, which arrived `at` and was `asked` for before: what differs from what was known changed between
        the last sign of life and its arrival.
        """
        earliest = self.current
        listed = {state.key: state for state in states}
        for key in [key for key in self._slices if key not in listed]:
            self._put(SliceState(key, NO_SERVICE, ()), at, earliest)
        for state in listed.values():
            self._put(state, at, earliest)
        self._heard(at if asked is None else asked)
        self.missed(at)

    def missed(self, until: int) -> None:
        """Somebody may have come and gone before then (ns) of whom nobody told: no list has them."""
        self.began = max(self.began, until)

    def _heard(self, at: int) -> None:
        self.began = min(self.began, at) if self._whole else FOREVER
        self.current = max(self.current, at)

    def _put(self, state: SliceState, at: int, earliest: int) -> None:
        key, service, endpoints = state
        old_service, tenures = self._slices.get(key, (NO_SERVICE, []))
        before = {(tenure.ip, tenure.owner[IDENTITY]): tenure for tenure in tenures}
        stay = before if service == old_service else {}
        after = {(endpoint.ip, endpoint.owner[IDENTITY]): endpoint for endpoint in endpoints}
        ports = _shared(endpoints[0].ports if endpoints else ())  # a slice's ports are those of all its endpoints
        named = []
        for place, endpoint in after.items():  # first who is there, so that a move within the slice leaves no gap
            tenure = stay.get(place) or self._enter(endpoint, service, at, earliest)
            if _note(tenure, endpoint, ports, at):
                self._tell(tenure.ip)
            named.append(tenure)
        for place, tenure in before.items():
            if place not in after or stay is not before:
                self._leave(tenure, old_service, at, earliest)
        if named:
            self._slices[key] = service, named
        else:
            self._slices.pop(key, None)

    def _enter(self, endpoint: Endpoint, service: Service, at: int, earliest: int) -> Tenure:
        tenure = self._same(endpoint)
        if tenure is None:
            tenure = Tenure(endpoint.ip, endpoint.owner, at, min(at, earliest))
            self._tenures.setdefault(endpoint.ip, []).append(tenure)
        self._tell(endpoint.ip)
        self.held += tenure.slices == 0
        tenure.until = tenure.until_latest = FOREVER
        tenure.services[service] = tenure.services.get(service, 0) + 1
        self._members.setdefault(service, {})[tenure] = None
        return tenure

    def _same(self, endpoint: Endpoint) -> Tenure | None:
        """The tenure that goes on: this pod's, unless another pod took the address since it ended."""
        tenures = self._tenures.get(endpoint.ip, ())
        mine = [t for t in tenures if t.owner[IDENTITY] == endpoint.owner[IDENTITY]]
        if not mine:
            return None
        last = mine[-1]
        ports = {number for number, _ in endpoint.ports}
        taken = any(t.since >= last.until and t is not last and meet(ports, t.ports) for t in tenures)
        return None if taken else last

    def _leave(self, tenure: Tenure, service: Service, at: int, earliest: int) -> None:
        self._tell(tenure.ip)
        tenure.services[service] -= 1
        if tenure.slices == 0:
            self.held -= 1
            tenure.until, tenure.until_latest = max(tenure.since, min(at, earliest)), at
            self._ended.append((at, tenure))
            self.forget(EVER)

    def forget(self, now: int) -> None:
        """Drops ended tenures that are older than `keep` (`now` in ns), and the oldest beyond `keep_at_most`."""
        if self._keep is None:
            return
        oldest = now - self._keep
        while self._ended and (len(self._ended) > self._keep_at_most or self._ended[0][0] < oldest):
            ended, tenure = self._ended.popleft()
            # Else it went on: a later end stands further behind, or, at the same time, stood before.
            if tenure.until_latest == ended and tenure in self._tenures.get(tenure.ip, ()):
                self._drop(tenure)
                self.missed(ended)

    def _tell(self, ip: str) -> None:
        for told in self.on_change:
            told(ip)

    def _drop(self, tenure: Tenure) -> None:
        self._tell(tenure.ip)
        tenures = self._tenures[tenure.ip]
        tenures.remove(tenure)
        if not tenures:
            del self._tenures[tenure.ip]
        for service in tenure.services:
            members = self._members[service]
            members.pop(tenure, None)
            if not members:
                del self._members[service]

    # --- what is known -----------------------------------------------------------------------------------------

    def tenures(self) -> Iterator[Tenure]:
        """All tenures, ended ones too."""
        for tenures in self._tenures.values():
            yield from tenures

    @property
    def ips(self) -> Container[str]:
        """Those of which anything is known."""
        return self._tenures.keys()

    def of_ip(self, ip: str) -> list[Tenure]:
        """The tenures of an IP, in the order in which they began."""
        return self._tenures.get(ip) or []

    def of_service(self, service: Service) -> Iterable[Tenure]:
        """The tenures of pods that are or were in a service."""
        return self._members.get(service, ())

    def knows(self, service: Service) -> bool:
        return service in self._members

    # --- over a restart ----------------------------------------------------------------------------------------

    def dump(self) -> Saved:
        """All that is known, as JSON can hold it."""
        numbers = {tenure: n for n, tenure in enumerate(self.tenures())}
        slices = [[*key, *service, [numbers[t] for t in named]] for key, (service, named) in self._slices.items()]
        return {"current": self.current, "began": self.began, "tenures": [_dump(t) for t in numbers], "slices": slices}

    def load(self, saved: Saved) -> None:
        """Takes up where `dump` left off, in an empty history. Raises ValueError if that can't be what it wrote."""
        try:
            tenures = [_load(row) for row in saved["tenures"]]
            slices = {
                (namespace, name): (Service(*service), [tenures[n] for n in named])
                for namespace, name, *service, named in saved["slices"]
            }
            self.current, self.began = int(saved["current"]), int(saved["began"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"not a saved history: {error!r}") from error
        self._slices = slices
        for tenure in tenures:
            self._tenures.setdefault(tenure.ip, []).append(tenure)
            for service in tenure.services:
                self._members.setdefault(service, {})[tenure] = None
        self.held = sum(tenure.until == FOREVER for tenure in tenures)
        ended = [(tenure.until_latest, tenure) for tenure in tenures if tenure.until != FOREVER]
        self._ended.extend(sorted(ended, key=lambda end: end[0]))


Saved = dict[str, Any]
"""A history as JSON can hold it: `tenures` in rows, `slices` with the tenures' numbers, `current` and `began` (ns)."""


def _dump(t: Tenure) -> list[Any]:
    times = [t.since, t.since_earliest, t.until, t.until_latest, t.terminating_since, t.ready_since]
    return [t.ip, list(t.owner), times, list(t.ports.items()), [[*s, n] for s, n in t.services.items()]]


def _load(row: list[Any]) -> Tenure:
    ip, owner, times, ports, services = row
    since, earliest, until, latest, terminating, ready = map(int, times)
    tenure = Tenure(ip, Owner(*owner), since, earliest, until, latest, terminating, ready)
    tenure.ports = _shared(tuple((port, name) for port, name in ports))
    tenure.services = {Service(namespace, name): count for namespace, name, count in services}
    return tenure


def _note(tenure: Tenure, endpoint: Endpoint, ports: Ports, at: int) -> bool:
    """Brings a tenure up to its endpoint; whether that changes any answer. Of most endpoints of a slice nothing has
    changed: they cost a few comparisons.
    """
    changed = False
    if endpoint.ready:
        since = tenure.since_earliest if at == tenure.since else at
        tenure.ready_since = min(tenure.ready_since, since)
    if endpoint.terminating != (tenure.terminating_since != FOREVER):
        tenure.terminating_since = at if endpoint.terminating else FOREVER
        changed = True
    if tenure.ports is not ports and not tenure.ports.items() >= ports.items():
        tenure.ports = _shared(tuple({**tenure.ports, **ports}.items()))
        changed = True
    if tenure.owner != endpoint.owner:
        tenure.owner = endpoint.owner
        changed = True
    return changed


@lru_cache(maxsize=4096)
def _shared(ports: tuple[tuple[int | None, str], ...]) -> Ports:
    """One dictionary for all that have the same ports: most of a cluster's pods have those of a few."""
    return dict(ports)


def meet(ports: Iterable[int | None], others: Iterable[int | None]) -> bool:
    """Whether two sets of ports have one in common; none, or the port None, stands for all."""
    ours, theirs = set(ports), set(others)
    return not ours or not theirs or None in ours | theirs or bool(ours & theirs)
