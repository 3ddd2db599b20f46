"""The counters of attempts, requests, lines and problems, and how long a series lives."""

import re
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from enricher.accesslog.record import Attempt, ErrorLabels
from enricher.accesslog.trace_ids import Exemplar
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import NO_SERVICE, Service
from enricher.fair_share import OVERFLOW, FairShare
from enricher.kube.watch_status import WatchSummary
from enricher.metrics.bounded import BoundedTable, Group, Key, Overflow, Series
from enricher.metrics.minutes import add_minutes
from enricher.metrics.pods import FailureLabels, PodKey, PodTable
from enricher.metrics.series import (
    BUCKETS,
    LATENESS_BUCKETS,
    CauseKey,
    CauseSeries,
    Edge,
    EdgeKey,
    LateKey,
    LateSeries,
    RequestKey,
    RequestSeries,
    ServiceKey,
    ServiceSeries,
    shared_causes,
    shared_edges,
    shared_late,
    shared_requests,
    shared_services,
)
from enricher.timestamps import MINUTE, SECOND
from enricher.vocabulary import SURE_GRADES, Grade, Outcome, RequestMissing, State, namespace_of_route

_BUCKETS_NS = [int(bound * SECOND) for bound in BUCKETS]
_LATENESS_BUCKETS_NS = [int(bound * SECOND) for bound in LATENESS_BUCKETS]
EXPIRY = 3600 * SECOND
"""Ns for which a series is kept after its pod was last seen, in a slice or in a log line."""
PROBLEMS = ("log", "missed_file", "truncation", "endpoints", "object", "state", "own_log")
"""Kinds of recovered errors; each has its series from the start, since a rate needs the 0 before the first."""
MAX_EDGES = 10_000
"""Largest number of pairs of services that are counted separately."""
_COUNTED_CODES = re.compile(r"(?:[1-5][0-9][0-9])?")
"""Codes that have series of their own: a status of HTTP, and nothing."""
OTHER_CODE = "other"
"""Code under which requests with any other status are counted."""

K = TypeVar("K", bound=Key)
S = TypeVar("S", bound=Series)


