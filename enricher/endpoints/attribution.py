"""The pod that an attempt is attributed to, and how sure that is. Pure: reads the history, changes nothing.

An answered attempt belongs to the pod that held the address when it ended, a failed one to the pod that held it all the
time. Further rules depend on the kind of address:
- A new holder ends the tenure before it if the old pod is gone or terminating. Otherwise both are claimed to hold the
  address, and nothing there is certain: the service that the proxy names may choose between them.
- Pods on the host's network share its address; the port tells them apart.
- A cluster IP belongs to a service; which of its pods answered is known only if no other can have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from enricher.endpoints.cluster_ip import owners_that_could_serve, service_of_cluster_ip
from enricher.endpoints.crowds import Crowd
from enricher.endpoints.history import History
from enricher.endpoints.pod_status import PodStatuses
from enricher.endpoints.rules import Rule
from enricher.endpoints.slices import NO_SERVICE, Owner, Service, canonical_ip, split_address
from enricher.endpoints.spans import Span, spans_of_port, tenures_near
from enricher.endpoints.tenure import (
    BEGINNING,
    FOREVER,
    GRACE_PERIOD,
    LINGER,
    WATCH_LAG,
    Tenure,
    may_outlast,
    share_address,
)
from enricher.endpoints.upstream_names import (
    service_in_upstream_name,
    service_of_upstream_name,
    tenures_in_service,
)
from enricher.vocabulary import Grade

MAX_CANDIDATES = 16
"""Largest number of candidates that an attribution lists, as anybody may name many pods at one address."""
NOW = FOREVER - 1
"""A time (ns) at which only the present state holds, for attempts without a time."""


class Window(NamedTuple):
    """The time of an attempt: it began at `start` or later and ended between `end_earliest` and `end_latest` (ns)."""

    start: int
    end_earliest: int
    end_latest: int


class Attribution(NamedTuple):
    """The owner of an attempt, or the candidates, and how sure that is (docs/attribution.md)."""

    grade: Grade
    owner: Owner | None = None
    service: Service | None = None
    candidates: tuple[Owner, ...] = ()
    may_change: bool = False
    """Whether the answer may still change when a watch that lags behind the log catches up."""
    explanation: str = ""
    """The rule that decided, in one line for people."""
    main_service: Service | None = None
    """The service of the owner, the first by name if it was in several and the proxy names none of them."""

    @property
    def depends_on_answer(self) -> bool:
        """Return whether an attempt of the same time might be attributed otherwise if it was answered, or was not."""
        rules = Rule.SEEN_LATER, Rule.BEFORE_HISTORY, Rule.UNKNOWN_PORT, Rule.FOREIGN_PORT
        return self.explanation in rules


class Histories(NamedTuple):
    """The tenures of pods, and those of services' cluster IPs, which are empty unless Services are watched."""

    pods: History
    services: History
    statuses: PodStatuses | None = None
    """What is known of the pods that failed; None unless they are looked at."""


def attribute(
    histories: Histories, addr: str, window: Window | None, *, answered: bool, upstream_name: str = ""
) -> Attribution:
    """Return which pod held `addr` (in nginx's spelling) during an attempt; `window` is None if no time is known.

    `upstream_name` is ingress-nginx's name of the upstream, `<namespace>-<service>-<port number or name>`.
    """
    pods = histories.pods
    ip, port = split_address(addr)
    if not ip:
        service = service_of_upstream_name(pods, upstream_name)
        return Attribution(Grade.UNKNOWN, service=service, explanation=Rule.NOT_AN_IP)
    if tenures := pods.tenures_of_address(ip, port):
        for crowd in pods.crowds_of_address(ip, port) if window else ():
            if window and crowd.overlaps(window.start, window.end_latest):
                return _attribute_to_crowd(crowd, window, upstream_name)
        named, others = [t for t in tenures if t.end_of_port(port)], tenures
        if window and not pods.is_snapshot:
            named = tenures_near(named, port, window.start, window.end_latest)
            others = tenures_near(others, None, window.start, window.end_latest)
        spans = spans_of_port(named, port, pods.certain_until) or spans_of_port(others, None, pods.certain_until)
        attribution = _Attempt(pods, spans, window, answered, upstream_name).attribute()
        if attribution.grade == Grade.EXACT and not named:  # only slices that name the port make its holder certain
            service, owner = service_of_upstream_name(pods, upstream_name), attribution.owner
            if owner and not answered and service and service.namespace != owner.namespace:
                return Attribution(Grade.UNKNOWN, service=service, explanation=Rule.FOREIGN_PORT)
            attribution = attribution._replace(grade=Grade.ASSUMED, explanation=Rule.UNKNOWN_PORT)
        if attribution.grade != Grade.UNKNOWN:
            return attribution
    if services := histories.services.tenures_of_ip(ip):
        return _attribute_to_service(pods, services, window)
    service = service_of_upstream_name(pods, upstream_name)
    return Attribution(Grade.UNKNOWN, service=service, may_change=True, explanation=Rule.NO_HOLDER)


