"""Which pod held which address, and when. Pure: slices and times in, tenures out; attribution.py evaluates them.

A *tenure* is one pod's holding of one address. It begins when the first slice names the pod there and ends when the
last slice that named it no longer does. Each tenure records how well its beginning and its end are known. A change that
was seen live happened when it was seen. A change that a new list showed happened at some time between the last event
of the watch and the list. For the tenures in the very first list, the beginning is unknown.

An address that a pod holds without interruption never belongs to another pod in between: a pod that moves from slice to
slice, or that vanishes and comes back with the same uid while no other pod took the address, has one tenure.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from enricher.endpoints.budget import Budget
from enricher.endpoints.ended import EndedTenures
from enricher.endpoints.ports import NO_PORTS, PortSet, port_set, ports_overlap
from enricher.endpoints.refusals import Refusal, Refusals
from enricher.endpoints.saved_history import SavedHistory, SliceTenures, dump_history, parse_history
from enricher.endpoints.service_index import ServiceIndex
from enricher.endpoints.slices import IDENTITY, NO_SERVICE, Endpoint, Service, Slice, SliceState, read_slice
from enricher.endpoints.tenure import BEGINNING, FOREVER, LINGER, Tenure, may_outlast, overlap
from enricher.timestamps import SECOND

RETENTION = 3600 * SECOND
"""Time (ns) for which ended tenures are kept."""
MAX_ENDED = 50_000
"""Largest number of ended tenures that are kept. Each takes a KiB."""
MAX_ENDED_AT_ADDRESS = 64
"""Largest number of ended tenures of one namespace's pods that are kept at one address; the oldest are dropped first.

The work for an attempt at the address grows with them.
"""
MAX_CLAIMS = 32
"""Largest number of pods of one namespace that are kept at one address at one time.

