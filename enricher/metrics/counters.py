"""What is counted, how long a series lives, and how it reads for Prometheus."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from operator import itemgetter
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from enricher import __version__
from enricher.accesslog.record import Attempt, BucketedTime, ErrorLabels
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import NO_SERVICE, Service
from enricher.kube.watcher import WatchSummary
from enricher.timestamps import SECOND, seconds_ns

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the response time histogram, in seconds."""
KNOWN_TIMES = 10_000
"""How many texts of times are remembered."""
EXPIRY = 3600 * SECOND
"""How long after its pod was last seen (in a slice, or in a log line) a series is kept."""

OVERFLOW = ("", "", "overflow", "")
"""The pod under which all beyond are counted."""

GRADES = ("exact", "grace", "assumed", "ambiguous", "reported", "service", "unknown")
PROBLEMS = ("log", "missed_file", "truncation", "endpoints", "state", "own_log")
"""Every kind has its series from the start: a rate needs the 0 before the first."""
EDGE_LABELS = ("client_namespace", "client_service", "namespace", "service")
MAX_EDGES = 10_000
"""How many pairs of services are counted one by one at most."""
OVERFLOW_EDGE = ("", "overflow", "", "overflow")
POD_LABELS = ("namespace", "service", "pod", "node")
K = TypeVar("K")
V = TypeVar("V")
PodKey = tuple[str, str, str, str]


@dataclass(slots=True)
class PodSeries:
    """What is counted of one pod as a member of one service."""

    requests: int = 0
    errors: Counter[ErrorLabels] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Lines of the error log, by reason."""
    seconds: float = 0.0
    timed: int = 0
    seen: int = 0


@dataclass(slots=True)
class Edge:
    """Requests of one service's pods to another service."""

    requests: int = 0
    errors: int = 0
    seen: int = 0


@dataclass(slots=True)
class Gauges:
    """How the daemon is doing at this moment: asked for when Prometheus scrapes."""

    sources: int = 0
    endpoints: int = 0
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    watch: WatchSummary | None = None
    problems: dict[str, int] = field(default_factory=dict)
    """Things that went wrong with logs and were survived, by kind."""


