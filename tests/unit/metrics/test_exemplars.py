"""Exemplars: the metrics of OpenMetrics name requests by ids of a strict shape, whatever clients sent."""

import random
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.samples import Sample

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.timestamps import SECOND, parse_rfc3339
from tests.unit.enrich.controller_lines import NOW, enrich_all, framed, make_histories

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ID = "8df3b3d2a0fb14f3f9b438f0a5d1c2b3"
FORMAT = f'{INGRESS_NGINX.removesuffix("$req_id")}"$http_traceparent" "$req_id"'
STAMP = "2026-11-22T23:18:31.500Z"
HEAD = f'{STAMP} stdout F 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" '


def line(status: int, seconds: str, trace: str = "-", request_id: str = "-", more: str = "") -> str:
    times, statuses, address = f"{more and '0.001, '}{seconds}", f"{more}{status}", "10.0.0.1:80"
    address = f"{address}, {address}" if more else address
    upstream = f"{address} {more and '0, '}1 {times} {statuses}"
    return f'{HEAD}200 1 "-" "curl" 1 {seconds} [shop-web-80] [] {upstream} "{trace}" "{request_id}"'


def enriched(*lines: str, count_only: bool = False) -> Metrics:
    metrics = Metrics(lambda: NOW + 60 * SECOND)
    enricher = Enricher(FormatDetector((compile_format(FORMAT),)), metrics, count_only=count_only)
    enrich_all(enricher, make_histories(), framed("".join(f"{text}\n" for text in lines).encode()))
    enricher.update_counts()
    return metrics


def text_of(metrics: Metrics) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(metrics, Gauges).for_openmetrics())
    return generate_openmetrics(registry).decode()


def with_exemplar(metrics: Metrics) -> Iterator[Sample]:
    for family in parse_openmetrics(text_of(metrics)):
        yield from (sample for sample in family.samples if sample.exemplar)


@pytest.mark.parametrize("count_only", [False, True])
@pytest.mark.parametrize("more", ["", "502, "], ids=["one attempt", "several"])
def test_an_error_names_its_trace(more: str, *, count_only: bool) -> None:
    metrics = enriched(line(503, "0.020", f"00-{TRACE}-{SPAN}-01", ID, more), count_only=count_only)
    errors = [sample for sample in with_exemplar(metrics) if sample.name == "ingress_upstream_errors_total"]
    assert [sample.labels["code"] for sample in errors] == ([*more[:3].split(), "503"] if more else ["503"])
    for sample in errors:
        assert sample.exemplar
        assert sample.exemplar.labels == {"trace_id": TRACE, "span_id": SPAN}
        assert sample.exemplar.value == 1
        assert round(float(sample.exemplar.timestamp) * 1000) * 1_000_000 == parse_rfc3339(STAMP.encode())


@pytest.mark.parametrize("count_only", [False, True])
def test_a_bucket_names_a_request_that_took_so_long(*, count_only: bool) -> None:
    requests = [line(200, "0.004", "-", ID), line(200, "0.070", f"00-{TRACE}-{SPAN}-01", ID), line(200, "0.003")]
    for slowest in (0, 1):
        buckets = list(with_exemplar(enriched(*requests[: slowest + 1], count_only=count_only)))
        (sample,) = buckets
        assert sample.name == "ingress_upstream_response_seconds_bucket"
        assert sample.exemplar
        assert sample.labels["le"] == ("0.005", "0.1")[slowest]
        assert sample.exemplar.value == (0.004, 0.07)[slowest]
        assert sample.exemplar.labels == ({"request_id": ID}, {"trace_id": TRACE, "span_id": SPAN})[slowest]


def test_only_openmetrics_has_them() -> None:
    metrics = enriched(line(503, "0.020", f"00-{TRACE}-{SPAN}-01", ID))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(metrics, Gauges))
    text = generate_latest(registry).decode()
    assert TRACE not in text
    assert "_created" not in text
    assert "ingress_upstream_errors_total{" in text


HOSTILE = (
    *('a"} 1 # {x="y', "secret@example.com", "a" * 5000, "\\x22", "é", "0x" * 16, "eyJhbGciOiJIUzI1NiJ9.e30.x", "../x"),
    *(f"00-{TRACE}-{SPAN}-01\\n", f"00-{TRACE}-{SPAN}-01,x", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE.upper()}-{SPAN}-01"),
)


def test_what_clients_send_is_no_label() -> None:
    dice = random.Random(1)
    texts = [text.replace('"', r"\x22") for text in HOSTILE]
    for _ in range(30):
        lines = [
            line(dice.choice((200, 503)), f"{dice.random():.3f}", dice.choice(texts), dice.choice([*texts[:-4], ID]))
            for _ in range(20)
        ]
        metrics = enriched(*lines)
        for sample in with_exemplar(metrics):
            assert sample.exemplar
            assert sample.exemplar.labels == {"request_id": ID}
        text = text_of(metrics)
        assert not [hostile for hostile in HOSTILE if hostile in text]


def test_the_longest_ids_are_within_the_limit() -> None:
    """OpenMetrics allows 128 characters of names and values, and the parser none more."""
    for sample in with_exemplar(enriched(line(503, "0.020", "-", "a" * 64))):
        assert sample.exemplar
        assert sum(map(len, (*sample.exemplar.labels, *sample.exemplar.labels.values()))) <= 128


def test_their_number_is_bounded_by_that_of_series() -> None:
    lines = [line(500 + n % 100, f"{n % 20}.{n:03d}", "-", f"{n:032x}") for n in range(2000)]
    metrics = enriched(*lines)
    ((_, pod),) = metrics.pods.items()
    ((_, service),) = metrics.services.items()
    assert set(pod.exemplars) == set(pod.errors)
    assert len(service.exemplars) <= 12


def test_a_later_one_takes_the_place_of_an_earlier_one_only() -> None:
    metrics = Metrics(lambda: NOW + 60 * SECOND)
    enricher, histories = Enricher(FormatDetector((compile_format(FORMAT),)), metrics), make_histories()
    seen = []
    for stamp, request_id in (
        (STAMP, "a" * 32),
        ("2026-11-22T23:18:30.900Z", "b" * 32),
        (STAMP[:-4] + "600Z", "c" * 32),
    ):
        text = line(503, "0.020", "-", request_id).replace(STAMP, stamp)
        enrich_all(enricher, histories, framed(f"{text}\n".encode()))
        enricher.update_counts()
        seen.append({sample.exemplar.labels["request_id"][0] for sample in with_exemplar(metrics) if sample.exemplar})
    assert seen == [{"a"}, {"a"}, {"c"}]


def test_none_is_in_the_future() -> None:
    """Prometheus refuses what is far ahead of its clock, and then takes no other."""
    ahead = NOW - 3600 * SECOND
    metrics = Metrics(lambda: ahead)
    enricher = Enricher(FormatDetector((compile_format(FORMAT),)), metrics)
    enrich_all(enricher, make_histories(), framed(f"{line(503, '0.020', '-', ID)}\n".encode()))
    enricher.update_counts()
    times = {float(sample.exemplar.timestamp) for sample in with_exemplar(metrics) if sample.exemplar}
    assert times
    assert max(times) <= ahead / SECOND