Only pods on the host's network share an address, and a node has fewer of them. Anybody may write more into slices.
"""
MAX_SLICES_OF_POD = 128
"""Largest number of slices that name a pod at one address at one time: a slice is of one service, of many."""
MAX_INCOMPLETE = 50_000
"""Largest number of addresses of which it is known separately since when their history is complete."""
INCOMPLETE_TIME = 600 * SECOND
"""Time (ns) for which that is known: after it, hardly any line that old is still to be read."""

Holding = tuple[str, str, str, str]
"""An IP, and the identity of the pod that holds it."""


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
        self._retention, self._is_live = retention, retention is not None
        self._is_synced, self._all_namespaces = is_synced, all_namespaces
        self._tenures: dict[str, list[Tenure]] = {}
        self._fixed: Mapping[str, list[Tenure]] = {}
        self.ips: Container[str] = self._tenures.keys()
        """The IPs that have tenures."""
        self._slices: dict[tuple[str, str], SliceTenures] = {}
        self._services, self._budget = ServiceIndex(), Budget()
        self._ended = EndedTenures(max_ended)
        self._incomplete: dict[str, int] = {}
        """Until when (ns) the history of an IP is incomplete, because tenures were dropped before their time."""
        self.has_bookmarks = False
        """Whether there was a BOOKMARK; then no tenure is certain to have lasted beyond the last event."""
        self.is_snapshot = False
        """Whether the slices were read at an unknown time, so that no time can be compared with them."""
        self.refusals = Refusals()
        self.on_change = set[Callable[[str], object]]()
        """Callbacks for callers that cache attributions, each called with an IP whose tenures have changed.

        The IP is empty if a service has come or gone.
        """
        self.complete_since = FOREVER
        """From this time (ns) on the history is complete: an address without a tenure was held by no pod.

        It advances whenever events may have been missed or old tenures are dropped. For an address that has lost
        tenures before their time it may be later, see `complete_since_at`.
        """
        self.complete_until = BEGINNING
        """Everything that happened before this time (ns) is known: the time of the watch's last event."""

    @property
    def certain_until(self) -> int:
        """Return until when (ns) an open tenure is certain to have lasted.

        It is FOREVER while the watch is in sync, and if no event had a time.
        """
        return FOREVER if self._is_synced() or self.complete_until == BEGINNING else self.complete_until

    @property
    def open_tenures(self) -> int:
        """Return the number of tenures that have not ended."""
        return self._budget.open_tenures

    # --- events of the watch -----------------------------------------------------------------------------------

    def apply(self, type_: str, obj: Slice, at: int, earliest: int | None = None) -> None:
        """Apply one watch event, which arrived `at` and happened no earlier than `earliest` (ns).

        The type is ADDED, MODIFIED, DELETED, or BOOKMARK, which reports that nothing else happened.
        """
        if type_ == "BOOKMARK":
            self.has_bookmarks = True
            self._advance(at)
        else:
            state = read_slice(obj)
            if type_ == "DELETED":
                state = SliceState(state.key, NO_SERVICE, ())
            self.update(state, at, at if earliest is None else earliest)

    def update(self, state: SliceState, at: int, earliest: int) -> None:
        """Apply a new state of a slice, which arrived `at` and began no earlier than `earliest` (ns)."""
        self._update_slice(state, at, earliest)
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

    def complete_since_at(self, ip: str) -> int:
        """Return since when (ns) the history of an IP is complete."""
        return max(self.complete_since, self._incomplete.get(ip, BEGINNING))

    def _advance(self, at: int) -> None:
        self.complete_since = min(self.complete_since, at) if self._all_namespaces else FOREVER
        self.complete_until = max(self.complete_until, at)

    def _update_slice(self, state: SliceState, at: int, earliest: int) -> None:
        key, service, endpoints = state.key, state.service, state.endpoints
        for reason, number in state.refused:
            self.refusals.add(key[0], reason, number)
        old_service, old_ports, tenures = self._slices.get(key, SliceTenures(NO_SERVICE, NO_PORTS, []))
        if self._is_live and key not in self._slices and not self._budget.allows_slice(key[0]):
            self.refusals.add(key[0], Refusal.LARGE_NAMESPACE, len(endpoints))
            return
        before = {(tenure.ip, *tenure.owner[IDENTITY]): tenure for tenure in tenures}
        unchanged = before if service == old_service else {}
        after = self._without_crowds(key[0], endpoints)
        ports = port_set(state.ports)
        slice_tenures = []
        # Endpoints are added before others are removed, so that a move within the slice leaves no gap.
        for holding, endpoint in after.items():
            tenure = unchanged.get(holding)
            if tenure and ports is not old_ports:
                tenure.set_ports(old_ports, ports)
                self._notify(tenure.ip)
            tenure = tenure or self._add_to_slice(endpoint, service, ports, at, earliest)
            if tenure is None:
                continue
            if _update_tenure(tenure, endpoint, at, earliest):
                self._notify(tenure.ip)
            slice_tenures.append(tenure)
        for holding, tenure in before.items():
            if holding not in after or unchanged is not before:
                self._remove_from_slice(tenure, old_service, old_ports, at, earliest)
        self._keep_slice(key, SliceTenures(service, ports, slice_tenures))
        if service != old_service:
            self._services.add_slice(service)
            self._services.remove_slice(old_service)
            self._notify("")

    def _without_crowds(self, namespace: str, endpoints: Sequence[Endpoint]) -> dict[Holding, Endpoint]:
        """Return the endpoints of a slice by address and pod, of one address no more than a namespace may have."""
        result, claims, crowding = dict[Holding, Endpoint](), Counter[str](), 0
        for endpoint in endpoints:
            claims[endpoint.ip] += 1
            if claims[endpoint.ip] <= MAX_CLAIMS:
                result[endpoint.ip, *endpoint.owner[IDENTITY]] = endpoint
            else:
                crowding += 1
        self.refusals.add(namespace, Refusal.CROWDED_ADDRESS, crowding)
        return result

    def _keep_slice(self, key: tuple[str, str], content: SliceTenures) -> None:
        if self._slices.pop(key, None):
            self._budget.count_slices(key[0], -1)
        if content.tenures or content.service != NO_SERVICE:
            self._slices[key] = content
            self._budget.count_slices(key[0], +1)

    def _add_to_slice(
        self, endpoint: Endpoint, service: Service, ports: PortSet, at: int, earliest: int
    ) -> Tenure | None:
        """Return the tenure of an endpoint that one more slice names: the one that goes on, else a new one.

        Return None if the endpoint is refused because of what its namespace has already. Fixed addresses never are.
        """
        tenures = self._tenures.get(endpoint.ip, [])
        tenure = _continued_tenure(tenures, endpoint, ports) if tenures else None
        if at != BEGINNING and (refusal := self._refusal(endpoint, tenure, tenures)):
            self.refusals.add(endpoint.owner.namespace, refusal)
            return None
        if tenure is None:
            tenure = Tenure(endpoint.ip, endpoint.owner, at, min(at, earliest))
            self._tenures.setdefault(endpoint.ip, []).append(tenure)
        self._notify(endpoint.ip)
        if not tenure.slice_ports:
            self._budget.count_tenures(tenure.owner.namespace, +1)
        tenure.set_ports(None, ports)
        tenure.until = tenure.until_latest = FOREVER
        dropped = tenure.join(service, min(at, earliest))
        if dropped:
            self._services.remove_member(dropped, tenure)
        self._services.add_member(service, tenure)
        return tenure

    def _refusal(self, endpoint: Endpoint, tenure: Tenure | None, tenures: Sequence[Tenure]) -> Refusal | None:
        """Return why a slice may not name an endpoint, if so: what it has been given must not cost others theirs."""
        if tenure and tenure.slice_ports:
            return Refusal.CROWDED_ADDRESS if len(tenure.slice_ports) >= MAX_SLICES_OF_POD else None
        namespace = endpoint.owner.namespace
        if self._is_live and not self._budget.allows_tenure(namespace):
            return Refusal.LARGE_NAMESPACE
        claims = sum(t.until == FOREVER and t.owner.namespace == namespace for t in tenures)
        return Refusal.CROWDED_ADDRESS if claims >= MAX_CLAIMS else None

    def _remove_from_slice(self, tenure: Tenure, service: Service, ports: PortSet, at: int, earliest: int) -> None:
        """Account for a slice that no longer names a tenure; end the tenure if it was the last one."""
        self._notify(tenure.ip)
        tenure.leave(service, at)
        tenure.set_ports(ports, None)
        if tenure.slice_ports:
            return
        namespace = tenure.owner.namespace
        self._budget.count_tenures(namespace, -1)
        tenure.until, tenure.until_latest = max(tenure.since, min(at, earliest)), at
        if not self._is_live:
            return
        self._ended.add(at, tenure)
        for end, oldest in self._ended.take_excess():
            self._drop_early(end, oldest)
        ended = [t for t in self._tenures[tenure.ip] if t.until != FOREVER and t.owner.namespace == namespace]
        if len(ended) > MAX_ENDED_AT_ADDRESS:
            oldest = min(ended, key=lambda t: t.until_latest)
            self._drop_early(oldest.until_latest, oldest)

    def expire(self, now: int) -> None:
        """Drop tenures that ended longer than the retention before `now` (ns)."""
        if self._retention is None:
            return
        for end, tenure in self._ended.take_older(now - self._retention):
            if self._drop(end, tenure):
                self.mark_incomplete(end)
        old = {ip: until for ip, until in self._incomplete.items() if until < now - INCOMPLETE_TIME}
        if old:
            self._incomplete = {ip: until for ip, until in self._incomplete.items() if ip not in old}
            self.mark_incomplete(max(old.values()))

    def _drop_early(self, end: int, tenure: Tenure) -> None:
        """Drop an ended tenure before its time; only the history of its address is incomplete because of that."""
        if not self._drop(end, tenure):
            return
        self._incomplete[tenure.ip] = max(end, self._incomplete.get(tenure.ip, BEGINNING))
        if len(self._incomplete) > MAX_INCOMPLETE:
            self.mark_incomplete(max(self._incomplete.values()))
            self._incomplete.clear()

    def _drop(self, end: int, tenure: Tenure) -> bool:
        """Drop a tenure if it ended then (ns); return whether it did.

        Otherwise it went on, and a later entry has its end; or an earlier entry had the same end.
        """
        tenures = self._tenures.get(tenure.ip, [])
        if tenure.until_latest != end or tenure not in tenures:
            return False
        self._notify(tenure.ip)
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
            self._services.remove_member(service, tenure)
        return True

    def _notify(self, ip: str) -> None:
        for callback in self.on_change:
            callback(ip)

    def use_fixed(self, fixed: History) -> None:
        """Use the addresses of a history of fixed addresses, in place of any others that were used before.

        Each counts only while this history has no tenure of its IP: slices take precedence.
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
        return self._services.members(service)

    def has_service(self, service: Service) -> bool:
        """Return whether a slice names the service, or any tenure is or was in it."""
        return self._services.has_service(service)

    def has_namespace(self, namespace: str) -> bool:
        """Return whether any service in the history is of the namespace."""
        return self._services.has_namespace(namespace)

    # --- over a restart ----------------------------------------------------------------------------------------

    def dump_fixed(self) -> SavedHistory:
        """Return the fixed addresses that are used beside this history, as a history that has no others."""
        fixed = [tenure for tenures in self._fixed.values() for tenure in tenures]
        return dump_history(fixed, {}, complete_until=BEGINNING, complete_since=BEGINNING)

    def dump(self) -> SavedHistory:
        """Return the history as JSON values, without the fixed addresses that are used beside it."""
        complete_since = max((self.complete_since, *self._incomplete.values()))
        return dump_history(
            self.tenures(), self._slices, complete_until=self.complete_until, complete_since=complete_since
        )

    def load(self, saved: object) -> None:
        """Restore into this empty history what `dump` returned. Raise ValueError if it is malformed."""
        loaded = parse_history(saved, has_fixed=not self._is_live)
        tenures, self._slices, self.complete_until, self.complete_since = loaded
        for (namespace, _), (service, _, _) in self._slices.items():
            self._budget.count_slices(namespace, +1)
            self._services.add_slice(service)
        for tenure in tenures:
            self._tenures.setdefault(tenure.ip, []).append(tenure)
            for service in tenure.services:
                self._services.add_member(service, tenure)
            if tenure.until == FOREVER:
                self._budget.count_tenures(tenure.owner.namespace, +1)
        self._ended.extend((tenure.until_latest, tenure) for tenure in tenures if tenure.until != FOREVER)


def _continued_tenure(tenures: Sequence[Tenure], endpoint: Endpoint, ports: PortSet) -> Tenure | None:
    """Return the pod's last tenure of its address, unless another pod took the address since it ended.

    A pod of another namespace does not count: anybody may name one of their own while a pod moves between slices.
    """
    own = [t for t in tenures if t.owner[IDENTITY] == endpoint.owner[IDENTITY]]
    if not own:
        return None
    last, namespace = own[-1], endpoint.owner.namespace
    is_taken = any(
        t.since >= last.until and t is not last and t.owner.namespace == namespace and ports_overlap(ports, t.ports)
        for t in tenures
    )
    return None if is_taken else last


def _update_tenure(tenure: Tenure, endpoint: Endpoint, at: int, earliest: int) -> bool:
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
    if tenure.owner != endpoint.owner:
        tenure.owner = endpoint.owner
        changed = True
    return changed
