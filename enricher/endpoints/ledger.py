"""All tenures by their addresses, as many of each namespace as have room, and what was dropped of them. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable

from enricher.endpoints.budget import MAX_AT_ADDRESS, is_within_share
from enricher.endpoints.fair_queue import FairQueue
from enricher.endpoints.ports import ports_overlap
from enricher.endpoints.refusals import Refusal, Refusals
from enricher.endpoints.service_index import ServiceIndex
from enricher.endpoints.slices import MAX_AT_ADDRESS_OF_NAMESPACE
from enricher.endpoints.tenure import BEGINNING, FOREVER, LINGER, Tenure, may_outlast, overlap
from enricher.timestamps import SECOND

MAX_ENDED = 25_000
"""Largest number of ended tenures that are kept. Each takes 1 to 2 KiB. There may be room for fewer, see `Budget`."""
MAX_ENDED_AT_ADDRESS = 128
"""Largest number of ended tenures that are kept at one address; the work for an attempt there grows with them."""
MAX_INCOMPLETE = 25_000
"""Largest number of addresses of which it is known that they have lost tenures before their time.

If there are more, the namespace with most of them loses its oldest: its pods come and go faster than pods can.
"""
INCOMPLETE_TIME = 600 * SECOND
"""Time (ns) for which that is known: after it, hardly any line that old is still to be read."""


class Ledger:
    """The tenures of all addresses, in the order in which they began, and the services that they are or were in.

    `notify` is called with each IP whose tenures are dropped.
    """

    def __init__(self, refusals: Refusals, notify: Callable[[str], None]) -> None:
        self.by_ip: dict[str, list[Tenure]] = {}
        self.services = ServiceIndex()
        self.open_tenures = 0
        self._refusals, self._notify = refusals, notify
        self._ended = FairQueue[Tenure]()
        self._losses = FairQueue[str]()
        self._lost: dict[str, tuple[int, int]] = {}

    def lost_at(self, ip: str) -> tuple[int, int]:
        """Return from when until when (ns) an IP had tenures that were dropped before their time."""
        return self._lost.get(ip, (FOREVER, BEGINNING))

    def latest_loss(self) -> int:
        """Return until when (ns) any IP had such tenures."""
        return max((until for _, until in self._lost.values()), default=BEGINNING)

    def has_room_at(self, ip: str, namespace: str) -> bool:
        """Return whether one more pod of a namespace fits in at an address."""
        tenures = self.by_ip.get(ip, ())
        if len(tenures) < MAX_AT_ADDRESS_OF_NAMESPACE:
            return True
        holders = Counter(tenure.owner.namespace for tenure in tenures if tenure.until == FOREVER)
        limits = {"limit": MAX_AT_ADDRESS, "of_namespace": MAX_AT_ADDRESS_OF_NAMESPACE}
        return is_within_share(namespace, holders, holders.total(), **limits)

    def add(self, tenure: Tenure) -> None:
        """Add a tenure that begins."""
        self.by_ip.setdefault(tenure.ip, []).append(tenure)

    def load(self, tenures: Iterable[Tenure]) -> None:
        """Add tenures as they were saved."""
        ended = list[Tenure]()
        for tenure in tenures:
            self.add(tenure)
            for service in tenure.services:
                self.services.add_member(service, tenure)
            if tenure.until == FOREVER:
                self.open_tenures += 1
            else:
                ended.append(tenure)
        for tenure in sorted(ended, key=lambda tenure: tenure.until_latest):
            self._ended.add(tenure.owner.namespace, tenure.until_latest, tenure)

    def keep_ended(self, tenure: Tenure, limit: int) -> None:
        """Keep a tenure that has ended last; drop others if that makes more than `limit`, or many at its address."""
        self._ended.add(tenure.owner.namespace, tenure.until_latest, tenure)
        for end, oldest in self._ended.take_excess(limit):
            self._drop_early(end, oldest)
        tenures = self.by_ip[tenure.ip]
        if len(tenures) > MAX_ENDED_AT_ADDRESS:
            ended = [t for t in tenures if t.until != FOREVER]
            if len(ended) > MAX_ENDED_AT_ADDRESS:
                numbers = Counter(t.owner.namespace for t in ended)
                oldest = min(ended, key=lambda t: (-numbers[t.owner.namespace], t.until_latest))
                self._drop_early(oldest.until_latest, oldest)

    def expire(self, before: int, now: int) -> int:
        """Drop what ended before a time (ns); return until when the history of any address may be incomplete."""
        dropped = [end for end, tenure in self._ended.take_older(before) if self._drop(end, tenure)]
        for until, ip in self._losses.take_older(now - INCOMPLETE_TIME):
            if self.lost_at(ip)[1] == until:
                dropped.append(until)
                del self._lost[ip]
        return max(dropped, default=BEGINNING)

    def _drop_early(self, end: int, tenure: Tenure) -> None:
        """Drop an ended tenure before its time; only the history of its address is incomplete because of that."""
        if not self._drop(end, tenure):
            return
        ip, namespace = tenure.ip, tenure.owner.namespace
        self._refusals.add(namespace, Refusal.SHORT_LIVED)
        since, until = self.lost_at(ip)
        self._lost[ip] = min(since, tenure.since_earliest), max(until, end)
        if end > until:
            self._losses.add(namespace, end, ip)
        for time, lost_ip in self._losses.take_excess(MAX_INCOMPLETE):
            if self.lost_at(lost_ip)[1] == time:
                del self._lost[lost_ip]

    def _drop(self, end: int, tenure: Tenure) -> bool:
        """Drop a tenure if it ended then (ns); return whether it did.

        Otherwise it went on, and a later entry has its end; or an earlier entry had the same end.
        """
        tenures = self.by_ip.get(tenure.ip, [])
        if tenure.until_latest != end or tenure not in tenures:
            return False
        self._notify(tenure.ip)
        tenures.remove(tenure)
        if not tenures:
            del self.by_ip[tenure.ip]
        for other in tenures:
            # The ports of a pod may have changed since. Only those who share its namespace are trusted not to.
            is_foreign = other.owner.namespace != tenure.owner.namespace
            if overlap(tenure, other) and (is_foreign or ports_overlap(tenure.all_ports(), other.all_ports())):
                lingers = LINGER if is_foreign or may_outlast(tenure, other) else 0
                other.shared_until = max(other.shared_until, tenure.until_latest + lingers)
        for service in tenure.services:
            self.services.remove_member(service, tenure)
        return True
