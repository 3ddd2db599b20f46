"""Which pod held which address, and when. Pure: slices and times in, tenures out; attribution.py evaluates them.

A *tenure* is one pod's holding of one address. It begins when the first slice names the pod there and ends when the
last slice that named it no longer does. Each tenure records how well its beginning and its end are known. A change that
was seen live happened when it was seen. A change that a new list showed happened at some time between the last event
of the watch and the list. For the tenures in the very first list, the beginning is unknown.

An address that a pod holds without interruption never belongs to another pod in between: a pod that moves from slice to
slice, or that vanishes and comes back with the same uid while no other pod took the address, has one tenure.
"""

from __future__ import annotations

from collections import ChainMap, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from enricher.endpoints.slices import IDENTITY, NO_SERVICE, Endpoint, Service, Slice, SliceState, read_slice
from enricher.endpoints.tenure import (
    BEGINNING,
    FOREVER,
    LINGER,
    Ports,
    Tenure,
    dump_tenure,
    intern_ports,
    load_tenure,
    may_outlast,
    overlap,
    ports_overlap,
)
from enricher.timestamps import SECOND

RETENTION = 3600 * SECOND
"""Time (ns) for which ended tenures are kept."""
MAX_ENDED = 100_000
"""Largest number of ended tenures that are kept. Each takes a KiB; the oldest are dropped first."""

MAX_CLAIMS = 100
"""Largest number of pods of one namespace that are kept at one address at one time.

Only pods on the host's network share an address, and a node has fewer of them. Anybody may write more into slices.
"""

MAX_REFUSING = 1000
"""Largest number of namespaces that wait to be reported because of their slices."""

SliceTenures = tuple[Service, list[Tenure]]
"""The service of a slice, and the tenures of the pods that the slice names."""
SavedHistory = dict[str, Any]
"""A history as JSON values: `tenures` in rows, `slices` with the numbers of their tenures, `current` and `began`."""


