"""One pod's holding of one address, and how well its beginning and its end are known. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.endpoints.ports import MAX_PAST_PORTS, NO_PORTS, PastPort, PortSet, ports_overlap, unite_ports
from enricher.endpoints.slices import IDENTITY, Endpoint, Owner, Service
from enricher.timestamps import SECOND

FOREVER = 1 << 63
"""A time after all others (ns): the end of a tenure that has not ended."""
BEGINNING = -FOREVER
"""A time before all others (ns): the beginning of a tenure that has always lasted."""
TAKEOVER_OVERLAP = 5 * SECOND
"""Longest time (ns) for which the slices may be late to drop a pod whose address another of its namespace took over.

If slices name two pods for longer, the first may really hold the address until it leaves, and a while longer.
"""
LINGER = 5 * SECOND
"""Longest time (ns) for which a pod may answer after it left the slices. At most 1.9 s were observed."""
GRACE_PERIOD = 30 * SECOND
"""Time (ns) for which an address that no pod took over is still attributed to its last holder.

It is the default grace period of a pod's termination.
"""
WATCH_LAG = 5 * SECOND
"""Longest time (ns) by which our watch may learn of a pod later than the proxy."""
MAX_SERVICES = 32
"""Largest number of services that a tenure keeps if its pod left some of them; those that it left first are dropped."""
MAX_READY_CHANGES = 16
"""Largest number of changes between ready and not ready that a tenure keeps; the oldest are dropped."""
MAX_VAGUE_CHANGES = 8
"""Largest number of times between which something changed that a tenure keeps; the oldest two are merged."""
MAX_PAST_STAYS = 8
"""Largest number of stays in services to which a pod returned later that a tenure keeps; the oldest are dropped."""


class Stay(NamedTuple):
    """A pod's stay in a service, with times in ns: it may have been in it in [since, until)."""

    slices: int
    """Number of slices of the service that name the pod now."""
    since: int
    until: int = FOREVER

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether the pod may have been in the service at some time from `start` to `end` (ns)."""
        return self.since <= end and start < self.until


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
    ready_changes: tuple[int, ...] = ()
    """When (ns) the pod was ready, then not ready, then ready again, and so on."""
    serving_changes: tuple[int, ...] = ()
    """When (ns) the slices reported the pod as serving, then as not serving, and so on, also while terminating."""
    vague_changes: tuple[tuple[int, int], ...] = ()
    """The times (ns) between which the pod's state changed while nobody watched, oldest first."""
    shared_until: int = BEGINNING
    """Until when (ns) another pod that is no longer in the history was claimed to hold the address too."""
    ports: PortSet = NO_PORTS
    """The ports of the slices that name the pod, or that named it last."""
    slice_ports: tuple[PortSet, ...] = ()
    """The ports of each slice that names the pod now."""
    past_ports: tuple[PastPort, ...] = ()
    """The ports that slices named while the pod was there and no longer name, the latest last."""
    services: dict[Service, Stay] = field(default_factory=dict)
    """The pod's latest stay in each service; a service whose slices no longer name it is kept, with 0 slices."""
    past_stays: tuple[tuple[Service, Stay], ...] = ()
    """Earlier stays in services to which the pod returned after it had been in others only, oldest first."""

    @property
    def is_fixed(self) -> bool:
        """Return whether the address never changes hands; then each of its ports may belong to another owner."""
        return self.since == BEGINNING

    @property
    def is_ready(self) -> bool:
        """Return whether the pod was ready at last."""
        return len(self.ready_changes) % 2 == 1

    def set_ready(self, at: int) -> None:
        """Record that the pod is ready now and was not before, or the other way round, since a time (ns)."""
        self.ready_changes = _with_change(self.ready_changes, at)

    def set_state(self, endpoint: Endpoint, at: int, earliest: int) -> bool:
        """Record whether the pod is serving, and since when that is reported; return whether that has changed.

        That was seen `at` and happened no earlier than `earliest` (ns).
        """
        is_new_state = endpoint.serving != (len(self.serving_changes) % 2 == 1)
        if is_new_state:
            changes = _with_change(self.serving_changes, self.since_earliest if at == self.since else at)
            # Most pods have the same changes of both kinds: they share one tuple.
            self.serving_changes = self.ready_changes if changes == self.ready_changes else changes
        if self.since < at and earliest < at and (is_new_state or self.is_new_termination(endpoint)):
            vague = (*self.vague_changes, (earliest, at))
            if len(vague) > MAX_VAGUE_CHANGES:
                vague = ((vague[0][0], vague[1][1]), *vague[2:])
            self.vague_changes = vague
        return is_new_state

    def is_new_termination(self, endpoint: Endpoint) -> bool:
        """Return whether an endpoint begins to terminate; only one without a pod may also recover."""
        is_terminating = self.terminating_since != FOREVER
        return endpoint.terminating != is_terminating and (endpoint.terminating or not self.owner.pod)

    def ready_times(self) -> list[tuple[int, int]]:
        """Return the times (ns) between which the pod was ready while it was in the slices, oldest first."""
        ends = (*self.ready_changes, FOREVER)
        last = min(self.until_latest, self.terminating_since)
        times = [(ends[n], min(ends[n + 1], last)) for n in range(0, len(ends) - 1, 2)]
        return [(begin, end) for begin, end in times if begin < end]

    def join(self, service: Service, since: int) -> Service | None:
        """Add a slice of a service that names the pod since then (ns); return the service that is dropped for it."""
        if not self.services:
            self.services[service] = Stay(1, since)
            return None
        stay, others = self.services.pop(service, None), self.services.values()
        if stay and not stay.slices and any(other.until > stay.until for other in others):
            self.past_stays = (*self.past_stays, (service, stay))[-MAX_PAST_STAYS:]
            stay = None
        # A pod that was in no service since it left this one has moved from slice to slice.
        self.services[service] = Stay(stay.slices + 1, stay.since) if stay else Stay(1, since)
        if len(self.services) <= MAX_SERVICES:
            return None
        left = [service for service, stay in self.services.items() if not stay.slices]
        dropped = min(left, key=lambda service: self.services[service].until, default=None)
        if dropped:
            del self.services[dropped]
            self.past_stays = tuple(past for past in self.past_stays if past[0] != dropped)
        return dropped

    def leave(self, service: Service, at: int) -> None:
        """Account for a slice of a service that no longer names the pod (ns)."""
        slices, since, _ = self.services[service]
        self.services[service] = Stay(slices - 1, since, FOREVER if slices > 1 else at)

    def set_ports(self, old: PortSet | None, new: PortSet | None, at: int, earliest: int) -> None:
        """Account for a slice that has other ports than before, or that names the pod only now, or no longer.

        That was seen `at` and happened no earlier than `earliest` (ns). The last slice leaves its ports behind.
        """
        sets = list(self.slice_ports)
        if old is not None:
            identities = list(map(id, sets))  # comparing the ports themselves would take long
            del sets[identities.index(id(old)) if id(old) in identities else sets.index(old)]
        if new is not None:
            sets.append(new)
        self.slice_ports, before = tuple(sets), self.ports
        self.ports = unite_ports(sets) if sets else before
        if self.ports is not before:
            until = max(self.since, min(at, earliest))
            past = [port for port in self.past_ports if not self.ports.has(port.number)]
            gone = [port for port in before.items() if port[0] and not self.ports.has(port[0])]
            past += [PastPort(number or 0, name, until, at) for number, name in gone[-MAX_PAST_PORTS:]]
            self.past_ports = tuple(past[-MAX_PAST_PORTS:])

    def end_of_port(self, port: int | None) -> tuple[int, int] | None:
        """Return until when (ns) the pod certainly had a port of the address, and possibly; None if it never had it."""
        if self.ports.has(port):
            return self.until, self.until_latest
        for past in reversed(self.past_ports):
            if past.number == port:
                return min(self.until, past.until), min(self.until_latest, past.until_latest)
        return None

    def all_ports(self) -> list[int | None]:
        """Return the numbers of the ports that the pod has or had."""
        return [*self.ports, *(port.number for port in self.past_ports)] if self.ports else []

    def stays(self) -> list[tuple[Service, Stay]]:
        """Return the pod's stays in services."""
        return [*self.services.items(), *self.past_stays]

    def services_during(self, start: int, end: int) -> set[Service]:
        """Return the services that the pod may have been in at some time from `start` to `end` (ns).

        If it was in none, these are the ones that it had left last, else the first ones that it came to.
        """
        if len(self.services) == 1:
            return set(self.services)
        stays = self.stays()
        if during := {service for service, stay in stays if stay.overlaps(start, end)}:
            return during
        left = max((stay.until for _, stay in stays if stay.until <= start), default=None)
        if left is not None:
            return {service for service, stay in stays if stay.until == left}
        first = min((stay.since for _, stay in stays), default=None)
        return {service for service, stay in stays if stay.since == first}


