"""/metrics in the format that the client takes: OpenMetrics for Prometheus, Prometheus' text for all others."""

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from enricher.accesslog.record import ErrorLabels
from enricher.config.settings import ListenAddress
from enricher.daemon.http import serve
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.vocabulary import Grade

HERE = ListenAddress("127.0.0.1", 0)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.2"
)
OTHERS = (None, "", "*/*", "text/plain;version=0.0.4", "text/html,application/xhtml+xml")


def counted() -> Metrics:
    metrics = Metrics()
    attribution = Attribution(
        Grade.EXACT, owner=Owner("shop", "web-1", "uid-1", "node-1"), service=Service("shop", "web")
    )
    metrics.count_attempts(attribution, [1_000_000, None], {ErrorLabels("503", "false", "pod"): 1}, {None: 1}, {})
    metrics.count_requests(Service("shop", "web"), "503")
    return metrics


async def scrape(port: int, accept: str | None) -> tuple[str, str]:
    headers = {} if accept is None else {"Accept": accept}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics", headers=headers) as got,
    ):
        assert got.status == 200
        assert got.headers["Vary"] == "Accept"
        return got.headers["Content-Type"], await got.text()


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3, *OTHERS])
async def test_the_format_that_the_client_takes(accept: str | None) -> None:
    async with serve(HERE, Collector(counted(), Gauges), lambda: None) as port:
        kind, text = await scrape(port, accept)
    if accept in OTHERS:
        assert kind == "text/plain; version=0.0.4"
        families = list(parse_text(text))
    else:
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        families = list(parse_openmetrics(text))  # it is strict
    samples = {
        (sample.name, sample.labels.get("pod")): sample.value for family in families for sample in family.samples
    }
    assert samples["ingress_upstream_errors_total", "web-1"] == 1
    assert samples["ingress_requests_total", None] == 1


async def test_both_formats_have_the_same_samples_and_openmetrics_when_each_was_created() -> None:
    async with serve(HERE, Collector(counted(), Gauges), lambda: None) as port:
        (_, openmetrics), (_, text) = await scrape(port, PROMETHEUS_3), await scrape(port, None)
    samples = [
        {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            # CPU time goes on between two scrapes.
            if not sample.name.startswith("process_") and not sample.name.endswith("_created")
        }
        for families in (parse_openmetrics(openmetrics), parse_text(text))
    ]
    assert samples[0] == samples[1]
    assert "_created{" in openmetrics
    assert "_created" not in text


@pytest.mark.parametrize("accept", [PROMETHEUS_3, None])
async def test_the_process_has_its_usual_metrics(accept: str | None) -> None:
    async with serve(HERE, Collector(counted(), Gauges), lambda: None) as port:
        _, text = await scrape(port, accept)
    names = {"cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"}
    values = dict(line.split(" ") for line in text.splitlines() if line.startswith("process_"))
    assert values.keys() >= {f"process_{name}" for name in names}
    assert all(float(value) > 0 for value in values.values())
