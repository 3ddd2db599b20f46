"""The ports that slices name for a pod. Pure."""

from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakValueDictionary

MAX_PORTS = 32
"""Largest number of different ports of one pod in several slices; one with more is taken to have all of them."""
MAX_UNITED_PORTS = 8 * MAX_PORTS
"""Largest number of ports, in all further slices of a pod together, that are compared with those of its largest slice.

All endpoints of a slice are compared anew whenever it changes, and anybody may write slices with many ports.
"""
MAX_PAST_PORTS = 16
"""Largest number of ports that a pod keeps after no slice names them any longer; the oldest are dropped."""

PortPairs = tuple[tuple[int | None, str], ...]
"""Numbers and names of ports; the number None stands for all ports."""


class PastPort(NamedTuple):
    """A port that no slice names any longer for a pod that is still there.

    The pod certainly had it until `until`, and possibly until `until_latest` (ns).
    """

    number: int
    name: str
    until: int
    until_latest: int


class PortSet(dict[int | None, str]):
    """The names of ports by their numbers. Equal sets are one object, so that the sets of a cluster's pods are few."""

    __slots__ = ("__weakref__",)
    __hash__ = object.__hash__  # type: ignore[assignment]  # they are never changed

    def has(self, port: int | None) -> bool:
        """Return whether a port is one of these; an empty set stands for all, as does the port None."""
        return not self or port is None or port in self or None in self


_port_sets: WeakValueDictionary[PortPairs, PortSet] = WeakValueDictionary()


def port_set(pairs: PortPairs) -> PortSet:
    """Return the set of these ports. Their order does not matter, and one may be named more than once."""
    ports = PortSet(sorted(pairs, key=lambda pair: (pair[0] is not None, pair)))
    return _port_sets.setdefault(tuple(ports.items()), ports)


NO_PORTS = port_set(())
ALL_PORTS = port_set(((None, ""),))


def unite_ports(sets: Iterable[PortSet]) -> PortSet:
    """Return the ports of a pod whose slices have these; a slice without ports adds none."""
    largest, *others = sorted(dict.fromkeys(sets), key=len, reverse=True)
    if sum(map(len, others)) > MAX_UNITED_PORTS:
        return ALL_PORTS
    further = {number: name for ports in others for number, name in ports.items() if largest.get(number) != name}
    if not further:
        return largest  # most pods share it
    united = {**largest, **further}
    if len(united) <= MAX_PORTS:
        return port_set(tuple(united.items()))
    return largest if len(united) == len(largest) else ALL_PORTS


def ports_overlap(ports: Iterable[int | None], others: Iterable[int | None]) -> bool:
    """Return whether two sets of ports have one in common; an empty set or the port None stands for all."""
    ours, theirs = set(ports), set(others)
    return not ours or not theirs or None in ours | theirs or bool(ours & theirs)