def _with_change(changes: tuple[int, ...], at: int) -> tuple[int, ...]:
    changes = (*changes, at)
    return changes[2:] if len(changes) > MAX_READY_CHANGES else changes


def share_address(tenure: Tenure, other: Tenure) -> bool:
    """Return whether two tenures of an IP are of pods that were claimed to hold a port in common at one time."""
    return overlap(tenure, other) and ports_overlap(tenure.all_ports(), other.all_ports())


def overlap(tenure: Tenure, other: Tenure) -> bool:
    """Return whether two tenures of an IP are of pods that were claimed to hold it at one time, on whatever ports.

    A pod takes an address over, and does not share it, if the old holder is no longer in the slices, if it is
    terminating and of the same namespace, or if it has the same name: a pod is only created after the one of that name
    is gone. Two endpoints without pods do not share an address either: they are known by their services only, and one
    program may be behind both.
    """
    old, new = sorted((tenure, other), key=lambda tenure: tenure.since)
    if new.since >= old.until or not (old.owner.pod or new.owner.pod):
        return False
    if old.since == new.since or old.owner.namespace != new.owner.namespace:
        return True
    return old.terminating_since > new.since and old.owner.pod != new.owner.pod


def may_outlast(tenure: Tenure, other: Tenure) -> bool:
    """Return whether a pod that left the slices before another that shared its address may still have held it then.

    Within a namespace a short overlap is a takeover, and the slice that named the old pod was late.
    """
    is_foreign = tenure.owner.namespace != other.owner.namespace
    shortest = 0 if is_foreign else TAKEOVER_OVERLAP
    return other.since + shortest < tenure.until_latest <= other.until_latest and share_address(tenure, other)


