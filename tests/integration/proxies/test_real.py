"""The real programs, on loopback in front of the backends: their logs as they come, held against the backends' word."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.grpc import STATUS_NAMES
from enricher.endpoints.files import load_endpoints
from enricher.enrich.engine import Enricher
from enricher.line import Source
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.tailer.reader import read_file
from tests.integration.proxies import pods, rig, scenarios
from tests.integration.proxies.checking import UNNAMED, check, enrich

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(180)]


@pytest.fixture
def endpoints(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump(pods.endpoints()))
    return path


@pytest.mark.parametrize("variant", rig.VARIANTS)
def test_each_answer_is_put_down_to_who_gave_it(variant: str, tmp_path: Path, endpoints: Path) -> None:
    run = rig.run_variant(variant, tmp_path)
    checked = check(enrich(run.log, endpoints), run.truth)
    kinds = ", ".join(f"{number} {kind}" for kind, number in checked.kinds.items())
    print(
        f"| {variant} | {run.version} | {checked.requests} | {checked.answered} | {checked.right} | "
        f"{len(checked.wrong)} | {kinds} |"
    )
    assert checked.wrong == []
    assert set(checked.kinds) == {"access"}
    assert checked.right == (0 if variant in UNNAMED else checked.answered)
    assert checked.answered > 20


@pytest.mark.parametrize("variant", [variant for variant in rig.VARIANTS if variant.endswith("-grpc")])
def test_failed_calls_are_counted_by_pod_and_status(variant: str, tmp_path: Path, endpoints: Path) -> None:
    """What `/metrics` says, against the ends of the calls as the backends that served them wrote them down."""
    # Who gives up at the same moment as the pod: either may be the first.
    requests = [call for call in scenarios.calls() if call.kind != "call-client-deadline"]
    run = rig.run_variant(variant, tmp_path, requests)
    ended: Counter[tuple[str, str]] = Counter()
    for seen in run.seen:
        ended.update((one["pod"], STATUS_NAMES[one["status"]]) for one in seen.reached if one["status"])
    metrics = Metrics()
    enricher, histories = Enricher(FormatDetector(), metrics), load_endpoints([str(endpoints)])
    for lines in read_file(str(run.log)):
        for _ in enricher.enrich(Source(str(run.log)), lines, histories):
            pass
    enricher.update_counts()
    counted = {
        (sample.labels["pod"], sample.labels["code"]): int(sample.value)
        for sample in samples(metrics, "ingress_upstream_errors_total")
        if sample.labels["protocol"] == "grpc" and sample.labels["origin"] == "pod"
    }
    print(f"{variant}: {sum(counted.values())} failed calls at {len({pod for pod, _ in counted})} pods: {counted}")
    assert counted == ended
    assert len(counted) > 10


def samples(metrics: Metrics, name: str) -> list:
    registry = CollectorRegistry()
    registry.register(Collector(metrics, Gauges))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return [sample for family in families for sample in family.samples if sample.name == name]
