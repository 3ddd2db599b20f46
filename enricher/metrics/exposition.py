"""Metrics and Gauges as families of Prometheus; docs/metrics.md lists them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.core import Exemplar as OpenMetricsExemplar

from enricher import __version__
from enricher.accesslog.record import ErrorLabels
from enricher.accesslog.trace_ids import Exemplar
from enricher.kube.watch_status import WatchSummary
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.pods import FailureLabels, PodKey, PodSeries
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
    ServiceSeries,
)
from enricher.timestamps import SECOND

SERVICE_LABELS = ("namespace", "service")
POD_LABELS = (*SERVICE_LABELS, "pod", "node")
EDGE_LABELS = ("client_namespace", "client_service", "namespace", "service")
REQUEST_LABELS = (*SERVICE_LABELS, "route", "code", "reason", "gateway")
_BOUNDS = (*map(str, BUCKETS), "+Inf")
_LATENESS_BOUNDS = (*map(str, LATENESS_BUCKETS), "+Inf")
K = TypeVar("K")
V = TypeVar("V")


class Collector:
    """Renders Metrics and Gauges for a registry, in a thread, while the loop's thread changes them."""

    def __init__(self, metrics: Metrics, gauges: Callable[[], Gauges], *, is_openmetrics: bool = False) -> None:
        """Yield exemplars, and when each series was created, only for OpenMetrics: the text format has neither."""
        self._metrics, self._gauges, self._is_openmetrics = metrics, gauges, is_openmetrics

    def for_openmetrics(self) -> "Collector":
        """Return a collector of the same with all that OpenMetrics can say."""
        return Collector(self._metrics, self._gauges, is_openmetrics=True)

    def _created(self, ns: int) -> float | None:
        """Return a time in seconds, or None if the format does not have it."""
        return ns / SECOND if self._is_openmetrics else None

    def _exemplar(self, exemplar: Exemplar | None, value: float | None = None) -> OpenMetricsExemplar | None:
        """Return an exemplar of what is counted, or of a time that an attempt took."""
        if exemplar is None or not self._is_openmetrics:
            return None
        ids = {name: text for name, text in exemplar.trace._asdict().items() if text}
        value = (exemplar.time or 0) / SECOND if value is None else value
        return OpenMetricsExemplar(ids or {"request_id": exemplar.request_id}, value, (exemplar.at or 0) / SECOND)

    def _add_created(self, family: Metric, labels: Iterable[str], key: Iterable[str], created: int) -> None:
        """Add when a series was created to a family whose own `add_metric` cannot."""
        if self._is_openmetrics:
            family.add_sample(f"{family.name}_created", dict(zip(labels, key, strict=True)), created / SECOND)

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield self._requests(_items(self._metrics.requests))
        yield self._causes(_items(self._metrics.causes))
        yield from self._upstreams(_items(self._metrics.pods))
        yield from self._services(_items(self._metrics.services))
        yield self._late(_items(self._metrics.late))
        yield from self._edges(_items(self._metrics.edges))
        yield from self._daemon_counters()
        yield from self._present_state(self._gauges())

    def _requests(self, requests: list[tuple[RequestKey, RequestSeries]]) -> Metric:
        family = CounterMetricFamily(
            "ingress_requests",
            "Requests, by the status that the client got; `reason` is why no pod was tried for one that failed.",
            labels=REQUEST_LABELS,
        )
        for key, series in requests:
            family.add_metric(key, series.requests, self._created(series.created))
        return family

    def _causes(self, causes: list[tuple[CauseKey, CauseSeries]]) -> Metric:
        family = CounterMetricFamily(
            "ingress_upstream_causes",
            "Failed attempts at pods of a service, and failed requests for which none was tried, by their cause.",
            labels=(*SERVICE_LABELS, "cause", "cause_grade"),
        )
        for key, series in causes:
            family.add_metric(key, series.failures, self._created(series.created))
        return family

    def _upstreams(self, pods: list[tuple[PodKey, PodSeries]]) -> Iterator[Metric]:
        """Yield the families of pods one by one, since each may have hundreds of thousands of samples."""
        family = CounterMetricFamily("ingress_upstream_requests", "Attempts made at a pod.", labels=POD_LABELS)
        for key, series in pods:
            if series.requests:  # else only the error log names the pod
                family.add_metric(key, series.requests, self._created(series.created))
        yield family
        family = CounterMetricFamily(
            "ingress_upstream_errors",
            "Attempts that ended with a 5xx, or with a gRPC status other than OK; "
            'outcome="hidden" means that the client got a good answer all the same, '
            "and `state` is that of the pod as the attempt began.",
            labels=(*POD_LABELS, *ErrorLabels._fields),
        )
        for key, series in pods:
            for error, count in _items(series.errors):
                created = self._created(series.kinds_created.get(error, series.created))
                exemplar = self._exemplar(series.exemplars.get(error), 1.0)
                family.add_metric((*key, *error), count, created, exemplar=exemplar)
        yield family
        family = CounterMetricFamily(
            "ingress_upstream_failures",
            "Attempts that the proxy could not complete, by the reason in its log.",
            labels=(*POD_LABELS, *FailureLabels._fields),
        )
        for key, series in pods:
            for failure, count in _items(series.failures):
                created = self._created(series.kinds_created.get(failure, series.created))
                family.add_metric((*key, *failure), count, created)
        yield family
        summary = SummaryMetricFamily(
            "ingress_upstream_pod_response_seconds", "Response times of attempts, by pod.", labels=POD_LABELS
        )
        for key, series in pods:
            if series.requests:
                summary.add_metric(key, series.timed_attempts, series.seconds)
                self._add_created(summary, POD_LABELS, key, series.created)
        yield summary

    def _services(self, services: list[tuple[tuple[str, str], ServiceSeries]]) -> Iterator[Metric]:
        seconds = HistogramMetricFamily(
            "ingress_upstream_response_seconds", "Response times of attempts, by service.", labels=SERVICE_LABELS
        )
        labels = (*SERVICE_LABELS, "attribution")
        attempts = CounterMetricFamily(
            "ingress_upstream_attempts", "Attempts made at a service, by the grade of their attribution.", labels=labels
        )
        failed = CounterMetricFamily(
            "ingress_upstream_failed_attempts",
            "Attempts at a service that ended with an error, by the grade of their attribution.",
            labels=labels,
        )
        for key, series in services:
            for family, by_grade in ((attempts, series.attempts), (failed, series.failed)):
                for grade, count in _items(by_grade):
                    family.add_metric((*key, grade), count, self._created(series.created))
            counts = accumulate(list(series.buckets))
            exemplars = dict(_items(series.exemplars))
            buckets = [
                (bound, float(count), self._exemplar(exemplars.get(number)))
                for number, (bound, count) in enumerate(zip(_BOUNDS, counts, strict=True))
            ]
            seconds.add_metric(key, buckets, series.time / SECOND)  # type: ignore[arg-type]  # the exemplar may be None
            self._add_created(seconds, SERVICE_LABELS, key, series.created)
        yield from (attempts, failed, seconds)

    def _late(self, late: list[tuple[LateKey, LateSeries]]) -> Metric:
        family = HistogramMetricFamily(
            "ingress_upstream_late_attempt_seconds",
            "Time from when a pod was terminating or no longer ready to an attempt at it, by service; "
            "`state` is that of the pod as the attempt began.",
            labels=(*SERVICE_LABELS, "state"),
        )
        for key, series in late:
            buckets = zip(_LATENESS_BOUNDS, accumulate(list(series.buckets)), strict=True)
            family.add_metric(key, [(bound, float(count)) for bound, count in buckets], series.time / SECOND)
            self._add_created(family, (*SERVICE_LABELS, "state"), key, series.created)
        return family

    def _edges(self, edges: list[tuple[EdgeKey, Edge]]) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "ingress_edge_requests", "Requests of one service's pods to another service.", labels=EDGE_LABELS
        )
        errors = CounterMetricFamily(
            "ingress_edge_errors", "Requests between services whose last attempt failed.", labels=EDGE_LABELS
        )
        for key, edge in edges:
            requests.add_metric(key, edge.requests, self._created(edge.created))
            errors.add_metric(key, edge.errors, self._created(edge.created))
        yield from (requests, errors)

    def _daemon_counters(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield self._counter("enricher_lines", "Lines written, by their kind.", "result", _items(metrics.lines))
        yield self._counter(
            "enricher_attributions", "Attempts, by the grade of their attribution.", "grade", _items(metrics.grades)
        )
        yield self._counter(
            "enricher_unresolved_attempts",
            "Attempts for which no pod could be named.",
            "grade",
            _items(metrics.unresolved),
        )
        yield self._counter(
            "enricher_overflowed",
            'Attempts, failures and requests counted under "overflow" or with less detail, by namespace.',
            "namespace",
            _with_zero(metrics.overflow.counted),
        )
        yield self._counter(
            "enricher_dropped_series",
            "Series dropped before they expired, to make room for others, by namespace.",
            "namespace",
            _with_zero(metrics.overflow.dropped),
        )
        yield self._total("enricher_read_bytes", "Bytes read from logs.", metrics.bytes_read)
        yield self._total("enricher_written_bytes", "Bytes written to stdout.", metrics.bytes_written)

    def _present_state(self, gauges: Gauges) -> Iterator[Metric]:
        yield InfoMetricFamily("enricher_build", "Build information.", value={"version": __version__})
        yield GaugeMetricFamily("enricher_sources", "Containers whose logs are followed.", value=gauges.sources)
        yield GaugeMetricFamily("enricher_endpoints", "Addresses that pods hold now.", value=gauges.endpoints)
        text = "Endpoints of slices that are not used, or not with their pods, by the slices' namespace and the reason."
        refused = CounterMetricFamily("enricher_refused_endpoints", text, labels=("namespace", "reason"))
        for key, number in gauges.refused_endpoints.items():
            refused.add_metric(key, number, self._created(self._metrics.created))
        yield refused
        yield GaugeMetricFamily(
            "enricher_lag_bytes", "Bytes of the logs that are not read yet.", value=gauges.lag_bytes
        )
        yield GaugeMetricFamily(
            "enricher_lag_seconds", "Age of the last line read, while more lines are waiting.", value=gauges.lag_seconds
        )
        problems = Counter(dict(_items(self._metrics.problems)))
        problems.update(gauges.problems)
        yield self._counter("enricher_problems", "Recovered errors, by kind.", "kind", problems.items())
        text = "Attempts that are logged in lines of their own and whose request is not known, by why."
        yield self._counter("enricher_lone_tries", text, "reason", _items(self._metrics.lone_tries))
        if gauges.pod_lookups:
            text = "Requests about pods that failed, by result, and pods that were skipped or forgotten."
            yield self._counter("enricher_pod_lookups", text, "result", gauges.pod_lookups.items())
        if gauges.watch:
            yield from self._watch(gauges.watch)

    def _watch(self, watch: WatchSummary) -> Iterator[Metric]:
        text = "Whether the watch of the API server is in sync."
        yield GaugeMetricFamily("enricher_watch_synced", text, value=int(watch.synced))
        yield self._counter(
            "enricher_watch_restarts", "Restarts of the watch, by reason.", "reason", watch.restarts.items()
        )
        if watch.last_event_age is not None:
            yield GaugeMetricFamily(
                "enricher_watch_last_event_age_seconds",
                "Seconds since the watch's last list, event or bookmark.",
                value=watch.last_event_age,
            )

    def _counter(self, name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
        family = CounterMetricFamily(name, text, labels=(label,))
        for key, value in list(values):
            family.add_metric((key,), value, self._created(self._metrics.created))
        return family

    def _total(self, name: str, text: str, value: int) -> Metric:
        return CounterMetricFamily(name, text, value=value, created=self._created(self._metrics.created))


def _items(live: Mapping[K, V]) -> list[tuple[K, V]]:
    """Return the items of a dict that the loop's thread may change at any moment: copying it is one atomic step."""
    return list(dict(live).items())


def _with_zero(by_namespace: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """Return the items, with one of no namespace from the start."""
    return ({"": 0} | dict(by_namespace)).items()
