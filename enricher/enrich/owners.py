"""What is known of the addresses in a log: their attributions, rendered, for as long as they hold. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from enricher.accesslog.dialect import Facts
from enricher.accesslog.record import ErrorLabels
from enricher.endpoints.attribution import (
    GRACE_PERIOD,
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
from enricher.endpoints.slices import Service, canonical_ip, split_address
from enricher.endpoints.tenure import BEGINNING, FOREVER
from enricher.enrich.output import attribution_fragments, client_fragment, dump_text
from enricher.vocabulary import Grade

MAX_ENTRIES = 50_000
"""Largest number of addresses whose attributions are cached. Each takes some 2 KiB."""
MAX_PERIODS = 8
"""Largest number of periods of one address that are cached; the oldest is dropped first."""
ALWAYS = (2 * BEGINNING, 2 * FOREVER)
"""A period that contains all times."""


_ColumnKey = tuple[bytes, ...]
"""The raw texts of a line's address and group of upstreams."""


class InColumns(NamedTuple):
    """What columns need of a cached attribution."""

    ending: bytes
    """What follows the length of a line's only attempt in its JSON."""
    times: list[int | None]
    """The response times (ns) of attempts that are to be counted."""
    addr_json: bytes
    """The address, as the inside of a JSON string."""
    cached: "Cached"


class _ColumnCache(dict[_ColumnKey, InColumns]):
    """The latest attributions of a dialect's keys, all of which hold between two times (ns)."""

    begin, end = ALWAYS


class Cached:
    """An attribution, rendered, that holds for all attempts between two times, with the attempts not yet counted."""

    __slots__ = (
        "addr",
        "addr_json",
        "answered",
        "attribution",
        "begin",
        "column_keys",
        "end",
        "ending",
        "errors",
        "in_attempt_size",
        "service",
        "times",
    )

    def __init__(
        self, attribution: Attribution, addr: str, service: Service | None, period: tuple[int, int] | None
    ) -> None:
        """Cache an attribution for a period, in ns; for no time at all if there is none."""
        self.attribution, self.service = attribution, service
        self.addr, self.addr_json = addr, dump_text(addr)
        in_attempt, in_line = attribution_fragments(attribution)
        self.ending = b",%b}],%b" % (in_attempt, in_line)
        """What follows the length of a line's only attempt in its JSON."""
        self.in_attempt_size = len(in_attempt)
        self.begin, self.end = period or (FOREVER, BEGINNING)
        self.answered = set[bool]()
        """Whether it holds for attempts that were answered, and for those that were not."""
        self.times: list[int | None] = []
        """The response times (ns) of attempts that are to be counted; None where it is not known."""
        self.errors: dict[ErrorLabels, int] = {}
        """The numbers of those attempts that failed."""
        self.column_keys: list[tuple[_ColumnCache, _ColumnKey]] = []
        """Where it is cached for columns."""

    def in_columns(self) -> InColumns:
        """Return what columns need of it."""
        return InColumns(self.ending, self.times, self.addr_json, self)

    @property
    def in_attempt(self) -> bytes:
        """Return the attribution as the end of an attempt's JSON."""
        return self.ending[1 : 1 + self.in_attempt_size]

    @property
    def in_line(self) -> bytes:
        """Return the attribution as a part of the line's JSON."""
        return self.ending[1 + self.in_attempt_size + len(b"}],") :]

    def ending_with(self, particulars: bytes) -> bytes:
        """Return what follows the length of a line's only attempt, which has something particular."""
        end = 1 + self.in_attempt_size
        return self.ending[:end] + particulars + self.ending[end:]


class CachedClient(NamedTuple):
    """The pod that a client is, rendered; nothing if it is not known to be one."""

    begin: int
    end: int
    service: Service | None = None
    json: bytes = b""


NO_POD = CachedClient(*ALWAYS)
_Key = tuple[str, str, bool]
"""An address, the name of the group of upstreams, and whether the time of the attempt is known."""