def attribute_client(histories: Histories, addr: str, window: Window | None) -> Attribution | None:
    """Return which pod a client is, by its IP `addr`; None if no pod is known to have held it.

    The service is the first by name of those that the pod is in. The address of a node may belong to any process there.
    """
    ip = canonical_ip(addr)
    if not histories.pods.tenures_of_ip(ip):
        return None
    attribution = attribute(histories, ip, window, answered=False)
    if attribution.grade in {Grade.UNKNOWN, Grade.SERVICE}:
        return None
    return attribution._replace(service=service_of_attribution(histories, ip, attribution))


def prefer_reported_pod(histories: Histories, attribution: Attribution, pod: str) -> Attribution:
    """Return the attribution to `pod`, which the log line itself names, unless the given one is `exact`."""
    if not pod or attribution.grade == Grade.EXACT:
        return attribution
    owners = [attribution.owner, *attribution.candidates]
    if attribution.service and (tenure := histories.pods.tenure_in_service(attribution.service, pod)):
        owners.append(tenure.owner)
    owner = next((owner for owner in owners if owner and owner.pod == pod), None)
    namespace = attribution.service.namespace if attribution.service else ""
    owner = owner or Owner(namespace, pod, "", "")
    return Attribution(Grade.REPORTED, owner, attribution.service, explanation=Rule.REPORTED)


