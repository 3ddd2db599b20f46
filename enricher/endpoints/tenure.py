"""One pod's holding of one address, and how well its beginning and its end are known. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from enricher.endpoints.slices import Owner, Service

FOREVER = 1 << 63
"""A time after all others (ns): the end of a tenure that has not ended."""
BEGINNING = -FOREVER
"""A time before all others (ns): the beginning of a tenure that has always lasted."""

Ports = Mapping[int | None, str]
"""The names of ports by their numbers; the number None stands for all ports."""


@dataclass(slots=True, eq=False)
class Tenure:
    """One pod's holding of one address, with times in ns since the epoch.

    The pod certainly held the address in [since, until) and may have held it in [since_earliest, until_latest).
    `until` and `until_latest` are FOREVER as long as the pod holds the address.
    """

    ip: str
    owner: Owner
    since: int
    since_earliest: int
    until: int = FOREVER
    until_latest: int = FOREVER
    terminating_since: int = FOREVER
    ready_since: int = FOREVER
    """When the pod was first ready; a Service sends it nothing before that."""
    ports: Ports = field(default_factory=dict)
    services: dict[Service, int] = field(default_factory=dict)
    """Number of slices that name the pod now, by service; a service whose slices no longer name it stays, with 0."""

    @property
    def is_fixed(self) -> bool:
        """Return whether the address never changes hands; then each of its ports may belong to another owner."""
        return self.since == BEGINNING

    @property
    def slice_count(self) -> int:
        """Return how many slices name the pod at the address now."""
        return sum(self.services.values())


def ports_overlap(ports: Iterable[int | None], others: Iterable[int | None]) -> bool:
    """Return whether two sets of ports have one in common; an empty set or the port None stands for all."""
    ours, theirs = set(ports), set(others)
    return not ours or not theirs or None in ours | theirs or bool(ours & theirs)


@lru_cache(maxsize=4096)
def intern_ports(ports: tuple[tuple[int | None, str], ...]) -> Ports:
    """Return one shared mapping for equal ports: most of a cluster's pods have one of a few sets of ports."""
    return dict(ports)


def dump_tenure(tenure: Tenure) -> list[Any]:
    """Return a tenure as a row of JSON values."""
    t = tenure
    times = [t.since, t.since_earliest, t.until, t.until_latest, t.terminating_since, t.ready_since]
    return [t.ip, list(t.owner), times, list(t.ports.items()), [[*s, count] for s, count in t.services.items()]]


def load_tenure(row: list[Any]) -> Tenure:
    """Return the tenure of a row that `dump_tenure` wrote. Raise TypeError or ValueError for any other row."""
    ip, owner, times, ports, services = row
    since, earliest, until, latest, terminating, ready = map(int, times)
    tenure = Tenure(ip, Owner(*owner), since, earliest, until, latest, terminating, ready)
    tenure.ports = intern_ports(tuple((port, name) for port, name in ports))
    tenure.services = {Service(namespace, name): count for namespace, name, count in services}
    return tenure
