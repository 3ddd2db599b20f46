"""Who an attempt is put down to, and how sure that is. Pure: asks the history, changes nothing.

An answered attempt belongs to who held the address when it ended; a failed one to who held it all the time. Rules
that follow from what an address is:
- A new holder ends the tenure before it, even if the slice that should say so is late.
- Pods on the host's network share its address for long; the port, then the service, tells them apart.
- A cluster IP belongs to a service; which of its pods answered is known only if no other can have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from enricher.endpoints.history import EVER, FOREVER, History, Tenure, meet
from enricher.endpoints.slices import IDENTITY, NO_SERVICE, Owner, Service, canonical_ip, split_address
from enricher.timestamps import SECOND

GRACE = 30 * SECOND
"""How long after a pod left is an address that nobody took over still called its: pods' default termination grace."""
OVERLAP = 5 * SECOND
"""Two pods in the slices with one address for less than this are a takeover, for longer they share the address."""
TRAILING = 5 * SECOND
"""How long after the proxy knows a pod our watch may speak of it."""


class Window(NamedTuple):
    """When an attempt was: it began at `start` or later and ended between `end_earliest` and `end_latest` (ns)."""

    start: int
    end_earliest: int
    end_latest: int


class Attribution(NamedTuple):
    """Who an attempt is put down to. The grades are those of docs/attribution.md."""

    grade: str
    owner: Owner | None = None
    service: Service | None = None
    candidates: tuple[Owner, ...] = ()
    may_change: bool = False
    """Whether a watch that trails the log may still say more."""
    why: str = ""
    """The rule that decided, for people."""


class Histories(NamedTuple):
    """All that attribution asks: tenures of pods, and of services' cluster IPs (empty unless Services are watched)."""

    pods: History
    services: History


class Span(NamedTuple):
    """A tenure as the tenures beside it leave it: certain and possible in half-open intervals of ns."""

    tenure: Tenure
    certain_from: int
    certain_until: int
    possible_from: int
    possible_until: int


def attribute(
    known: Histories, addr: str, window: Window | None, *, answered: bool, upstream_name: str = ""
) -> Attribution:
    """Who held `addr` (as nginx writes it) while the attempt lasted; `window` is None where no time is known.

    `upstream_name` is ingress-nginx's name of the group that was asked, `<namespace>-<service>-<port>`.
    """
    ip, port = split_address(addr)
    if not ip:
        return Attribution("unknown", service=named_service(known.pods, upstream_name), why=_NO_IP)
    if tenures := known.pods.of_ip(ip):
        near = tenures if window is None or known.pods.timeless else _near(tenures, window)
        found = _Question(known.pods, spans(near, port, known.pods.horizon), window, answered, upstream_name).answer()
        if found.grade == "exact" and port is not None and not any(meet({port}, t.ports) for t in tenures):
            found = found._replace(grade="assumed", why=_OTHER_PORT)
        if found.grade != "unknown":
            return found
    if services := known.services.of_ip(ip):
        return _of_cluster_ip(known.pods, services, window)
    return Attribution("unknown", service=named_service(known.pods, upstream_name), may_change=True, why=_NOBODY)


_NO_IP = "this is no IP address: a name or a unix socket is nobody's in the cluster"
_NOBODY = "nobody is known to have held the address then, or shortly before or after"
_THROUGHOUT = "one pod held the address for the whole time in question"
_STRADDLES = "one pod left within the grace period before, another came during the time in question"
_ELIMINATED = (
    "nobody held the address lately, and this pod was seen there a moment later: the proxy heard of it before us"
)
_BEFORE = "the time in question is older than the first that is known of the address; this pod was there first"
_LEFT_DURING = "the pod left during the time in question, and nobody took the address over"
_OUT_OF_SYNC = "nothing was heard since, from the watch or in the recording: this pod held the address then"
_LEFT_LONG = "the pod left at a time not known exactly, and nobody was seen to take the address over"
_LEFT_BEFORE = "the pod had left within the grace period before, and nobody had taken the address over"
_NO_TIME = "no time is known, of the attempt or of the endpoints: this is the address's latest holder"
_FIXED = "the address is this one's for ever, says the endpoints file"
_SEVERAL = "several pods held the address in the time in question, or one of them did and it can't be told which"
_ONE_MEMBER = "the address is a service's cluster IP, and no other pod of the service could have served"
_OTHER_PORT = "no slice names the port: on a host's address it may be somebody else's"
_MEMBERS = "the address is a service's cluster IP: any of its pods could have served"
_REPORTED = "the log line itself names the pod"


