"""What is exposed keeps the rules of each family's type: OpenMetrics' own parser, which is strict, takes all of it."""

import math
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import Owner, Service
from enricher.kube.watch_status import WatchSummary
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.vocabulary import Grade, State

SUFFIXES = {
    "counter": {"_total", "_created"},
    "gauge": {""},
    "histogram": {"_bucket", "_sum", "_count", "_created"},
    "summary": {"_sum", "_count", "_created"},
    "info": {"_info"},
}
NAMES = ("", "a", 'q"\\\n', "ü")
services = st.builds(Service, st.sampled_from(NAMES), st.sampled_from(NAMES))
attempts = st.tuples(
    services,
    st.sampled_from(NAMES),
    st.sampled_from(Grade),
    st.none() | st.sampled_from([200, 502, 599]),
    st.none() | st.integers(0, 20 * 10**9),
    st.booleans(),
)


def registries_of(counted, max_series):
    metrics = Metrics(max_series=max_series)
    for service, pod, grade, status, time, flag in counted:
        owner = Owner(service.namespace, pod, "uid", "n") if pod else None
        attribution = Attribution(grade, owner, service if flag else None)
        metrics.count_attempt(attribution, Attempt("10.0.0.1:80", status, time, 5), retried=flag, origin="pod")
        metrics.count_failure(attribution, "refused")
        metrics.count_edge(service, service, failed=flag)
        metrics.count_late(attribution, [Lateness(State.TERMINATING, time or 0)])
        metrics.count_requests(service, str(status), reason="no_endpoints" if flag else "", route=pod)
        metrics.count_line("access")
    gauges = Gauges(1, 2, 3, 4.5, WatchSummary(True, defaultdict(int, gone=2), 7.5), {"truncation": 1})
    collector = Collector(metrics, lambda: gauges)
    return registry_of(collector), registry_of(collector.for_openmetrics())


def registry_of(collector):
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


@settings(max_examples=60)
@given(st.lists(attempts, max_size=20), st.sampled_from([1, 3, math.inf]))
def test_strict_parsers_take_the_whole_exposition(counted, max_series):
    text, openmetrics = registries_of(counted, max_series)
    strict = list(parse_openmetrics(generate_openmetrics(openmetrics).decode()))
    for family in strict:
        check(family)
    plain = list(parse_text(generate_latest(text).decode()))
    assert samples_of(plain) == {
        key: value for key, value in samples_of(strict).items() if not key[0].endswith("_created")
    }


def check(family):
    """Fail unless each sample of a family has a name of its type, and the samples of one series the same labels."""
    assert family.documentation.endswith("."), family.name
    assert family.type in SUFFIXES, family
    assert {sample.name.removeprefix(family.name) for sample in family.samples} <= SUFFIXES[family.type]
    if family.type in {"histogram", "summary"}:
        by_suffix = defaultdict(set)
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            by_suffix[sample.name].add(tuple(sorted(labels.items())))
        assert len({frozenset(labels) for labels in by_suffix.values()}) <= 1, family.name
        assert len(by_suffix) in {0, len(SUFFIXES[family.type])}


def samples_of(families):
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples), "one series twice"
    return found


def test_a_family_that_mixes_its_labels_is_noticed():
    """The parser and `check` can fail: this is how buckets per service and sums per pod were exposed once."""
    text = (
        "# HELP s Seconds.\n# TYPE s histogram\n"
        's_bucket{service="web",le="+Inf"} 1\ns_count{service="web",pod="p"} 1\ns_sum{service="web",pod="p"} 1\n# EOF\n'
    )
    with pytest.raises(ValueError, match=r"_count|Inf|bucket"):
        list(parse_openmetrics(text))
    (family,) = parse_text(text.replace("# EOF\n", ""))
    with pytest.raises(AssertionError):
        check(family)
