"""When a series was created: at the last time at which it was certainly at 0, also if it was there before."""

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.counters import EXPIRY, Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.timestamps import SECOND
from enricher.vocabulary import Grade, State

BEGIN = 1_790_000_000
WEB = Service("shop", "web")
TO_WEB = Attribution(Grade.EXACT, Owner("shop", "web-1", "u", "n"), WEB)


class Clock:
    seconds = BEGIN

    def __call__(self) -> int:
        return self.seconds * SECOND


def count(metrics: Metrics, status: int) -> None:
    metrics.count_attempt(TO_WEB, Attempt("10.0.0.1:80", status, 5, 5), retried=False, origin="pod")
    metrics.count_requests(WEB, str(status))
    metrics.count_edge(WEB, WEB, failed=True)
    metrics.count_late(TO_WEB, [Lateness(State.TERMINATING, 5)])
    metrics.count_cause(WEB, "unknown", "")
    metrics.count_failure(TO_WEB, "refused")


def created(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return when each series was created, by its family and its code."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(metrics, Gauges).for_openmetrics())
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    times = {}
    for family in families:
        if family.type in {"counter", "histogram", "summary"} and family.samples:
            assert any(sample.name == f"{family.name}_created" for sample in family.samples), family.name
        for sample in family.samples:
            if sample.name.endswith("_created") and family.name.startswith("ingress"):
                times[family.name, sample.labels.get("code", "")] = sample.value
    return times


def test_each_series_says_since_when_it_counts() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    clock.seconds += 100
    count(metrics, 503)
    assert len(created(metrics)) == 12
    assert set(created(metrics).values()) == {BEGIN}  # nothing has been exposed in between
    metrics.mark_complete()
    clock.seconds += 15
    count(metrics, 502)
    times = created(metrics)
    for family in ("ingress_upstream_errors", "ingress_requests"):
        assert times[family, "503"] == BEGIN
        assert times[family, "502"] == BEGIN + 100
    assert times["ingress_upstream_requests", ""] == BEGIN


def test_a_series_that_comes_again_is_new() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    count(metrics, 503)
    metrics.mark_complete()
    clock.seconds += EXPIRY // SECOND + 1
    metrics.expire(set())
    assert not created(metrics)
    clock.seconds += 10
    count(metrics, 503)
    assert set(created(metrics).values()) == {clock.seconds - 10}