class _Question(NamedTuple):
    history: History
    spans: list[Span]
    window: Window | None
    answered: bool
    upstream_name: str

    def answer(self) -> Attribution:
        if self.window is None or self.history.timeless:
            return self._latest()
        start = self.window.end_earliest if self.answered else self.window.start
        end = max(start, self.window.end_latest)
        there = [span for span in self.spans if span.possible_from <= end and start < span.possible_until]
        if not there:
            return self._nobody(start, end)
        if len(there) > 1:
            there = self._of_upstream(there) or there
        return self._one(there[0], start, end) if len(there) == 1 else _ambiguous(there)

    def _one(self, span: Span, start: int, end: int) -> Attribution:
        """One pod was there for at least a part of the time."""
        if span.certain_from <= start and end < span.certain_until:
            return self._owned("exact", span, _THROUGHOUT)
        if start < span.certain_from:
            return self._came(span, start, end)
        return self._went(span, end)

    def _came(self, span: Span, start: int, end: int) -> Attribution:
        """One pod was there from some time in the window on."""
        if left := self._left(start):
            return _ambiguous([left, span], _STRADDLES)
        if span.possible_from == span.certain_from and end < span.certain_until and self._no_other(start):
            return self._owned("exact", span, _ELIMINATED)
        return self._owned("assumed", span, _BEFORE)

    def _went(self, span: Span, end: int) -> Attribution:
        """One pod was there until some time in the window."""
        if span.tenure.until == span.possible_until == FOREVER:
            return self._owned("assumed", span, _OUT_OF_SYNC)._replace(may_change=True)
        if end - span.certain_until <= GRACE:
            return self._owned("grace", span, _LEFT_DURING)
        return self._owned("assumed", span, _LEFT_LONG)

    def _nobody(self, start: int, end: int) -> Attribution:
        """Nobody was there: the last holder, if it had left just before; or the next, if nobody else can have been.

        A proxy may hear of a new pod a moment before we do. Who answers at an address that nobody held lately, and
        that a pod is seen to hold a moment later, is that pod. (Who does not answer there may as well be nobody.)
        """
        if left := self._left(start):
            return self._owned("grace", left, _LEFT_BEFORE)
        coming = [span for span in self.spans if end < span.possible_from <= end + TRAILING]
        if len(coming) != 1:
            return Attribution("unknown")
        known = coming[0].possible_from == coming[0].certain_from and self._no_other(start)
        return self._owned("exact" if known else "assumed", coming[0], _ELIMINATED)

    def _latest(self) -> Attribution:
        """Who holds the address now, or did last: all that can be said without a time."""
        newest = max(span.possible_until for span in self.spans)
        there = [span for span in self.spans if span.possible_until == newest]
        if len(there) > 1:
            there = self._of_upstream(there) or there
        if len(there) > 1:
            return _ambiguous(there)
        if there[0].certain_from == EVER and there[0].certain_until == FOREVER:
            return self._owned("exact", there[0], _FIXED)
        return self._owned("assumed", there[0], _NO_TIME)

    def _left(self, start: int) -> Span | None:
        """The last holder, if it left no longer than the grace period before `start`."""
        left = [span for span in self.spans if start - GRACE <= span.possible_until <= start]
        return max(left, key=lambda span: span.possible_until, default=None)

    def _no_other(self, start: int) -> bool:
        """Whether somebody answered, and whoever else could have would be known: the watch is old enough for that."""
        return self.answered and self.history.began <= start - GRACE

    def _of_upstream(self, there: list[Span]) -> list[Span]:
        return [span for span in there if meant_service(self.upstream_name, span.tenure)]

    def _owned(self, grade: str, span: Span, why: str) -> Attribution:
        tenure = span.tenure
        service = meant_service(self.upstream_name, tenure) or _only_service(tenure)
        return Attribution(grade, tenure.owner, service, may_change=grade == "grace", why=why)


def _near(tenures: list[Tenure], window: Window) -> list[Tenure]:
    """Those that can matter for the window: an address may have had hundreds."""
    begin, end = window.start - GRACE, window.end_latest + TRAILING
    return [t for t in tenures if t.since_earliest <= end and begin <= t.until_latest]


def settled_since(history: History, ip: str) -> int | None:
    """Since when (ns) the one who holds an IP now is its only holder: whatever attempt began after that, and while the
    watch is in sync, is `exact`. None where there is no such time.
    """
    tenures = history.of_ip(ip)
    holders = [tenure for tenure in tenures if tenure.until == FOREVER]
    if history.timeless or len(holders) != 1:
        return None
    return max(t.since if t is holders[0] else t.until_latest for t in tenures)


def spans(tenures: list[Tenure], port: int | None, horizon: int = FOREVER) -> list[Span]:
    """The tenures of an IP that matter for a port of it, each ended where the next holder took over; beyond `horizon`
    (ns) nothing is certain. Of fixed addresses one with the port is meant, else the one for all of them.
    """
    if any(tenure.fixed for tenure in tenures):
        tenures = [t for t in tenures if port in t.ports] or [t for t in tenures if None in t.ports or not t.fixed]
    if len(tenures) == 1:
        return [_span(tenures[0], (), horizon)]
    tenures = [t for t in tenures if port is None or meet({port}, t.ports)] or tenures
    return [_span(t, [n for n in tenures if n.since > t.since and not _share(t, n)], horizon) for t in tenures]


def _span(tenure: Tenure, successors: Iterable[Tenure], horizon: int) -> Span:
    certain_until, possible_until = tenure.until if tenure.fixed else min(tenure.until, horizon), tenure.until_latest
    for successor in successors:
        certain_until = min(certain_until, max(successor.since_earliest, tenure.since))
        possible_until = min(possible_until, successor.since)
    return Span(tenure, tenure.since, certain_until, tenure.since_earliest, possible_until)