class History:
    """The tenures of all addresses, kept up to date by the events of a watch.

    `retention` (ns) and `max_ended` limit the ended tenures that are kept; a `retention` of None keeps all.
    `is_synced` returns whether the watch would report a change that happens now. `all_namespaces` says whether the
    watch reports the pods of all namespaces.
    """

    def __init__(
        self,
        *,
        retention: int | None = RETENTION,
        max_ended: int = MAX_ENDED,
        is_synced: Callable[[], bool] = lambda: True,
        all_namespaces: bool = True,
    ) -> None:
        self._retention, self._max_ended = retention, max_ended
        self._is_synced, self._all_namespaces = is_synced, all_namespaces
        self._tenures: dict[str, list[Tenure]] = {}
        self._fixed: Mapping[str, list[Tenure]] = {}
        self.ips: Container[str] = self._tenures.keys()
        """The IPs that have tenures."""
        self._members: dict[Service, dict[Tenure, None]] = {}
        self._slices: dict[tuple[str, str], SliceTenures] = {}
        self._services: dict[Service, int] = {}
        """How many slices each service has, also those that name no endpoint."""
        self._ended: deque[tuple[int, Tenure]] = deque()
        self.has_bookmarks = False
        """Whether there was a BOOKMARK; then no tenure is certain to have lasted beyond the last event."""
        self.is_snapshot = False
        """Whether the slices were read at an unknown time, so that no time can be compared with them."""
        self.open_tenures = 0
        """Number of tenures that have not ended."""
        self.refusing_namespaces: dict[str, None] = {}
        """Namespaces of the slices with such endpoints, for a reporter that takes them out; at most MAX_REFUSING."""
        self.refused_endpoints = 0
        """Number of endpoints so far that named a pod of another namespace, or one of more than MAX_CLAIMS pods."""
        self.on_change = set[Callable[[str], object]]()
        """Callbacks for callers that cache attributions, each called with an IP whose tenures have changed.

        The IP is empty if a service has come or gone.
        """
        self.complete_since = FOREVER
        """From this time (ns) on the history is complete: an address without a tenure was held by no pod.

        It advances whenever events may have been missed or old tenures are dropped.
        """
        self.complete_until = BEGINNING
        """Everything that happened before this time (ns) is known: the time of the watch's last event."""

    @property
    def certain_until(self) -> int:
        """Return until when (ns) an open tenure is certain to have lasted.

        It is FOREVER while the watch is in sync, and if no event had a time.
        """
        return FOREVER if self._is_synced() or self.complete_until == BEGINNING else self.complete_until

    # --- events of the watch -----------------------------------------------------------------------------------

    def apply(self, type_: str, obj: Slice, at: int, earliest: int | None = None) -> None:
        """Apply one watch event, which arrived `at` and happened no earlier than `earliest` (ns).

        The type is ADDED, MODIFIED, DELETED, or BOOKMARK, which reports that nothing else happened.
        """
        if type_ == "BOOKMARK":
            self.has_bookmarks = True
        else:
            state = read_slice(obj)
            if type_ == "DELETED":
                state = SliceState(state.key, NO_SERVICE, ())
            self._update_slice(state, at, at if earliest is None else earliest)
        self._advance(at)

    def replace(self, states: Iterable[SliceState], at: int, requested_at: int | None = None) -> None:
        """Apply a complete list, which was requested at `requested_at` and arrived `at` (ns).

        Slices that differ from their previous state changed at some time between the last event and the arrival.
        """
        earliest = self.complete_until
        listed = {state.key: state for state in states}
        for key in [key for key in self._slices if key not in listed]:
            self._update_slice(SliceState(key, NO_SERVICE, ()), at, earliest)
        for state in listed.values():
            self._update_slice(state, at, earliest)
        self._advance(at if requested_at is None else requested_at)
        self.mark_incomplete(at)

    def mark_incomplete(self, until: int) -> None:
        """Record that before `until` (ns) pods may have come and gone that no event or list has shown."""
        self.complete_since = max(self.complete_since, until)

    def _advance(self, at: int) -> None:
        self.complete_since = min(self.complete_since, at) if self._all_namespaces else FOREVER
        self.complete_until = max(self.complete_until, at)

    def _update_slice(self, state: SliceState, at: int, earliest: int) -> None:
        key, service, endpoints, foreign = state
        self._count_refused(key[0], foreign)
        old_service, tenures = self._slices.get(key, (NO_SERVICE, []))
        before = {(tenure.ip, tenure.owner[IDENTITY]): tenure for tenure in tenures}
        unchanged = before if service == old_service else {}
        after = {(endpoint.ip, endpoint.owner[IDENTITY]): endpoint for endpoint in endpoints}
        ports = intern_ports(endpoints[0].ports if endpoints else ())  # all endpoints of a slice have its ports
        slice_tenures = []
        # Endpoints are added before others are removed, so that a move within the slice leaves no gap.
        for holding, endpoint in after.items():
            tenure = unchanged.get(holding) or self._add_to_slice(endpoint, service, at, earliest)
            if tenure is None:
                self._count_refused(key[0], 1)
                continue
            if _update_tenure(tenure, endpoint, ports, at, earliest):
                self._notify(tenure.ip)
            slice_tenures.append(tenure)
        for holding, tenure in before.items():
            if holding not in after or unchanged is not before:
                self._remove_from_slice(tenure, old_service, at, earliest)
        if slice_tenures or service != NO_SERVICE:
            self._slices[key] = service, slice_tenures
        else:
            self._slices.pop(key, None)
        if service != old_service:
            self._move_slice(old_service, service)

    def _count_refused(self, namespace: str, endpoints: int) -> None:
        self.refused_endpoints += endpoints
        if endpoints and len(self.refusing_namespaces) < MAX_REFUSING:
            self.refusing_namespaces[namespace] = None

    def _move_slice(self, old: Service, new: Service) -> None:
        """Account for a slice that is of another service than before, or of none."""
        if new != NO_SERVICE:
            self._services[new] = self._services.get(new, 0) + 1
        if old != NO_SERVICE:
            self._services[old] -= 1
            if not self._services[old]:
                del self._services[old]
        self._notify("")

    def _add_to_slice(self, endpoint: Endpoint, service: Service, at: int, earliest: int) -> Tenure | None:
        """Return the tenure of an endpoint that one more slice names: the one that goes on, else a new one.

        Return None if too many pods of its namespace are at the address.
        """
        tenures = self._tenures.get(endpoint.ip, [])
        tenure = _continued_tenure(tenures, endpoint) if tenures else None
        if (tenure is None or not tenure.slice_count) and len(tenures) >= MAX_CLAIMS:
            namespace = endpoint.owner.namespace
            claims = sum(t.until == FOREVER and t.owner.namespace == namespace for t in tenures)
            if claims >= MAX_CLAIMS:
                return None
        if tenure is None:
            tenure = Tenure(endpoint.ip, endpoint.owner, at, min(at, earliest))
            self._tenures.setdefault(endpoint.ip, []).append(tenure)
        self._notify(endpoint.ip)
        self.open_tenures += tenure.slice_count == 0
        tenure.until = tenure.until_latest = FOREVER
        dropped = tenure.join(service, min(at, earliest))
        if dropped:
            self._remove_member(tenure, dropped)
        self._members.setdefault(service, {})[tenure] = None
        return tenure

    def _remove_from_slice(self, tenure: Tenure, service: Service, at: int, earliest: int) -> None:
        """Account for a slice that no longer names a tenure; end the tenure if it was the last one."""
        self._notify(tenure.ip)
        tenure.leave(service, at)
        if tenure.slice_count == 0:
            self.open_tenures -= 1
            tenure.until, tenure.until_latest = max(tenure.since, min(at, earliest)), at
            self._ended.append((at, tenure))
            self.expire(BEGINNING)

    def expire(self, now: int) -> None:
        """Drop tenures that ended longer than the retention before `now` (ns), and the oldest beyond the limit."""
        if self._retention is None:
            return
        oldest = now - self._retention
        while self._ended and (len(self._ended) > self._max_ended or self._ended[0][0] < oldest):
            end, tenure = self._ended.popleft()
            # Otherwise the tenure went on, and a later entry has its end; or an earlier entry had the same end.
            if tenure.until_latest == end and tenure in self._tenures.get(tenure.ip, ()):
                self._drop(tenure)
                self.mark_incomplete(end)

    def _drop(self, tenure: Tenure) -> None:
        self._notify(tenure.ip)
        tenures = self._tenures[tenure.ip]
        tenures.remove(tenure)
        if not tenures:
            del self._tenures[tenure.ip]
        for other in tenures:
            # The ports of a pod may have changed since. Only those who share its namespace are trusted not to.
            is_foreign = other.owner.namespace != tenure.owner.namespace
            if overlap(tenure, other) and (is_foreign or ports_overlap(tenure.ports, other.ports)):
                lingers = LINGER if is_foreign or may_outlast(tenure, other) else 0
                other.shared_until = max(other.shared_until, tenure.until_latest + lingers)
        for service in tenure.services:
            self._remove_member(tenure, service)

    def _remove_member(self, tenure: Tenure, service: Service) -> None:
        members = self._members[service]
        members.pop(tenure, None)
        if not members:
            del self._members[service]

    def _notify(self, ip: str) -> None:
        for callback in self.on_change:
            callback(ip)

    def use_fixed(self, fixed: History) -> None:
        """Use the addresses of a history of fixed addresses, in place of any others that were used before.

        Each counts only while this history has no tenure of its IP: slices have the last word.
        """
        changed = self._fixed.keys() | fixed._tenures.keys()
        self._fixed = fixed._tenures
        self.ips = ChainMap(self._tenures, fixed._tenures).keys() if self._fixed else self._tenures.keys()
        for ip in changed:
            self._notify(ip)

    # --- queries -----------------------------------------------------------------------------------------------

    def tenures(self) -> Iterator[Tenure]:
        """Yield all tenures, including ended ones."""
        for tenures in self._tenures.values():
            yield from tenures

    def tenures_of_ip(self, ip: str) -> list[Tenure]:
        """Return the tenures of an IP in the order in which they began."""
        return self._tenures.get(ip) or self._fixed.get(ip) or []

    def tenures_of_address(self, ip: str, port: int | None) -> list[Tenure]:
        """Return the tenures of an IP that matter for one of its ports.

        A fixed address counts beside pods on the host's network that have other ports of that host.
        """
        tenures, fixed = self.tenures_of_ip(ip), self._fixed.get(ip)
        if fixed and any(port in t.ports for t in fixed) and not any(ports_overlap({port}, t.ports) for t in tenures):
            return fixed
        return tenures

    def tenures_of_service(self, service: Service) -> Iterable[Tenure]:
        """Return the tenures of the pods that are or were in a service."""
        return self._members.get(service, ())

    def has_service(self, service: Service) -> bool:
        """Return whether a slice names the service, or any tenure is or was in it."""
        return service in self._members or service in self._services

    def has_namespace(self, namespace: str) -> bool:
        """Return whether any service in the history is of the namespace."""
        return any(service.namespace == namespace for service in (*self._members, *self._services))

    # --- over a restart ----------------------------------------------------------------------------------------

    def dump_fixed(self) -> SavedHistory:
        """Return the fixed addresses that are used beside this history, as a history that has no others."""
        rows = [dump_tenure(tenure) for tenures in self._fixed.values() for tenure in tenures]
        return {"current": BEGINNING, "began": BEGINNING, "tenures": rows, "slices": []}

    def dump(self) -> SavedHistory:
        """Return the history as JSON values, without the fixed addresses that are used beside it."""
        numbers = {tenure: number for number, tenure in enumerate(self.tenures())}
        slices = [
            [*key, *service, [numbers[tenure] for tenure in tenures]]
            for key, (service, tenures) in self._slices.items()
        ]
        return {
            "current": self.complete_until,
            "began": self.complete_since,
            "tenures": [dump_tenure(tenure) for tenure in numbers],
            "slices": slices,
        }

    def load(self, saved: SavedHistory) -> None:
        """Restore into this empty history what `dump` returned. Raise ValueError if it is malformed."""
        try:
            tenures = [load_tenure(row) for row in saved["tenures"]]
            slices = {
                (namespace, name): (Service(*service), [tenures[number] for number in numbers])
                for namespace, name, *service, numbers in saved["slices"]
            }
            self.complete_until, self.complete_since = int(saved["current"]), int(saved["began"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"not a saved history: {error!r}") from error
        self._slices = slices
        for service, _ in slices.values():
            if service != NO_SERVICE:
                self._services[service] = self._services.get(service, 0) + 1
        for tenure in tenures:
            self._tenures.setdefault(tenure.ip, []).append(tenure)
            for service in tenure.services:
                self._members.setdefault(service, {})[tenure] = None
        self.open_tenures = sum(tenure.until == FOREVER for tenure in tenures)
        ends = [(tenure.until_latest, tenure) for tenure in tenures if tenure.until != FOREVER]
        self._ended.extend(sorted(ends, key=lambda end: end[0]))


def _continued_tenure(tenures: Sequence[Tenure], endpoint: Endpoint) -> Tenure | None:
    """Return the pod's last tenure of its address, unless another pod took the address since it ended.

    A pod of another namespace does not count: anybody may name one of their own while a pod moves between slices.
    """
    own = [t for t in tenures if t.owner[IDENTITY] == endpoint.owner[IDENTITY]]
    if not own:
        return None
    last, namespace = own[-1], endpoint.owner.namespace
    ports = {number for number, _ in endpoint.ports}
    is_taken = any(
        t.since >= last.until and t is not last and t.owner.namespace == namespace and ports_overlap(ports, t.ports)
        for t in tenures
    )
    return None if is_taken else last


def _update_tenure(tenure: Tenure, endpoint: Endpoint, ports: Ports, at: int, earliest: int) -> bool:
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
    # A pod that is terminating never recovers, although another of its slices may be late to say so.
    if endpoint.terminating != (tenure.terminating_since != FOREVER) and (endpoint.terminating or not tenure.owner.pod):
        tenure.terminating_since = at if endpoint.terminating else FOREVER
        changed = True
    if tenure.ports is not ports and not tenure.ports.items() >= ports.items():
        tenure.ports = intern_ports(tuple({**tenure.ports, **ports}.items()))
        changed = True
    if tenure.owner != endpoint.owner:
        tenure.owner = endpoint.owner
        changed = True
    return changed