class Owners:
    """The cached attributions of addresses and clients. They are forgotten when the history of an address changes."""

    def __init__(self) -> None:
        self._histories = Histories(History(), History())
        self._certainty: tuple[int, bool] = (0, False)
        self._complete_since = 0
        self._unreliable_until = 2 * BEGINNING
        """Up to this time (ns), how complete the history is has changed since the attributions were cached."""
        self._cached: dict[_Key, list[Cached]] = {}
        self._by_columns: defaultdict[tuple[Facts, bool], _ColumnCache] = defaultdict(_ColumnCache)
        """For the facts of a dialect, with and without times: the latest attribution by the key of a line."""
        self._clients: dict[tuple[str, bool], CachedClient] = {}
        """The clients, by their address and whether the time of the request is known."""
        self._keys_of_ip: dict[str, set[_Key]] = {}
        self._clients_of_ip: dict[str, set[tuple[str, bool]]] = {}
        self._dependent: set[_Key] = set()
        """The keys whose attribution may change with the history of any address."""
        self._uncounted: list[Cached] = []
        """The attributions that are no longer cached, or never were, with attempts that are to be counted."""

    # --- keeping up with the histories ---------------------------------------------------------------------------

    def use(self, histories: Histories) -> None:
        """Attribute by these histories from now on."""
        pods = histories.pods
        certainty = (pods.certain_until, pods.is_snapshot)
        if histories is not self._histories:
            self.stop_listening()
            self._histories = histories
            pods.on_change.add(self._forget)
            histories.services.on_change.add(self._forget)
            self._forget_all()
        elif certainty != self._certainty or len(self._cached) + len(self._clients) > MAX_ENTRIES:
            self._forget_all()
        elif pods.complete_since != self._complete_since:
            changed_until = max(pods.complete_since, self._complete_since) + GRACE_PERIOD
            self._unreliable_until = max(self._unreliable_until, changed_until)
        self._certainty, self._complete_since = certainty, pods.complete_since

    def stop_listening(self) -> None:
        """Unsubscribe from the histories, which would otherwise hold on to this."""
        self._histories.pods.on_change.discard(self._forget)
        self._histories.services.on_change.discard(self._forget)

    def _forget_all(self) -> None:
        self._unreliable_until = 2 * BEGINNING
        self._uncounted += self._all()
        self._cached.clear()
        self._by_columns.clear()
        self._clients.clear()
        self._keys_of_ip.clear()
        self._clients_of_ip.clear()
        self._dependent.clear()

    def _forget(self, ip: str) -> None:
        """Forget an IP whose history has changed, and what may depend on it."""
        for keys in (self._keys_of_ip.pop(ip, ()), self._dependent):
            for key in keys:
                for cached in self._cached.pop(key, ()):
                    self._uncounted.append(cached)
                    for column_cache, column_key in cached.column_keys:
                        column_cache.pop(column_key, None)
        self._dependent.clear()
        for client in self._clients_of_ip.pop(ip, ()):
            self._clients.pop(client, None)

    # --- upstreams -----------------------------------------------------------------------------------------------

    def of_attempt(self, addr: str, window: Window | None, *, answered: bool, upstream_name: str) -> Cached:
        """Return the attribution of an attempt, as `attribute` in enricher/endpoints/attribution.py does."""
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
            if answered in cached.answered:
                return cached
        histories, (ip, _) = self._histories, split_address(addr)
        attribution = attribute(histories, addr, window, answered=answered, upstream_name=upstream_name)
        for cached in in_period:
            if cached.attribution == attribution:
                cached.answered.add(answered)
                return cached
        period = stable_period(histories, ip, begin, end) if ip and window else ALWAYS
        cached = Cached(attribution, addr, service_of_attribution(histories, addr, attribution), period)
        cached.answered.add(answered)
        if period:
            entries = self._cached.setdefault(key, [])
            entries.append(cached)
            self._uncounted += entries[:-MAX_PERIODS]
            del entries[:-MAX_PERIODS]
            if attribution.grade in {Grade.SERVICE, Grade.UNKNOWN}:
                self._dependent.add(key)  # on the members of a service, or on whether the service is known
            self._keys_of_ip.setdefault(ip, set()).add(key)
        else:
            self._uncounted.append(cached)
        return cached

    def of_columns(
        self, facts: Facts, keys: Sequence[_ColumnKey], begin: int, end: int, *, timed: bool
    ) -> list[InColumns | None]:
        """Return the attributions of answered attempts, each somewhere between two times (ns).

        `keys` have the raw texts of the addresses and of the groups of upstreams. The attribution is None if there is
        no address, or if it may change between the two times.
        """
        if begin <= self._unreliable_until and timed:
            self._forget_all()
        latest = self._by_columns[facts, timed]
        found: list[InColumns | None] = list(map(latest.get, keys))
        if (latest.begin < begin and end < latest.end) and all(found):
            return found
        if latest.begin < begin and end < latest.end:
            missing = [row for row, owner in enumerate(found) if not owner]
        else:
            missing = [
                row
                for row, owner in enumerate(found)
                if not owner or not (owner.cached.begin < begin and end < owner.cached.end)
            ]
        replacements = dict[_ColumnKey, InColumns | None]()
        for row in missing:
            key = keys[row]
            if key not in replacements:
                replacements[key] = self._of_key(facts, key, begin, end, timed=timed)
            found[row] = replacements[key]
        return found

    def _of_key(self, facts: Facts, key: _ColumnKey, begin: int, end: int, *, timed: bool) -> InColumns | None:
        width = len(facts.addr.variables)
        addr: str = facts.addr.derive(*key[:width])
        if not addr:
            return None
        cached = self.of_attempt(
            addr,
            Window(begin, begin, end) if timed else None,
            answered=True,
            upstream_name=facts.upstream_name.derive(*key[width:]),
        )
        if cached.begin > cached.end:
            return None
        latest = self._by_columns[facts, timed]
        latest[key] = owner = cached.in_columns()
        latest.begin, latest.end = max(latest.begin, cached.begin), min(latest.end, cached.end)
        cached.column_keys.append((latest, key))
        return owner

    def _all(self) -> Iterator[Cached]:
        return (cached for entries in self._cached.values() for cached in entries)

    def take_uncounted(self) -> list[Cached]:
        """Return the attributions with attempts that are to be counted; the caller counts and clears them."""
        uncounted = [cached for cached in (*self._all(), *self._uncounted) if cached.times]
        self._uncounted.clear()
        return uncounted

    def prefer_reported(self, owner: Cached, pod: str) -> Cached:
        """Return what the log line itself says of an attempt: its pod, unless the owner is certain."""
        attribution = prefer_reported_pod(self._histories, owner.attribution, pod)
        if attribution is owner.attribution:
            return owner
        service = service_of_attribution(self._histories, owner.addr, attribution)
        reported = Cached(attribution, owner.addr, service, None)
        self._uncounted.append(reported)
        return reported

    # --- clients -------------------------------------------------------------------------------------------------

    def of_client(self, addr: str, window: Window | None) -> CachedClient:
        """Return the pod that a client was during a request, as `attribute_client` does."""
        held: Any = self._histories.pods.ips
        if ":" not in addr and addr not in held:
            return NO_POD  # there is only one way to spell an IPv4 address
        begin, end = (window.start, max(window.start, window.end_latest)) if window else ALWAYS
        if begin <= self._unreliable_until and window:
            self._forget_all()
        cached = self._clients.get((addr, window is not None))
        if cached and (window is None or (cached.begin < begin and end < cached.end)):
            return cached
        histories, ip = self._histories, canonical_ip(addr)
        client = attribute_client(histories, addr, window)
        period = stable_period(histories, ip, begin, end) if ip and window else ALWAYS
        cached = CachedClient(*(period or (FOREVER, BEGINNING)))
        if client:
            cached = cached._replace(service=client.service, json=client_fragment(client))
        if period:
            self._clients[addr, window is not None] = cached
            self._clients_of_ip.setdefault(ip, set()).add((addr, window is not None))
        return cached

    def rows_of_pods(self, addresses: Sequence[str], *, may_be_ipv6: bool) -> list[int]:
        """Return the places of the addresses that a pod is known to have held."""
        held: Any = self._histories.pods.ips
        if not may_be_ipv6 and held.isdisjoint(addresses):
            return []  # there is only one way to spell an IPv4 address
        return [
            row for row, addr in enumerate(addresses) if addr in held or (":" in addr and canonical_ip(addr) in held)
        ]