class _Attempt(NamedTuple):
    """An attempt at an address, and the spans of the pods that held it at about that time."""

    history: History
    spans: list[Span]
    window: Window | None
    answered: bool
    upstream_name: str

    def attribute(self) -> Attribution:
        if self.window is None or self.history.is_snapshot:
            return self._attribute_without_time()
        start, end = self._times()
        candidates = [span for span in self.spans if span.possible_from <= end and start < span.possible_until]
        if not candidates:
            return self._attribute_without_holder(start, end)
        lingering = self._lingering(candidates, start)
        return self._choose(candidates, lingering, lambda span: self._attribute_to_holder(span, start, end))

    def _times(self) -> tuple[int, int]:
        """Return the times (ns) between which the owner held the address."""
        if self.window is None or self.history.is_snapshot:
            return NOW, NOW
        start = self.window.end_earliest if self.answered else self.window.start
        return start, max(start, self.window.end_latest)

    def _lingering(self, candidates: list[Span], start: int) -> list[Span]:
        """Return the spans of pods that may still count after they left: nobody of their namespace has come since.

        They may answer for a moment. They count for the grace period if the proxy names their service: otherwise
        failures could be taken from them by those who name a pod of their own at the address.
        """
        if len(self.spans) == 1:
            return []
        at = min(start, max(span.possible_until for span in candidates))
        newest = dict[str, int]()
        for span in self.spans:
            if span.certain_from <= start:
                namespace = span.tenure.owner.namespace
                newest[namespace] = max(newest.get(namespace, BEGINNING), span.certain_from)
        return [
            span
            for span in self.spans
            if newest.get(span.tenure.owner.namespace, BEGINNING) < span.possible_until
            and span.possible_until <= start < span.possible_until + GRACE_PERIOD
            and (at < span.possible_until + LINGER or self._named(span))
            and any(other is not span and may_outlast(span.tenure, other.tenure) for other in candidates)
        ]

    def _choose(
        self, candidates: list[Span], lingering: list[Span], attribute_to: Callable[[Span], Attribution]
    ) -> Attribution:
        """Return the attribution to the only span, or to the only one that is of the service that the proxy names.

        Of the pods that left, only the last one counts, and only if no candidate is of that service.
        """
        if len(candidates) == 1 and not lingering:
            return attribute_to(candidates[0])
        everybody = [*candidates, *lingering]
        lingering = sorted(filter(self._named, lingering), key=lambda span: span.possible_until)
        named = [span for span in candidates if self._named(span)] or lingering[-1:] or everybody
        if len(named) > 1:
            return self._ambiguous(named, Rule.SEVERAL)
        attribution, tenure = attribute_to(named[0]), named[0].tenure
        others = [span.tenure for span in everybody if span.tenure is not tenure]
        if attribution.grade in {Grade.EXACT, Grade.GRACE} and any(share_address(tenure, other) for other in others):
            return attribution._replace(grade=Grade.ASSUMED, may_change=False, explanation=Rule.SHARED)
        return attribution

    def _attribute_to_holder(self, span: Span, start: int, end: int) -> Attribution:
        """Return the attribution if exactly one pod held the address for at least a part of the time."""
        if start < span.certain_from:
            return self._attribute_to_newcomer(span, start, end)
        if end < span.certain_until and start < span.tenure.shared_until:
            return self._owned(Grade.ASSUMED, span, Rule.SHARED_BEFORE)
        if end < span.certain_until:
            return self._owned(Grade.EXACT, span, Rule.THROUGHOUT)
        if span.tenure.until == span.possible_until == FOREVER:
            return self._owned(Grade.ASSUMED, span, Rule.OUT_OF_SYNC)._replace(may_change=True)
        if end - span.certain_until <= GRACE_PERIOD:
            return self._owned(Grade.GRACE, span, Rule.LEFT_DURING)
        return self._owned(Grade.ASSUMED, span, Rule.LEFT_AT_UNKNOWN_TIME)

    def _attribute_to_newcomer(self, span: Span, start: int, end: int) -> Attribution:
        """Return the attribution if the only pod came to the address during the time."""
        if previous := self._previous_holder(start):
            departed = [previous, *self._lingering([previous], start)]
            if self._named(span) and not any(self._named(other) for other in departed):
                return self._owned(Grade.ASSUMED, span, Rule.NAMED_NEWCOMER)
            return self._ambiguous([previous, span], Rule.SUCCESSION)
        is_observed = span.possible_from == span.certain_from and end < span.certain_until
        if is_observed and self._others_are_excluded(span, start):
            return self._owned(Grade.EXACT, span, Rule.SEEN_LATER)
        return self._owned(Grade.ASSUMED, span, Rule.BEFORE_HISTORY)

    def _attribute_without_holder(self, start: int, end: int) -> Attribution:
        """Return the attribution if no pod held the address: to a pod that had just left, or that came soon after.

        A proxy may learn of a new pod a moment before the watch does. If no pod had held an address lately and a pod
        appears there a moment later, an answer came from that pod. A failure says less: the address may have had no
        holder at all.
        """
        newcomers = [span for span in self.spans if end < span.possible_from <= end + WATCH_LAG]
        named = [span for span in newcomers if self._named(span)]
        departed = list[Span]()
        if previous := self._previous_holder(start):
            departed = [previous, *self._lingering([previous], start)]
        if len(named) == 1 and len(departed) + len(newcomers) > 1 and not any(self._named(span) for span in departed):
            return self._owned(Grade.ASSUMED, named[0], Rule.NAMED_NEWCOMER)
        if departed:
            return self._choose(
                departed[:1], departed[1:], lambda span: self._owned(Grade.GRACE, span, Rule.LEFT_BEFORE)
            )
        if len(newcomers) != 1:
            return Attribution(Grade.UNKNOWN)
        newcomer = newcomers[0]
        is_certain = newcomer.possible_from == newcomer.certain_from and self._others_are_excluded(newcomer, start)
        return self._owned(Grade.EXACT if is_certain else Grade.ASSUMED, newcomer, Rule.SEEN_LATER)

    def _attribute_without_time(self) -> Attribution:
        """Return the attribution to the present or latest holder, because without a time nothing more is certain."""
        if not self.spans:
            return Attribution(Grade.UNKNOWN)  # the file names other ports of the address only
        newest = max(span.possible_until for span in self.spans)
        candidates = [span for span in self.spans if span.possible_until == newest]
        return self._choose(candidates, [], self._attribute_to_latest)

    def _attribute_to_latest(self, span: Span) -> Attribution:
        if span.certain_from == BEGINNING and span.certain_until == FOREVER:
            return self._owned(Grade.EXACT, span, Rule.FIXED)
        return self._owned(Grade.ASSUMED, span, Rule.NO_TIME)

    def _previous_holder(self, start: int) -> Span | None:
        """Return the last holder if it left within the grace period before `start`."""
        departed = [span for span in self.spans if start - GRACE_PERIOD <= span.possible_until <= start]
        return max(departed, key=lambda span: span.possible_until, default=None)

    def _others_are_excluded(self, span: Span, start: int) -> bool:
        """Return whether a pod answered, and the history is complete enough to have every other pod that could have."""
        return self.answered and self.history.complete_since_at(span.tenure.ip) <= start - GRACE_PERIOD

    def _named(self, span: Span) -> Service | None:
        """Return the service of a span that the proxy names, if any."""
        return service_in_upstream_name(self.upstream_name, span.tenure, *self._times())

    def _owned(self, grade: Grade, span: Span, rule: Rule) -> Attribution:
        start, end = self._times()
        services = span.tenure.services_during(start, end) - {NO_SERVICE}
        named = service_in_upstream_name(self.upstream_name, span.tenure, start, end)
        service = named or (next(iter(services)) if len(services) == 1 else None)
        main_service = service or min(services, default=None)
        may_change = grade == Grade.GRACE
        return Attribution(grade, span.tenure.owner, service, (), may_change, rule, main_service)

    def _ambiguous(self, spans: list[Span], rule: Rule) -> Attribution:
        start, end = self._times()
        owners = tuple(dict.fromkeys(span.tenure.owner for span in spans))[:MAX_CANDIDATES]
        services = {service for span in spans for service in span.tenure.services_during(start, end)} - {NO_SERVICE}
        service = services.pop() if len(services) == 1 else None
        # No news will tell apart pods that are named at one time; a pod that left or came during the time may be late.
        may_change = sum(span.certain_from <= start and end < span.certain_until for span in spans) < 2
        return Attribution(Grade.AMBIGUOUS, None, service, owners, may_change, rule, service)


