"""The attributions of the addresses in a log, rendered, each cached for as long as it holds. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import compress, count
from typing import Any

from enricher.accesslog.dialect import Facts
from enricher.endpoints.attribution import (
    Attribution,
    Histories,
    Window,
    attribute,
    attribute_client,
    prefer_reported_pod,
    service_of_attribution,
)
from enricher.endpoints.history import History
from enricher.endpoints.periods import stable_period
from enricher.endpoints.readiness import Gap, ready_gaps, watched_since
from enricher.endpoints.slices import Service, canonical_ip, split_address
from enricher.endpoints.tenure import BEGINNING, FOREVER, GRACE_PERIOD
from enricher.endpoints.upstream_names import service_of_upstream_name
from enricher.enrich.cached_attribution import (
    ALWAYS,
    NO_POD,
    CachedAttribution,
    CachedClient,
    ColumnCache,
    ColumnKey,
    InColumns,
)
from enricher.enrich.cause_counter import CauseCounter
from enricher.enrich.output import client_fragment
from enricher.enrich.proxy_gateways import ProxyGateways
from enricher.enrich.requests import NoAttempt, no_attempt, without_endpoints
from enricher.enrich.zone_crossings import ZoneCrossings
from enricher.line import Source
from enricher.vocabulary import Grade

MAX_ENTRIES = 50_000
"""Largest number of addresses whose attributions are cached. Each takes some 2 KiB."""
MAX_UNCOUNTED = 10_000
"""Largest number of attributions that are not cached, but wait to be counted. Each takes some 2 KiB."""
MAX_PERIODS = 8
"""Largest number of periods of one address that are cached; the oldest is dropped first."""

_Key = tuple[str, str, bool]
"""An address, the name of the group of upstreams, and whether the time of the attempt is known."""


class Owners:
    """The cached attributions of addresses and clients. They are forgotten when the history of an address changes."""

    def __init__(self) -> None:
        self.histories = Histories(History(), History())
        """The histories that attributions are made by."""
        self.causes = CauseCounter()
        self.known_until = FOREVER
        """Everything that happened before this time (ns) has been reported."""
        self._certainty: tuple[int, bool] = (0, False)
        self._complete_since = 0
        self._unreliable_until = 2 * BEGINNING
        """Up to this time (ns), how complete the history is has changed since the attributions were cached."""
        self._cached: dict[_Key, list[CachedAttribution]] = {}
        self._by_columns: defaultdict[tuple[Facts, bool], ColumnCache] = defaultdict(ColumnCache)
        """For the facts of a dialect, with and without times: the latest attributions of answered attempts by key."""
        self._clients: dict[tuple[str, bool], CachedClient] = {}
        """The clients, by their address and whether the time of the request is known."""
        self._keys_of_ip: dict[str, set[_Key]] = {}
        self._clients_of_ip: dict[str, set[tuple[str, bool]]] = {}
        self._dependent: set[_Key] = set()
        """The keys whose attribution may change with the history of any address."""
        self._named_services: dict[str, Service | None] = {}
        """The services to which names of upstreams refer."""
        self._gaps: dict[Service, tuple[list[Gap], int]] = {}
        """The times in which no pod of a service was ready."""
        self.zone_crossings = ZoneCrossings()
        self._proxy_gateways = ProxyGateways()
        self.gateway = ""
        """The only Gateway of the proxy whose log is read; empty if it is not known, or if there are several."""
        self._late = set[CachedAttribution]()
        """The attributions of which some attempts may be late, also those that only lines of the batch still have."""
        self._uncounted: list[CachedAttribution] = []
        """The attributions that are no longer cached, or never were, with attempts that are to be counted."""

    # --- keeping up with the histories ---------------------------------------------------------------------------

    def use(self, histories: Histories, source: Source, now: int | None) -> None:
        """Attribute the attempts of a source by these histories from now (ns) on; it is None if they are complete."""
        pods = histories.pods
        self.zone_crossings.use(source)
        certainty = (pods.certain_until, pods.is_snapshot)
        self.causes.now = now
        self.known_until = certainty[0] if now is None else min(certainty[0], now)
        if histories is not self.histories:
            # The histories of before would otherwise hold on to this.
            self.histories.pods.on_change.discard(self._forget)
            self.histories.services.on_change.discard(self._forget)
            self.histories = histories
            pods.on_change.add(self._forget)
            histories.services.on_change.add(self._forget)
            self._late.clear()
            self._forget_all()
        elif certainty != self._certainty or len(self._cached) + len(self._clients) + len(self._late) > MAX_ENTRIES:
            self._late.clear()
            self._forget_all()
        elif pods.complete_since != self._complete_since:
            changed_until = max(pods.complete_since, self._complete_since) + GRACE_PERIOD
            self._unreliable_until = max(self._unreliable_until, changed_until)
        self._certainty, self._complete_since = certainty, pods.complete_since
        self.gateway = self._proxy_gateways.of(pods, source)

    def _forget_all(self) -> None:
        self._unreliable_until = 2 * BEGINNING
        self._uncounted += self._all()
        self._cached.clear()
        self._by_columns.clear()
        self._clients.clear()
        self._keys_of_ip.clear()
        self._clients_of_ip.clear()
        self._dependent.clear()
        self._named_services.clear()
        self._gaps.clear()
        self.zone_crossings.forget()
        self._proxy_gateways.forget()

    def _forget(self, ip: str) -> None:
        """Forget an IP whose history has changed, and what may depend on it."""
        self._named_services.clear()
        self._gaps.clear()
        self.zone_crossings.forget()
        self._proxy_gateways.forget()
        for keys in (self._keys_of_ip.pop(ip, ()), self._dependent):
            for key in keys:
                for cached in self._cached.pop(key, ()):
                    self._uncounted.append(cached)
                    self._late.discard(cached)
                    for column_cache, column_key in cached.column_keys:
                        column_cache.pop(column_key, None)
        self._dependent.clear()
        for client in self._clients_of_ip.pop(ip, ()):
            self._clients.pop(client, None)

    # --- upstreams -----------------------------------------------------------------------------------------------

    def of_attempt(self, addr: str, window: Window | None, *, answered: bool, upstream_name: str) -> CachedAttribution:
        """Return the attribution of an attempt, as `attribute` in enricher/endpoints/attribution.py does."""
        cached = self._of_attempt(addr, window, answered=answered, upstream_name=upstream_name)
        if cached is None:
            attribution = attribute(self.histories, addr, window, answered=answered, upstream_name=upstream_name)
            cached = self._uncached(addr, attribution)
        return cached

    def _of_attempt(
        self, addr: str, window: Window | None, *, answered: bool, upstream_name: str
    ) -> CachedAttribution | None:
        """Return the attribution of all attempts within a time; None if they may have different ones."""
        begin, end = (window.start, max(window.start, window.end_latest)) if window else ALWAYS
        if begin <= self._unreliable_until and window:
            self._forget_all()
        key = (addr, upstream_name, window is not None)
        in_period = [
            cached
            for cached in self._cached.get(key, ())
            if window is None or (cached.begin < begin and end < cached.end)
        ]
        for cached in in_period:
            if answered in cached.answered or not cached.attribution.depends_on_answer:
                return cached
        histories, (ip, port) = self.histories, split_address(addr)
        period = (
            stable_period(histories, ip, port, begin, end, upstream_name=upstream_name) if ip and window else ALWAYS
        )
        if period is None:
            return None
        attribution = attribute(histories, addr, window, answered=answered, upstream_name=upstream_name)
        for cached in in_period:
            if cached.attribution == attribution:
                cached.answered.add(answered)
                return cached
        cached = CachedAttribution(attribution, addr, service_of_attribution(histories, addr, attribution), period)
        cached.answered.add(answered)
        if window and cached.may_be_late(histories.pods, *period):
            self._late.add(cached)
        entries = self._cached.setdefault(key, [])
        entries.append(cached)
        self._uncounted += entries[:-MAX_PERIODS]
        del entries[:-MAX_PERIODS]
        if attribution.grade in {Grade.SERVICE, Grade.UNKNOWN}:
            self._dependent.add(key)  # on the members of a service, or on whether the service is known
        self._keys_of_ip.setdefault(ip, set()).add(key)
        return cached

    def late_between(self, begin: int, end: int) -> set[CachedAttribution]:
        """Return the attributions by which attempts may be late that began from one time to another (ns)."""
        pods = self.histories.pods
        return {cached for cached in self._late if cached.may_be_late(pods, begin, end)}

    def _uncached(self, addr: str, attribution: Attribution) -> CachedAttribution:
        """Return an attribution that holds for one attempt only."""
        service = service_of_attribution(self.histories, addr, attribution)
        uncached = CachedAttribution(attribution, addr, service, None)
        self._uncounted.append(uncached)
        return uncached

    def of_columns(
        self, facts: Facts, keys: Sequence[ColumnKey], begin: int, end: int, *, timed: bool, answered: bool = True
    ) -> list[InColumns | None]:
        """Return the attributions of attempts, all answered or none, each somewhere between two times (ns).

        `keys` have the raw texts of the addresses and of the groups of upstreams; one may be empty. The attribution is
        None if there is no address, or if it may change between the two times.
        """
        if begin <= self._unreliable_until and timed:
            self._forget_all()
        latest = self._by_columns[facts, timed]
        owners: list[InColumns | None] = list(map(latest.get, keys))
        all_hold = latest.begin < begin and end < latest.end
        if all_hold and answered and all(owners):
            return owners

        def is_outdated(cached: CachedAttribution) -> bool:
            return not (cached.begin < begin and end < cached.end)

        rows = [
            row
            for row, owner in enumerate(owners)
            if owner is None
            or (not all_hold and is_outdated(owner.cached))
            or (not answered and owner.cached.attribution.depends_on_answer)
        ]
        replacements = dict[ColumnKey, InColumns | None]()
        for row in rows:
            key = keys[row]
            if key not in replacements:
                replacements[key] = self._of_key(facts, key, begin, end, timed=timed, answered=answered)
            owners[row] = replacements[key]
        return owners

    def _of_key(
        self, facts: Facts, key: ColumnKey, begin: int, end: int, *, timed: bool, answered: bool
    ) -> InColumns | None:
        addr, upstream_name = self._parse_key(facts, key)
        if not addr:
            return None
        window = Window(begin, begin, end) if timed else None
        cached = self._of_attempt(addr, window, answered=answered, upstream_name=upstream_name)
        if cached is None:
            return None
        owner = cached.in_columns()
        if not answered and cached.attribution.depends_on_answer:
            return owner
        latest = self._by_columns[facts, timed]
        latest[key] = owner
        latest.begin, latest.end = max(latest.begin, cached.begin), min(latest.end, cached.end)
        cached.column_keys.append((latest, key))
        return owner

    def of_row(self, facts: Facts, key: ColumnKey, window: Window, *, answered: bool = True) -> InColumns | None:
        """Return the attribution of one attempt as `of_columns` does, for one that may change between others."""
        addr, upstream_name = self._parse_key(facts, key)
        cached = self._of_attempt(addr, window, answered=answered, upstream_name=upstream_name) if addr else None
        return cached.in_columns() if cached else None

    def _parse_key(self, facts: Facts, key: ColumnKey) -> tuple[str, str]:
        """Return an address and the name of the group of upstreams; both are empty if there is no address."""
        width = len(facts.addr.variables)
        addr: str = facts.addr.derive(*key[:width]) if key else ""
        return (addr, facts.upstream_name.derive(*key[width:])) if addr else ("", "")

    def _all(self) -> Iterator[CachedAttribution]:
        return (cached for entries in self._cached.values() for cached in entries)

    @property
    def must_count(self) -> bool:
        """Return whether the attributions that are not cached have to be counted, since they are many."""
        return len(self._uncounted) > MAX_UNCOUNTED

    def take_uncounted(self) -> list[CachedAttribution]:
        """Return the attributions with attempts that are to be counted; the caller counts and clears them."""
        uncounted = [cached for cached in (*self._all(), *self._uncounted) if cached.times or cached.requests]
        self._uncounted.clear()
        return uncounted

    def prefer_reported(self, owner: CachedAttribution, pod: str) -> CachedAttribution:
        """Return what the log line itself says of an attempt: its pod, unless the owner is certain."""
        attribution = prefer_reported_pod(self.histories, owner.attribution, pod)
        if attribution is owner.attribution:
            return owner
        return self._uncached(owner.addr, attribution)

    # --- requests without an attempt -----------------------------------------------------------------------------

    def without_attempt(
        self, upstream_name: str, windows: Sequence[Window | None], *, failed: bool, nobody_is_live: bool
    ) -> NoAttempt | None:
        """Return why nobody was tried for requests at some times, as `no_attempt` does; None if not all are alike."""
        if upstream_name not in self._named_services:
            if len(self._named_services) >= MAX_ENTRIES:
                self._named_services.clear()
            self._named_services[upstream_name] = service_of_upstream_name(self.histories.pods, upstream_name)
        service = self._named_services[upstream_name]
        return self._without_attempt(service, windows, failed=failed, nobody_is_live=nobody_is_live)

    def without_endpoints(
        self, services: Sequence[Service], windows: Sequence[Window | None], unexplained: NoAttempt
    ) -> NoAttempt | None:
        """Return what the Services of its route say of a failed request; None if not all times are alike."""
        candidates = [self._without_attempt(each, windows, failed=True, nobody_is_live=False) for each in services]
        return without_endpoints(candidates, unexplained)

    def _without_attempt(
        self, service: Service | None, windows: Sequence[Window | None], *, failed: bool, nobody_is_live: bool
    ) -> NoAttempt | None:
        pods = self.histories.pods
        if service and failed and service not in self._gaps:
            self._gaps[service] = ready_gaps(pods, service), watched_since(pods, service)
        gaps, since = self._gaps.get(service, ([], 0)) if service else ([], 0)
        if not pods.is_snapshot:
            since = min(since, pods.complete_since)
        results = {
            no_attempt(service, gaps, window, pods.certain_until, since, failed=failed, nobody_is_live=nobody_is_live)
            for window in windows
        }
        return results.pop() if len(results) == 1 else None

    # --- clients -------------------------------------------------------------------------------------------------

    def of_client(self, addr: str, window: Window | None) -> CachedClient:
        """Return the pod that a client was during a request, as `attribute_client` does."""
        held: Any = self.histories.pods.ips
        if ":" not in addr and addr not in held:
            return NO_POD  # there is only one way to spell an IPv4 address
        begin, end = (window.start, max(window.start, window.end_latest)) if window else ALWAYS
        if begin <= self._unreliable_until and window:
            self._forget_all()
        cached = self._clients.get((addr, window is not None))
        if cached and (window is None or (cached.begin < begin and end < cached.end)):
            return cached
        histories, ip = self.histories, canonical_ip(addr)
        client = attribute_client(histories, addr, window)
        period = stable_period(histories, ip, None, begin, end) if ip and window else ALWAYS
        cached = CachedClient(*(period or (FOREVER, BEGINNING)))
        if client:
            cached = cached._replace(service=client.service, json=client_fragment(client))
        if period:
            self._clients[addr, window is not None] = cached
            self._clients_of_ip.setdefault(ip, set()).add((addr, window is not None))
        return cached

    def rows_of_pods(self, addresses: Sequence[str], *, may_be_ipv6: bool) -> list[int]:
        """Return the places of the addresses that a pod is known to have held."""
        held: Any = self.histories.pods.ips
        if not may_be_ipv6 and held.isdisjoint(addresses):
            return []  # there is only one way to spell an IPv4 address
        if not may_be_ipv6:
            return list(compress(count(), map(held.__contains__, addresses)))
        return [
            row for row, addr in enumerate(addresses) if addr in held or (":" in addr and canonical_ip(addr) in held)
        ]