def _share(one: Tenure, other: Tenure) -> bool:
    """Whether two tenures of an IP are of pods that share it (host network) and not of one that took over."""
    first, second = sorted((one, other), key=lambda tenure: tenure.since)
    if first.owner[IDENTITY] == second.owner[IDENTITY]:
        return False
    overlap = min(first.until, second.until) - second.since
    hands_over = first.terminating_since <= second.since and meet(first.ports, second.ports)
    return overlap > OVERLAP and not hands_over


def _ambiguous(there: list[Span], why: str = _SEVERAL) -> Attribution:
    owners = tuple(dict.fromkeys(span.tenure.owner for span in there))
    services = {service for span in there for service in span.tenure.services} - {NO_SERVICE}
    service = services.pop() if len(services) == 1 else None
    return Attribution("ambiguous", None, service, owners, may_change=True, why=why)


def _of_cluster_ip(pods: History, services: list[Tenure], window: Window | None) -> Attribution:
    """The service of a cluster IP, and its pod if there was only one that could have served."""
    then = [
        t for t in services if not window or (t.since_earliest <= window.end_latest and window.start < t.until_latest)
    ]
    service = _only_service((then or services)[-1]) or NO_SERVICE
    owners = tuple(
        dict.fromkeys(
            tenure.owner
            for tenure in pods.of_service(service)
            if window is None or _could_serve(tenure, window, timeless=pods.timeless)
        )
    )
    if len(owners) == 1 and (window is None or window.end_latest < pods.horizon):
        return Attribution("service", owners[0], service, may_change=True, why=_ONE_MEMBER)
    return Attribution("service", None, service, owners, why=_MEMBERS)


def _could_serve(tenure: Tenure, window: Window, *, timeless: bool) -> bool:
    """Whether a Service may have sent an attempt to a pod: it had been ready, and had not left for long.

    Every node hears of a change a little later, so the tenure counts a little longer at both ends.
    """
    if timeless:
        return tenure.until == FOREVER
    return tenure.ready_since - TRAILING <= window.end_latest and window.start < tenure.until_latest + TRAILING


def reported(known: Histories, attribution: Attribution, pod: str) -> Attribution:
    """The same, where the log line itself names the pod that answered: believed where we do not know better."""
    if not pod or attribution.grade == "exact":
        return attribution
    owners = [attribution.owner, *attribution.candidates]
    if attribution.service:
        owners += [tenure.owner for tenure in known.pods.of_service(attribution.service)]
    owner = next((owner for owner in owners if owner and owner.pod == pod), None)
    namespace = attribution.service.namespace if attribution.service else ""
    return Attribution("reported", owner or Owner(namespace, pod, "", ""), attribution.service, why=_REPORTED)


def attribute_client(known: Histories, addr: str, window: Window | None) -> Attribution | None:
    """Which pod a client is, if its address (an IP) is one's; None where nobody is known to have held it. Its service
    is the first by name of those it is in. An address of a node may be any process's there.
    """
    ip = canonical_ip(addr)
    if not known.pods.of_ip(ip):
        return None
    found = attribute(known, ip, window, answered=False)
    if found.grade in {"unknown", "service"}:
        return None
    return found._replace(service=some_service(known, ip, found))


def some_service(known: Histories, addr: str, found: Attribution) -> Service | None:
    """The service of an attribution; where its pod is in several, the first by name."""
    if found.service or not found.owner:
        return found.service
    tenures = known.pods.of_ip(split_address(addr)[0])
    services = {service for tenure in tenures if tenure.owner == found.owner for service in tenure.services}
    return min(services - {NO_SERVICE}, default=None)


def meant_service(upstream_name: str, tenure: Tenure) -> Service | None:
    """The service of a pod that ingress-nginx's `<namespace>-<service>-<port number or name>` means.

    Dashes make the name ambiguous; it is read against the services that the pod is in. The longest name that leaves
    a port is meant.
    """
    meant = [
        service
        for service in tenure.services
        if (port := upstream_name.removeprefix(f"{service.namespace}-{service.name}-")) != upstream_name
        and (port.isdecimal() or port in tenure.ports.values())
    ]
    return max(meant, key=lambda service: len(service.name), default=None)


def named_service(pods: History, upstream_name: str) -> Service | None:
    """The known service that an upstream's name begins with: all that is known where the address says nothing."""
    parts = upstream_name.split("-")
    for end in range(len(parts) - 1, 1, -1):
        for start in range(1, end):
            service = Service("-".join(parts[:start]), "-".join(parts[start:end]))
            if pods.knows(service):
                return service
    return None


def _only_service(tenure: Tenure) -> Service | None:
    """The service of a pod that is in one only: of those that name it now, or, once it left, of all that did."""
    services = [service for service, slices in tenure.services.items() if slices] or list(tenure.services)
    return services[0] if len(services) == 1 and services[0].name else None
