"""The ports that slices name for a pod. Pure."""

from collections.abc import Iterable
from weakref import WeakValueDictionary

MAX_PORTS = 256
"""Largest number of different ports of one pod; a pod with more is taken to have all of them."""
MAX_PAST_PORTS = 32
"""Largest number of ports that a pod keeps after no slice names them any longer; the oldest are dropped."""

PortPairs = tuple[tuple[int | None, str], ...]
"""Numbers and names of ports; the number None stands for all ports."""


class PortSet(dict[int | None, str]):
    """The names of ports by their numbers. Equal sets are one object, so that the sets of a cluster's pods are few."""

    __slots__ = ("__weakref__",)
    __hash__ = object.__hash__  # type: ignore[assignment]  # they are never changed


_port_sets: WeakValueDictionary[PortPairs, PortSet] = WeakValueDictionary()


def port_set(pairs: PortPairs) -> PortSet:
    """Return the set of these ports."""
    ports = _port_sets.get(pairs)
    if ports is None:
        ports = _port_sets[pairs] = PortSet(pairs)
    return ports


NO_PORTS = port_set(())
ALL_PORTS = port_set(((None, ""),))


def unite_ports(before: PortSet, present: Iterable[PortSet]) -> PortSet:
    """Return the ports of a pod that slices name at present, and the latest of those that it had before.

    An attempt may be older than the change, and its line be read later still.
    """
    united = {number: name for ports in dict.fromkeys(present) for number, name in ports.items()}
    if len(united) > MAX_PORTS:
        united = dict(ALL_PORTS)
    past = [(number, name) for number, name in before.items() if number not in united][-MAX_PAST_PORTS:]
    return port_set((*past, *united.items()))


def ports_overlap(ports: Iterable[int | None], others: Iterable[int | None]) -> bool:
    """Return whether two sets of ports have one in common; an empty set or the port None stands for all."""
    ours, theirs = set(ports), set(others)
    return not ours or not theirs or None in ours | theirs or bool(ours & theirs)