class Metrics:
    """Counters of attempts per pod and of the daemon's own work. `clock` gives ns since the epoch."""

    def __init__(self, clock: Callable[[], int] = time.time_ns, *, max_series: float = inf) -> None:
        """At most `max_series` pods (as members of services) are counted one by one."""
        self._clock, self._max_series = clock, max_series
        self.pods: dict[PodKey, PodSeries] = {}
        self.services: dict[tuple[str, str], list[int]] = {}
        self.edges: dict[tuple[str, str, str, str], Edge] = {}
        self._times = _Times()
        self.lines: Counter[str] = Counter()
        self.grades = Counter(dict.fromkeys(GRADES, 0))
        self.unresolved = Counter(dict.fromkeys(("ambiguous", "service", "unknown"), 0))
        """Attempts for which no pod could be named, by grade."""
        self.bytes_read = 0
        self.bytes_written = 0
        self.overflowed = 0
        """Attempts and failures that were counted under OVERFLOW."""
        self.problems = Counter(dict.fromkeys(PROBLEMS, 0))
        """Things that went wrong and were survived, by kind."""

    def count_line(self, result: str, lines: int = 1) -> None:
        """So many lines left as JSON; `result` is access, error, other or parse_error."""
        self.lines[result] += lines

    def count_attempt(self, attribution: Attribution, attempt: Attempt, *, retried: bool, origin: str) -> None:
        """One attempt, `retried` if another attempt followed."""
        errors = {ErrorLabels.from_attempt(attempt, retried=retried, origin=origin): 1} if attempt.failed else {}
        self.count_attempts(attribution, [_timed(attempt.response_time)], errors)

    def read_times(self, texts: Iterable[bytes]) -> list[BucketedTime]:
        """Times as nginx writes them, in seconds; and for each the bucket it belongs in."""
        return list(map(self._times.__getitem__, texts))

    def count_attempts(
        self, attribution: Attribution, times: Sequence[BucketedTime], errors: Mapping[ErrorLabels, int]
    ) -> None:
        """One attempt for each of `times`, which may be missing; so many of them were `errors`."""
        self.grades[attribution.grade] += len(times)
        if attribution.owner is None:
            self.unresolved[attribution.grade] += len(times)
        key, series = self._series(attribution, len(times))
        series.requests += len(times)
        for error, number in errors.items():
            series.errors[error] += number
        if timed := [*filter(None, times)]:
            series.timed += len(timed)
            series.seconds += sum(map(itemgetter(0), timed))
            buckets = self._buckets(key)
            for bucket, attempts in Counter(map(itemgetter(1), timed)).items():
                buckets[bucket] += attempts

    def count_failure(self, attribution: Attribution, reason: str) -> None:
        """One line of the error log about an attempt that failed for `reason`."""
        self._series(attribution)[1].failures[reason] += 1

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None:
        """One request of a pod of the service `client`."""
        key = (*(client or NO_SERVICE), *(service or NO_SERVICE))
        if key not in self.edges and len(self.edges) >= MAX_EDGES:
            key = OVERFLOW_EDGE
        edge = self.edges.setdefault(key, Edge())
        edge.requests += 1
        edge.errors += failed
        edge.seen = self._clock()

    def errors(self) -> dict[PodKey, int]:
        """Failed attempts of each pod that had any."""
        return {key: series.errors.total() for key, series in self.pods.items() if series.errors}

    def _series(self, attribution: Attribution, attempts: int = 1) -> tuple[PodKey, PodSeries]:
        key = _key(attribution)
        series = self.pods.get(key)
        if series is None:
            if len(self.pods) >= self._max_series:
                key = OVERFLOW
                self.overflowed += attempts
            series = self.pods.setdefault(key, PodSeries())
        series.seen = self._clock()
        return key, series

    def _buckets(self, key: PodKey) -> list[int]:
        return self.services.setdefault(key[:2], [0] * (len(BUCKETS) + 1))

    def expire(self, live: set[tuple[str, str]]) -> None:
        """Drops the series of pods that are not among `live` (namespace, pod) and were not seen for EXPIRY."""
        now = self._clock()
        for key, series in list(self.pods.items()):
            if (key[0], key[2]) in live:
                series.seen = now
            elif now - series.seen > EXPIRY:
                del self.pods[key]
        for edge in [edge for edge, counted in self.edges.items() if now - counted.seen > EXPIRY]:
            del self.edges[edge]
        services = {(namespace, service) for namespace, service, _, _ in self.pods}
        for gone in [key for key in self.services if key not in services]:
            del self.services[gone]


class _Times(dict[bytes, BucketedTime]):
    """What texts of times mean: most come again and again."""

    def __missing__(self, text: bytes) -> BucketedTime:
        if len(self) >= KNOWN_TIMES:
            self.clear()
        timed = self[text] = _timed(seconds_ns(text))
        return timed


def _timed(took: int | None) -> BucketedTime:
    """`took` in ns."""
    return None if took is None else (took / SECOND, bisect_left(BUCKETS, took / SECOND))


def _key(attribution: Attribution) -> PodKey:
    owner, service = attribution.owner, attribution.service
    namespace = owner.namespace if owner else (service.namespace if service else "")
    return namespace, service.name if service else "", owner.pod if owner else "", owner.node if owner else ""