def _attribute_to_crowd(crowd: Crowd, window: Window, upstream_name: str) -> Attribution:
    """Return the attribution to the only pod of a crowd that was in the service that the proxy names, if any."""
    named = tenures_near(tenures_in_service(crowd.tenures, upstream_name), None, window.start, window.end_latest)
    owners = tuple(dict.fromkeys(tenure.owner for tenure in named or crowd.tenures))
    services = {service_in_upstream_name(upstream_name, t, window.start, window.end_latest) for t in named}
    service = services.pop() if len(services) == 1 else None
    if len(owners) == 1:
        return Attribution(Grade.ASSUMED, owners[0], service, explanation=Rule.SHARED, main_service=service)
    owners = owners[:MAX_CANDIDATES]
    return Attribution(Grade.AMBIGUOUS, None, service, owners, explanation=Rule.CROWDED, main_service=service)


def _attribute_to_service(pods: History, services: list[Tenure], window: Window | None) -> Attribution:
    """Return the service of a cluster IP, and its pod if no other pod could have served."""
    start, end = (window.start, window.end_latest) if window else (BEGINNING, FOREVER)
    service = service_of_cluster_ip(services, start, end) if window else service_of_cluster_ip(services, NOW, NOW)
    owners = owners_that_could_serve(pods, service, start, end)
    if owners and len(owners) == 1 and (window is None or end < pods.certain_until):
        return Attribution(Grade.SERVICE, owners[0], service, may_change=True, explanation=Rule.SOLE_MEMBER)
    candidates = tuple(owners[:MAX_CANDIDATES])
    return Attribution(Grade.SERVICE, None, service, candidates, explanation=Rule.SEVERAL_MEMBERS)


def service_of_attribution(histories: Histories, addr: str, attribution: Attribution) -> Service | None:
    """Return the service of an attribution; the first by name if its pod was in several."""
    if attribution.service or attribution.main_service or not attribution.owner:
        return attribution.service or attribution.main_service
    tenures = histories.pods.tenures_of_address(*split_address(addr))
    services = {service for tenure in tenures if tenure.owner == attribution.owner for service in tenure.services}
    return min(services - {NO_SERVICE}, default=None)