def continued_tenure(tenures: Sequence[Tenure], endpoint: Endpoint, ports: PortSet) -> Tenure | None:
    """Return the pod's last tenure of its address, unless another pod took the address since it ended.

    A pod of another namespace does not count: anybody may name one of their own while a pod moves between slices.
    """
    pod = endpoint.owner.pod
    own = [t for t in tenures if t.owner.pod == pod and t.owner[IDENTITY] == endpoint.owner[IDENTITY]]
    if not own:
        return None
    last, namespace = own[-1], endpoint.owner.namespace
    is_taken = any(
        t.since >= last.until and t is not last and t.owner.namespace == namespace and ports_overlap(ports, t.ports)
        for t in tenures
    )
    return None if is_taken else last


def update_tenure(tenure: Tenure, endpoint: Endpoint, at: int, earliest: int) -> bool:
    """Bring a tenure up to date with its endpoint; return whether that may change an attribution.

    Most endpoints of a slice have not changed: they cost a few comparisons. A pod counts as ready whenever it may have
    been: from `earliest` on if a list shows that it has become so, and until `at` if one shows that it no longer is.
    """
    changed = False
    if endpoint.ready:
        since = tenure.since_earliest if at == tenure.since else min(at, max(earliest, tenure.since_earliest))
        changed = since < tenure.ready_since
        tenure.ready_since = min(tenure.ready_since, since)
    if endpoint.ready != tenure.is_ready:
        until = tenure.since_earliest if at == tenure.since else at
        tenure.set_ready(since if endpoint.ready else until)
        changed = True
    changed = tenure.set_state(endpoint, at, earliest) or changed
    # A pod that is terminating never recovers, although another of its slices may be late to say so.
    if tenure.is_new_termination(endpoint):
        tenure.terminating_since = at if endpoint.terminating else FOREVER
        changed = True
    if tenure.owner != endpoint.owner:
        tenure.owner = endpoint.owner
        changed = True
    return changed