class Collector:
    """Renders Metrics and Gauges as Prometheus families, for a registry."""

    def __init__(self, metrics: Metrics, gauges: Callable[[], Gauges]) -> None:
        self._metrics, self._gauges = metrics, gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._upstreams(_items(self._metrics.pods))
        yield self._response_seconds(_items(self._metrics.pods), _items(self._metrics.services))
        yield from self._edges(_items(self._metrics.edges))
        yield from self._own()
        yield from self._state(self._gauges())

    def _upstreams(self, pods: list[tuple[PodKey, PodSeries]]) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "ingress_upstream_requests", "Attempts that the proxy made at a pod.", labels=POD_LABELS
        )
        errors = CounterMetricFamily(
            "ingress_upstream_errors",
            "Attempts that ended with a 5xx, or with a gRPC status other than OK; "
            'retried="true": another attempt followed and hid it from the client.',
            labels=(*POD_LABELS, "code", "retried", "origin", "protocol"),
        )
        failures = CounterMetricFamily(
            "ingress_upstream_failures",
            "Attempts that the proxy could not bring to an end, by the reason that the log gives.",
            labels=(*POD_LABELS, "reason"),
        )
        for key, series in pods:
            if series.requests:  # else only the error log spoke of it
                requests.add_metric(key, series.requests)
            for by, count in _items(series.errors):
                errors.add_metric((*key, *by), count)
            for reason, count in _items(series.failures):
                failures.add_metric((*key, reason), count)
        yield from (requests, errors, failures)

    def _response_seconds(
        self, pods: list[tuple[PodKey, PodSeries]], services: list[tuple[tuple[str, str], list[int]]]
    ) -> Metric:
        """One family: buckets per service, sum and count per pod (a service's are the sums over its pods)."""
        name = "ingress_upstream_response_seconds"
        family = Metric(name, "How long attempts took: buckets per service, sum and count per pod.", "histogram")
        for (namespace, service), counts in services:
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                labels = {"namespace": namespace, "service": service, "le": bound}
                family.add_sample(f"{name}_bucket", labels, total)
        for key, series in pods:
            family.add_sample(f"{name}_sum", dict(zip(POD_LABELS, key, strict=True)), series.seconds)
        for key, series in pods:
            family.add_sample(f"{name}_count", dict(zip(POD_LABELS, key, strict=True)), series.timed)
        return family

    def _edges(self, edges: list[tuple[tuple[str, str, str, str], Edge]]) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "enricher_edge_requests", "Requests of one service's pods to another service.", labels=EDGE_LABELS
        )
        errors = CounterMetricFamily("enricher_edge_errors", "Those that failed in the end.", labels=EDGE_LABELS)
        for key, edge in edges:
            requests.add_metric(key, edge.requests)
            errors.add_metric(key, edge.errors)
        yield from (requests, errors)

    def _own(self) -> Iterator[Metric]:
        own = self._metrics
        yield _counters("enricher_lines", "Lines written, by what they were.", "result", _items(own.lines))
        yield _counters(
            "enricher_attributions", "Attempts, by the grade of their attribution.", "grade", _items(own.grades)
        )
        yield _counters(
            "enricher_unresolved_attempts", "Attempts for which no pod could be named.", "grade", _items(own.unresolved)
        )
        yield CounterMetricFamily(
            "enricher_overflowed", 'Attempts and failures counted under pod="overflow".', value=own.overflowed
        )
        yield CounterMetricFamily("enricher_read_bytes", "Bytes read from logs.", value=own.bytes_read)
        yield CounterMetricFamily("enricher_written_bytes", "Bytes written to stdout.", value=own.bytes_written)

    def _state(self, now: Gauges) -> Iterator[Metric]:
        yield InfoMetricFamily("enricher_build", "The program.", value={"version": __version__})
        yield GaugeMetricFamily("enricher_sources", "Containers whose logs are followed.", value=now.sources)
        yield GaugeMetricFamily("enricher_endpoints", "Addresses that are held now.", value=now.endpoints)
        yield GaugeMetricFamily("enricher_lag_bytes", "Bytes in the logs that are not read yet.", value=now.lag_bytes)
        yield GaugeMetricFamily(
            "enricher_lag_seconds", "Age of the last line read, while more are waiting.", value=now.lag_seconds
        )
        problems = Counter(dict(_items(self._metrics.problems)))
        problems.update(now.problems)
        yield _counters("enricher_problems", "Things that went wrong and were survived.", "kind", problems.items())
        if now.watch:
            yield from self._watch(now.watch)

    def _watch(self, now: WatchSummary) -> Iterator[Metric]:
        text = "Whether the watch follows the API server now."
        yield GaugeMetricFamily("enricher_watch_synced", text, value=int(now.synced))
        yield _counters("enricher_watch_restarts", "Restarts of the watch, by reason.", "reason", now.restarts.items())
        if now.last_event_age is not None:
            yield GaugeMetricFamily(
                "enricher_watch_last_event_age_seconds",
                "Since the watch last said something.",
                value=now.last_event_age,
            )


def _items(live: Mapping[K, V]) -> list[tuple[K, V]]:
    """The items of a dict that another thread may change at any moment: only copying it is one step."""
    return list(dict(live).items())


def _counters(name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, value in list(values):
        family.add_metric((key,), value)
    return family
