"""Which pod held which address, and when. Pure: slices and times in, tenures out; attribution.py evaluates them.

A *tenure* is one pod's holding of one address. It begins when the first slice names the pod there and ends when the
last slice that named it no longer does. Each tenure records how well its beginning and its end are known. A change that
was seen live happened when it was seen. A change that a new list showed happened at some time between the last event
of the watch and the list. For the tenures in the very first list, the beginning is unknown.

An address that a pod holds without interruption never belongs to another pod in between: a pod that moves from slice to
slice, or that vanishes and comes back with the same uid while no other pod took the address, has one tenure.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping

from enricher.endpoints.budget import Budget, entries_of
from enricher.endpoints.crowds import MAX_HOLDERS, Crowd, find_crowds
from enricher.endpoints.gateway_index import GatewayIndex
from enricher.endpoints.ledger import MAX_ENDED, Ledger
from enricher.endpoints.ports import ALL_PORTS, PortSet, port_set
from enricher.endpoints.refusals import Refusal, Refusals
from enricher.endpoints.saved_history import NO_SLICE, SavedHistory, SliceTenures, dump_history, parse_history
from enricher.endpoints.slices import IDENTITY, NO_SERVICE, Endpoint, Service, Slice, SliceState, read_slice
from enricher.endpoints.tenure import BEGINNING, FOREVER, Tenure, continued_tenure, update_tenure
from enricher.timestamps import SECOND

RETENTION = 3600 * SECOND
"""Time (ns) for which ended tenures are kept."""
MAX_SLICES_OF_POD = 32
"""Largest number of slices that name a pod at one address at one time: a slice is of one service, of many."""
MAX_PORTS_OF_CROWDS = 1000
"""Largest number of ports of one address for which its crowds are cached."""


class History:
    """The tenures of all addresses, kept up to date by the events of a watch.

    `retention` (ns) and `max_ended` limit the ended tenures that are kept; a `retention` of None keeps all.
    `is_synced` returns whether the watch would report a change that happens now. `all_namespaces` says whether the
    watch reports the pods of all namespaces. `refusals` counts what is not used.
    """

    def __init__(
        self,
        *,
        retention: int | None = RETENTION,
        max_ended: int = MAX_ENDED,
        is_synced: Callable[[], bool] = lambda: True,
        all_namespaces: bool = True,
        refusals: Refusals | None = None,
    ) -> None:
        self._retention, self._max_ended, self._is_live = retention, max_ended, retention is not None
        self._is_synced, self._all_namespaces = is_synced, all_namespaces
        self.refusals = refusals or Refusals()
        self._ledger, self._budget = Ledger(self.refusals, self._notify), Budget()
        self._tenures, self._services = self._ledger.by_ip, self._ledger.services
        self._fixed: Mapping[str, list[Tenure]] = {}
        self.ips: Container[str] = self._tenures.keys()
        """The IPs that have tenures."""
        self._slices: dict[tuple[str, str], SliceTenures] = {}
        self._gateways = GatewayIndex()
        self._crowds: dict[str, dict[int | None, list[Crowd]]] = {}
        """The crowds of each IP with many tenures, by port, until its tenures change."""
        self.has_bookmarks = False
        """Whether there was a BOOKMARK; then no tenure is certain to have lasted beyond the last event."""
        self.is_snapshot = False
        """Whether the slices were read at an unknown time, so that no time can be compared with them."""
        self.on_change = set[Callable[[str], object]]()
        """Callbacks for callers that cache attributions, each called with an IP whose tenures have changed.

        The IP is empty if a service, or a slice's Gateway, has come or gone.
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
        return self._ledger.open_tenures

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
        return max(self.complete_since, self._ledger.lost_at(ip)[1])

    def _advance(self, at: int) -> None:
        self.complete_since = min(self.complete_since, at) if self._all_namespaces else FOREVER
        self.complete_until = max(self.complete_until, at)

    def _update_slice(self, state: SliceState, at: int, earliest: int) -> None:
        key, service = state.key, state.service
        for reason, number in state.refused:
            self.refusals.add(key[0], reason, number)
        old = self._slices.pop(key, NO_SLICE)
        self._budget.count(key[0], -old.entries)
        after = {(endpoint.ip, *endpoint.owner[IDENTITY]): endpoint for endpoint in state.endpoints}
        if old is NO_SLICE and (after or service != NO_SERVICE) and not self._has_room(key[0]):
            self.refusals.add(key[0], Refusal.LARGE_NAMESPACE, max(1, len(after)))
            return
        before = {(tenure.ip, *tenure.owner[IDENTITY]): tenure for tenure in old.tenures}
        staying = {holding: before[holding] for holding in after if holding in before} if service == old.service else {}
        content = SliceTenures(service, self._affordable_ports(state, old), list(staying.values()))
        self._budget.count(key[0], content.entries)
        for holding, tenure in staying.items():
            if content.ports is not old.ports:
                tenure.set_ports(old.ports, content.ports, at, earliest)
                self._notify(tenure.ip)
            if update_tenure(tenure, after[holding], at, earliest):
                self._notify(tenure.ip)
        # Endpoints are added before others are removed, so that a move within the slice leaves no gap.
        for holding, endpoint in after.items():
            if holding not in staying:
                self._add_to_slice(key[0], endpoint, content, at, earliest)
        for holding, tenure in before.items():
            if holding not in staying:
                self._remove_from_slice(tenure, old, at, earliest)
        self._keep_slice(key, content, old.service)
        self._gateways.update(key, state.gateway, lambda: self._notify(""))

    def _has_room(self, namespace: str) -> bool:
        return not self._is_live or self._budget.allows(namespace)

    def _affordable_ports(self, state: SliceState, old: SliceTenures) -> PortSet:
        ports = port_set(state.ports)
        return ports if len(ports) <= max(1, len(old.ports)) or self._has_room(state.key[0]) else ALL_PORTS

    def _keep_slice(self, key: tuple[str, str], content: SliceTenures, old_service: Service) -> None:
        if content.tenures or content.service != NO_SERVICE:
            self._slices[key] = content
        else:
            self._budget.count(key[0], -content.entries)
        if content.service != old_service:
            self._services.add_slice(content.service)
            self._services.remove_slice(old_service)
            self._notify("")

    def _add_to_slice(self, namespace: str, endpoint: Endpoint, content: SliceTenures, at: int, earliest: int) -> None:
        """Add an endpoint to the content of a slice: the tenure that goes on, else a new one.

        It is refused if its namespace has had its share already. Fixed addresses never are.
        """
        tenures = self._tenures.get(endpoint.ip, [])
        tenure = continued_tenure(tenures, endpoint, content.ports) if tenures else None
        if at != BEGINNING and (refusal := self._refusal(namespace, endpoint, tenure)):
            self.refusals.add(namespace, refusal)
            return
        if tenure is None:
            tenure = Tenure(endpoint.ip, endpoint.owner, at, min(at, earliest))
            self._ledger.add(tenure)
        self._notify(endpoint.ip)
        self._budget.count(namespace, entries_of(endpoint.owner))
        self._ledger.open_tenures += not tenure.slice_ports
        tenure.set_ports(None, content.ports, at, earliest)
        tenure.until = tenure.until_latest = FOREVER
        dropped = tenure.join(content.service, min(at, earliest))
        if dropped:
            self._services.remove_member(dropped, tenure)
        self._services.add_member(content.service, tenure)
        update_tenure(tenure, endpoint, at, earliest)
        content.tenures.append(tenure)

    def _refusal(self, namespace: str, endpoint: Endpoint, tenure: Tenure | None) -> Refusal | None:
        """Return why a slice may not name an endpoint, if so: what it has been given must not cost others theirs."""
        if not self._has_room(namespace):
            return Refusal.LARGE_NAMESPACE
        if tenure and tenure.slice_ports:
            return Refusal.CROWDED_ADDRESS if len(tenure.slice_ports) >= MAX_SLICES_OF_POD else None
        return None if self._ledger.has_room_at(endpoint.ip, namespace) else Refusal.CROWDED_ADDRESS

    def _remove_from_slice(self, tenure: Tenure, content: SliceTenures, at: int, earliest: int) -> None:
        """Account for a slice that no longer names a tenure; end the tenure if it was the last one."""
        self._notify(tenure.ip)
        tenure.leave(content.service, at)
        tenure.set_ports(content.ports, None, at, earliest)
        if tenure.slice_ports:
            return
        self._ledger.open_tenures -= 1
        tenure.until, tenure.until_latest = max(tenure.since, min(at, earliest)), at
        if self._is_live:
            self._ledger.keep_ended(tenure, min(self._max_ended, self._budget.room_for_ended()))

    def expire(self, now: int) -> None:
        """Drop tenures that ended longer than the retention before `now` (ns)."""
        if self._retention is not None:
            self.mark_incomplete(self._ledger.expire(now - self._retention, now))

    def _notify(self, ip: str) -> None:
        self._crowds.pop(ip, None)
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
        if fixed and any(port in t.ports for t in fixed) and not any(t.end_of_port(port) for t in tenures):
            return fixed
        return tenures

    def crowds_of_address(self, ip: str, port: int | None) -> list[Crowd]:
        """Return the times at which too many pods were named at an address to compare them, oldest first."""
        tenures = self.tenures_of_address(ip, port)
        if len(tenures) <= MAX_HOLDERS or self.is_snapshot:
            return []
        crowds = self._crowds.setdefault(ip, {})
        if port not in crowds:
            if len(crowds) >= MAX_PORTS_OF_CROWDS:
                crowds.clear()
            crowds[port] = find_crowds([t for t in tenures if t.end_of_port(port)] or tenures, self._ledger.lost_at(ip))
        return crowds[port]

    def tenures_of_service(self, service: Service) -> Collection[Tenure]:
        """Return the tenures of the pods that are or were in a service."""
        return self._services.members(service)

    def tenure_in_service(self, service: Service, pod: str) -> Tenure | None:
        """Return a tenure of a pod that is or was in a service, by the pod's name."""
        return self._services.member(service, pod)

    def has_service(self, service: Service) -> bool:
        """Return whether a slice names the service, or any tenure is or was in it."""
        return self._services.has_service(service)

    def has_namespace(self, namespace: str) -> bool:
        """Return whether any service in the history is of the namespace."""
        return self._services.has_namespace(namespace)

    def services(self) -> Iterator[Service]:
        """Yield the services that slices name, or that any tenure is or was in."""
        return self._services.services()

    def services_of_namespace(self, namespace: str) -> Collection[Service]:
        """Return the services of a namespace."""
        return self._services.services_of_namespace(namespace)

    def gateways_of_namespace(self, namespace: str) -> Iterator[tuple[Service, str]]:
        """Yield the services of a namespace that are those of a Gateway's proxies, each with the Gateway."""
        for name, gateway in self._gateways.of_namespace(namespace):
            if (content := self._slices.get((namespace, name))) and content.service != NO_SERVICE:
                yield content.service, gateway

    # --- over a restart ----------------------------------------------------------------------------------------

    def dump_fixed(self) -> SavedHistory:
        """Return the fixed addresses that are used beside this history, as a history that has no others."""
        fixed = [tenure for tenures in self._fixed.values() for tenure in tenures]
        return dump_history(fixed, {}, complete_until=BEGINNING, complete_since=BEGINNING)

    def dump(self) -> SavedHistory:
        """Return the history as JSON values, without the fixed addresses that are used beside it."""
        complete_since = max(self.complete_since, self._ledger.latest_loss())
        return dump_history(
            self.tenures(), self._slices, complete_until=self.complete_until, complete_since=complete_since
        )

    def load(self, saved: object) -> None:
        """Restore into this empty history what `dump` returned. Raise ValueError if it is malformed."""
        loaded = parse_history(saved, has_fixed=not self._is_live)
        tenures, self._slices, self.complete_until, self.complete_since = loaded
        self._ledger.load(tenures)
        for (namespace, _), content in self._slices.items():
            self._budget.count(namespace, content.entries)
            self._services.add_slice(content.service)