@dataclass(slots=True)
class Gauges:
    """The state of the daemon at one moment."""

    sources: int = 0
    endpoints: int = 0
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    watch: WatchSummary | None = None
    problems: dict[str, int] = field(default_factory=dict)
    """Recovered errors that Metrics does not count, by kind."""
    refused_endpoints: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Endpoints of slices that are not used, by namespace and reason."""
    pod_lookups: Mapping[str, int] = field(default_factory=dict)
    """Requests about pods that failed, by result; none without `--pods`."""


class Metrics:
    """Counters of attempts per pod, and of the daemon's own work."""

    def __init__(self, clock: Callable[[], int] = time.time_ns, *, max_series: float = inf) -> None:
        """Count at most `max_series` pods (as members of services) separately, and as many series of requests.

        A quarter as many services have series of their own. `clock` returns ns since the epoch.
        """
        self._clock = clock
        self._namespaces = set[str]()
        """The namespaces that are known to have pods. All others share one group in the tables."""
        self.overflow = Overflow()
        self.created = self._zero_at = clock()
        """When the counters came to be (ns), and when all series that are to come were certainly at 0."""
        self.pods = PodTable(max_series, self.overflow, self._get_zero_at)
        self.services = BoundedTable[ServiceKey, ServiceSeries](
            max_series / 4, ServiceSeries, shared_services, self.overflow, self._get_zero_at
        )
        """Counters by namespace and service; there are no services but those of `pods`."""
        self.edges = BoundedTable[EdgeKey, Edge](MAX_EDGES, Edge, shared_edges, self.overflow, self._get_zero_at)
        self.requests = BoundedTable[RequestKey, RequestSeries](
            max_series, RequestSeries, shared_requests, self.overflow, self._get_zero_at
        )
        self._of_no_service = FairShare[RequestKey, Group](max_series / 4)
        """The places of requests that no service is known of, shared by the namespaces of their routes."""
        self.late = BoundedTable[LateKey, LateSeries](
            max_series / 4, LateSeries, shared_late, self.overflow, self._get_zero_at
        )
        """Late attempts, by namespace, service and state."""
        self.causes = BoundedTable[CauseKey, CauseSeries](
            max_series / 4, CauseSeries, shared_causes, self.overflow, self._get_zero_at
        )
        self.lines: Counter[str] = Counter()
        """Lines by LineKind."""
        self.grades: Counter[str] = Counter(dict.fromkeys(Grade, 0))
        """Attempts by grade."""
        self.unresolved: Counter[str] = Counter(dict.fromkeys((Grade.AMBIGUOUS, Grade.SERVICE, Grade.UNKNOWN), 0))
        """Attempts for which no pod could be named, by grade."""
        self.bytes_read = 0
        self.bytes_written = 0
        self.problems = Counter(dict.fromkeys(PROBLEMS, 0))
        """Recovered errors, by kind."""
        self.lone_tries: Counter[str] = Counter(dict.fromkeys(filter(None, RequestMissing), 0))
        """Tries that have lines of their own, but no request, by why."""

    def count_line(self, kind: str, lines: int = 1) -> None:
        """Count lines of one kind."""
        self.lines[kind] += lines

    def count_lone_try(self, missing: RequestMissing) -> None:
        """Count a try that counts as an attempt, but not as one of a request."""
        self.lone_tries[missing] += 1

    def count_attempt(
        self,
        attribution: Attribution,
        attempt: Attempt,
        *,
        retried: bool,
        origin: str,
        outcome: str = Outcome.UNKNOWN,
        state: str = State.NONE,
        ended: int | None = None,
    ) -> None:
        """Count one attempt, with `retried` if another attempt followed.

        `outcome` is what the client got, `state` that of the pod as the attempt began. It `ended` at this time (ns).
        """
        labels = ErrorLabels.from_attempt(attempt, retried=retried, origin=origin, outcome=outcome, state=state)
        minute = None if ended is None else ended // MINUTE
        errors, minutes = ({labels: 1}, {minute: 1}) if attempt.failed else ({}, {})
        hidden_minutes = minutes if outcome == Outcome.HIDDEN else {}
        self.count_attempts(attribution, [attempt.response_time], errors, minutes, hidden_minutes)

    def count_attempts(
        self,
        attribution: Attribution,
        times: Sequence[int | None],
        errors: Mapping[ErrorLabels, int],
        minutes: Mapping[int | None, int],
        hidden_minutes: Mapping[int | None, int],
    ) -> None:
        """Count one attempt for each of `times`, in ns, or None where no time was logged.

        `errors` are the numbers of those that failed. `minutes` has the same numbers by the minute since the epoch in
        which they ended; None stands for the present one. `hidden_minutes` has those of them after which the client got
        a good answer all the same.
        """
        self.grades[attribution.grade] += len(times)
        if attribution.owner is None:
            self.unresolved[attribution.grade] += len(times)
        key, group = self._pod(attribution, len(times))
        series = self.pods[key]
        series.requests += len(times)
        series.guesses += len(times) if attribution.grade not in SURE_GRADES else 0
        for error, number in errors.items():
            self.pods.count_error(key, group, error, number)
        if minutes:
            now = self._clock() // MINUTE
            add_minutes(series.error_minutes, minutes, now)
            add_minutes(series.hidden_minutes, hidden_minutes, now)
        service = self._find(self.services, key[:2], group, 0 if key[2] == OVERFLOW else len(times))
        service.attempts[attribution.grade] += len(times)
        if errors:
            service.failed[attribution.grade] += sum(errors.values())
        if logged_times := sorted([time for time in times if time is not None]):
            total = sum(logged_times)
            series.timed_attempts += len(logged_times)
            series.seconds += total / SECOND
            service.time += total
            _add_to_buckets(service.buckets, logged_times, _BUCKETS_NS)

    def mark_complete(self) -> None:
        """Take note that all is counted up to now: what has no series yet is at 0."""
        self._zero_at = self._clock()

    def _get_zero_at(self) -> int:
        return self._zero_at

    def add_exemplars(self, attribution: Attribution, exemplars: Mapping[ErrorLabels | int, Exemplar | None]) -> None:
        """Let requests stand for attempts that were counted: for errors of one kind, or for their response times."""
        key, _ = self._pod(attribution, 0)
        pod, service, now = self.pods[key], self.services.get(key[:2]), self._clock()
        for kind, exemplar in exemplars.items():
            if exemplar is None:
                continue
            new = exemplar._replace(at=min(exemplar.at or now, now))
            if isinstance(kind, ErrorLabels):
                if kind in pod.errors:
                    pod.exemplars[kind] = _later(pod.exemplars.get(kind), new)
            elif service and new.time is not None:
                bucket = bisect_left(_BUCKETS_NS, new.time)
                service.exemplars[bucket] = _later(service.exemplars.get(bucket), new)

    def count_failure(self, attribution: Attribution, reason: str, state: str = State.NONE) -> None:
        """Count one attempt that a log gives a reason for; `state` is that of its pod as it began."""
        self.pods.count_failure(*self._pod(attribution), FailureLabels(reason, state))

    def count_late(self, attribution: Attribution, late: Sequence[Lateness]) -> None:
        """Count late attempts, which count as attempts besides."""
        namespace, service, _, _ = _pod_key(attribution)
        group = self.group(namespace)
        for state in {lateness.state for lateness in late}:
            times = sorted(lateness.ns for lateness in late if lateness.state is state)
            series = self._find(self.late, (namespace, service, state), group, len(times))
            series.time += sum(times)
            _add_to_buckets(series.buckets, times, _LATENESS_BUCKETS_NS)

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool, requests: int = 1) -> None:
        """Count requests of pods of the service `client`, all failed or none."""
        client, service = client or NO_SERVICE, service or NO_SERVICE
        edge = self._find(self.edges, (*client, *service), self.group(client.namespace), requests)
        edge.requests += requests
        edge.errors += requests * failed

    def count_requests(
        self,
        service: Service | None,
        code: str,
        *,
        reason: str = "",
        route: str = "",
        gateway: str = "",
        requests: int = 1,
    ) -> None:
        """Count requests as clients saw them.

        `service` is the one that the line names, `code` the status that the client got (empty if the log does not have
        it) and `reason` why no pod was tried; it is empty if one was, or if that is not a failure.

        A route names a namespace, but in a log of Istio's, say, anybody may have chosen the name. So requests of no
        service do not take the places of a namespace's services.
        """
        service, counted_code = service or NO_SERVICE, code if _COUNTED_CODES.fullmatch(code) else OTHER_CODE
        key = (*service, route, counted_code, reason, gateway)
        group, share = self.group(service.namespace), None
        if not service.name:
            group, share = self.group(namespace_of_route(route)), self._of_no_service
        series = self._find(self.requests, key, group, requests, share)
        series.requests += requests
        if reason:
            series.untried_minutes = series.untried_minutes or {}
            add_minutes(series.untried_minutes, {None: requests}, series.last_seen // MINUTE)

    def count_cause(self, service: Service | None, cause: str, grade: str, failures: int = 1) -> None:
        """Count failed attempts at pods of a service, or failed requests for which none was tried, by their cause."""
        service = service or NO_SERVICE
        key = (*service, cause, grade)
        self._find(self.causes, key, self.group(service.namespace), failures).failures += failures

    def _pod(self, attribution: Attribution, attempts: int = 1) -> tuple[PodKey, Group]:
        """Return the key of the series that attempts are counted under, and the group of their namespace."""
        owner, key = attribution.owner, _pod_key(attribution)
        share = None
        if owner and attribution.grade == Grade.REPORTED and not (owner.uid or owner.node):
            share = self.pods.named_by_lines
        elif owner:
            self._namespaces.add(owner.namespace)
        group = self.group(key[0])
        found, _ = self.pods.find(key, group, self._clock(), share)
        if found != key:
            self.overflow.count(group, attempts)
        return found, group

    def _find(
        self, table: BoundedTable[K, S], key: K, group: Group, number: int, share: FairShare[K, Group] | None = None
    ) -> S:
        """Return the series under which a number of things with a key is to be counted."""
        found, series = table.find(key, group, self._clock(), share)
        if found != key:
            self.overflow.count(group, number)
        return series

    def group(self, namespace: str) -> Group:
        """Return the group that shares the series of a namespace; None for all that are not known to have pods."""
        return namespace if namespace in self._namespaces else None

    def expire(self, live_pods: set[tuple[str, str]]) -> None:
        """Drop the series of pods that are not among `live_pods` (namespace, pod) and were not seen for EXPIRY.

        The series of services live as long as a pod of theirs. Drop those of requests and of edges for which none was
        counted for EXPIRY.
        """
        now = self._clock()
        for key in self.pods:
            if (key[0], key[2]) in live_pods:
                self.pods.touch(key, now)
        self.pods.expire(now - EXPIRY)
        live_services = {key[:2] for key in self.pods if self.pods[key].last_seen == now}
        for service in live_services & self.services.keys():
            self.services.touch(service, now)
        for late in self.late:
            if late[:2] in live_services:
                self.late.touch(late, now)
        for table in (self.services, self.late, self.edges, self.requests, self.causes):
            table.expire(now - EXPIRY)
        self.mark_complete()  # what has just been dropped comes to be anew
        self._namespaces.intersection_update(key[0] for key in self.pods)
        self._namespaces.update(namespace for namespace, _ in live_pods)


def _later(present: Exemplar | None, new: Exemplar) -> Exemplar:
    """Return the later of two exemplars: Prometheus takes none that is earlier than one that it has."""
    return new if present is None or (new.at or 0) > (present.at or 0) else present


def _add_to_buckets(buckets: list[int], sorted_times: Sequence[int], bounds: Sequence[int]) -> None:
    """Count times (ns), each in the first bucket whose bound they do not exceed."""
    counted = 0
    for bucket, bound in enumerate(bounds):
        below = bisect_right(sorted_times, bound)
        buckets[bucket] += below - counted
        counted = below
        if counted == len(sorted_times):
            return
    buckets[-1] += len(sorted_times) - counted


def _pod_key(attribution: Attribution) -> PodKey:
    owner, service = attribution.owner, attribution.service
    namespace = owner.namespace if owner else (service.namespace if service else "")
    return namespace, service.name if service else "", owner.pod if owner else "", owner.node if owner else ""
