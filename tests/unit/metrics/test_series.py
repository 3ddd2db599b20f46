"""What was counted is what Prometheus reads, and there is a bound to how much that is."""

import sys
import threading
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import Owner, Service
from enricher.kube.watch_status import WatchSummary
from enricher.metrics.counters import EXPIRY, PROBLEMS, Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.metrics.series import BUCKETS
from enricher.timestamps import SECOND
from enricher.vocabulary import Grade, Outcome, State


def rendered(metrics, gauges=None):
    """Samples as Prometheus reads them: value by (name, sorted labels)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(metrics, lambda: gauges or Gauges()))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples]
    actual = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(actual) == len(samples), "one series twice"
    return actual


def labels(**given):
    return tuple(sorted(given.items()))


def attributed(pod="web-1", service="web", namespace="shop", node="node-1", grade="exact"):
    owner = Owner(namespace, pod, f"uid-{pod}", node) if pod else None
    return Attribution(grade, owner, Service(namespace, service) if service else None)


def attempt(status=200, ms=1):
    return Attempt("10.0.0.1:80", status, None if ms is None else ms * 1_000_000, 5)


names = st.sampled_from(["", "web", 'we"b', "we\\b\n", "ü"])
counted = st.tuples(
    st.builds(
        attributed,
        names,
        names,
        st.sampled_from(["shop", "ns"]),
        st.just("node-1"),
        st.sampled_from(Grade),
    ),
    st.builds(attempt, st.none() | st.sampled_from([200, 404, 500, 502, 503, 504]), st.none() | st.integers(0, 20_000)),
    st.booleans(),
    st.sampled_from(["pod", "proxy", "unknown"]),
    st.sampled_from(Outcome),
)


@settings(max_examples=30)
@given(st.lists(counted, max_size=30))
def test_the_text_says_what_was_counted(events):
    metrics = Metrics()
    for attribution, attempts, retried, origin, outcome in events:
        metrics.count_attempt(attribution, attempts, retried=retried, origin=origin, outcome=outcome)
    actual = rendered(metrics)

    def total(name, **expected):
        return sum(v for (n, pairs), v in actual.items() if n == name and expected.items() <= dict(pairs).items())

    assert total("ingress_upstream_requests_total") == len(events)
    failed = [event for event in events if (event[1].status or 0) >= 500]
    assert total("ingress_upstream_errors_total") == len(failed)
    assert total("ingress_upstream_errors_total", retried="true") == sum(event[2] for event in failed)
    for outcome in Outcome:
        expected = sum(event[4] == outcome for event in failed)
        assert total("ingress_upstream_errors_total", outcome=outcome) == expected
    for grade in Grade:
        graded = [event for event in events if event[0].grade == grade]
        assert total("ingress_upstream_attempts_total", attribution=grade) == len(graded)
        failures = sum(event in failed for event in graded)
        assert total("ingress_upstream_failed_attempts_total", attribution=grade) == failures
    guesses = sum(event[0].grade not in {"exact", "reported"} for event in events)
    assert sum(series.guesses for series in metrics.pods.values()) == guesses
    timed = [event[1].response_time for event in events if event[1].response_time is not None]
    for name in ("ingress_upstream_response_seconds", "ingress_upstream_pod_response_seconds"):
        assert total(f"{name}_count") == len(timed)
        assert abs(total(f"{name}_sum") - sum(timed) / SECOND) < 1e-6
    assert total("ingress_upstream_response_seconds_bucket", le="+Inf") == len(timed)
    for bound in BUCKETS:
        within = sum(time <= bound * SECOND for time in timed)
        assert total("ingress_upstream_response_seconds_bucket", le=str(bound)) == within
    assert sum(v for (n, _), v in actual.items() if n == "enricher_attributions_total") == len(events)


def test_no_label_but_the_known_ones():
    metrics = Metrics()
    metrics.count_attempt(attributed(), attempt(502), retried=True, origin="proxy")
    metrics.count_failure(attributed(), "refused")
    metrics.count_edge(Service("edge", "front"), Service("shop", "web"), failed=True)
    metrics.count_requests(Service("shop", "web"), "503", reason="no_endpoints", route="r")
    metrics.count_late(attributed(), [Lateness(State.GONE, SECOND)])
    series = {n: {name for name, _ in pairs} for n, pairs in rendered(metrics)}
    pod = {"namespace", "service", "pod", "node"}
    assert series["ingress_upstream_requests_total"] == pod
    kind = {"code", "retried", "origin", "protocol", "outcome", "state"}
    assert series["ingress_upstream_errors_total"] == pod | kind
    assert series["ingress_upstream_failures_total"] == pod | {"reason", "state"}
    assert series["ingress_upstream_response_seconds_bucket"] == {"namespace", "service", "le"}
    assert series["ingress_upstream_late_attempt_seconds_bucket"] == {"namespace", "service", "state", "le"}
    for part in ("sum", "count"):
        assert series[f"ingress_upstream_late_attempt_seconds_{part}"] == {"namespace", "service", "state"}
        assert series[f"ingress_upstream_response_seconds_{part}"] == {"namespace", "service"}
        assert series[f"ingress_upstream_pod_response_seconds_{part}"] == pod
    for name in ("ingress_upstream_attempts_total", "ingress_upstream_failed_attempts_total"):
        assert series[name] == {"namespace", "service", "attribution"}
    edge = {"client_namespace", "client_service", "namespace", "service"}
    assert series["ingress_edge_requests_total"] == series["ingress_edge_errors_total"] == edge
    assert series["ingress_requests_total"] == {"namespace", "service", "route", "gateway", "code", "reason"}
    allowed_labels = {
        *pod,
        *edge,
        "route",
        "gateway",
        "code",
        "retried",
        "origin",
        "protocol",
        "outcome",
        "state",
        "attribution",
        "reason",
        "le",
        "result",
        "grade",
        "kind",
        "version",
    }
    assert set().union(*series.values()) <= allowed_labels


def test_a_gone_pods_series_expire_and_a_live_ones_do_not():
    now = 0
    metrics = Metrics(clock=lambda: now)
    for pod in ("gone", "live", "busy"):
        metrics.count_attempt(attributed(pod), attempt(502), retried=False, origin="pod")
    metrics.count_attempt(attributed("other", service="old"), attempt(), retried=False, origin="")
    for step in range(4):
        now = step * EXPIRY // 2
        if step < 3:
            metrics.count_attempt(attributed("busy"), attempt(), retried=False, origin="")
        metrics.expire({("shop", "live")})
        left = {key[2] for key in metrics.pods}
        assert left == ({"gone", "live", "busy", "other"} if step < 3 else {"live", "busy"})
    now += EXPIRY
    metrics.expire({("shop", "live")})
    assert {key[2] for key in metrics.pods} == {"live"}
    assert set(metrics.services) == {("shop", "web")}
    assert not [pairs for _, pairs in rendered(metrics) if ("pod", "gone") in pairs]


def test_no_more_series_than_the_cap():
    metrics = Metrics(max_series=10)
    for n in range(100):
        metrics.count_attempt(attributed(f"web-{n}"), attempt(502), retried=False, origin="pod")
    assert len(metrics.pods) <= 11
    assert metrics.overflow.counted.total() == 90
    assert metrics.pods["shop", "web", "overflow", ""].requests == 90
    actual = rendered(metrics)
    assert sum(v for (n, _), v in actual.items() if n == "ingress_upstream_requests_total") == 100
    assert [v for (n, _), v in actual.items() if n.startswith("enricher_") and v == 90], "told nowhere"


def test_unusual_statuses_make_no_series():
    metrics = Metrics()
    for status in (600, 999, 10**15, 0, None):
        metrics.count_attempt(attributed(), attempt(status), retried=False, origin="")
    assert not [n for n, _ in rendered(metrics) if n == "ingress_upstream_errors_total"]


def test_rendering_while_counting():
    """Series come and go while Prometheus reads: the rendering is done in a thread of its own."""
    now, renderings, failures = 0, [], []
    metrics = Metrics(clock=lambda: now)
    collector = Collector(metrics, Gauges)

    def render():
        try:
            while len(renderings) < 50:
                renderings.append(list(collector.collect()))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=render)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        n = 0
        while thread.is_alive():
            n += 1
            metrics.count_line(f"kind-{n % 300}")
            new = attributed(f"web-{n}", f"s-{n}")
            metrics.count_attempt(new, attempt(500 + n % 90), retried=False, origin="pod")
            if n % 1000 == 0:
                now += 2 * EXPIRY
                metrics.expire(set())
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failures == []


def test_all_is_0_before_anything_is_counted():
    """A rate needs the 0 before the first."""
    actual = rendered(Metrics())
    assert {name for (name, _), value in actual.items() if value} == {"enricher_build_info"}
    for kind in PROBLEMS:
        assert ("enricher_problems_total", labels(kind=kind)) in actual
    for grade in ("ambiguous", "service", "unknown"):
        assert ("enricher_unresolved_attempts_total", labels(grade=grade)) in actual
    for grade in Grade:
        assert ("enricher_attributions_total", labels(grade=grade)) in actual
    for name in ("enricher_overflowed_total", "enricher_dropped_series_total"):
        assert (name, labels(namespace="")) in actual


def test_attempts_without_a_pod_are_unresolved():
    metrics = Metrics()
    metrics.count_attempts(attributed(pod=""), [None, None], {}, {}, {})
    metrics.count_attempts(attributed(pod="", grade="unknown"), [None], {}, {}, {})
    metrics.count_attempts(attributed(grade="service"), [None], {}, {}, {})
    assert dict(+metrics.unresolved) == {"exact": 2, "unknown": 1}


def test_lines_and_failures_are_counted_one_by_one():
    metrics = Metrics()
    for _ in range(2):
        metrics.count_line("access")
        metrics.count_failure(attributed(), "refused")
    metrics.count_line("access", 3)
    actual = rendered(metrics)
    assert actual["enricher_lines_total", labels(result="access")] == 5
    pod = {"namespace": "shop", "service": "web", "pod": "web-1", "node": "node-1"}
    assert actual["ingress_upstream_failures_total", labels(**pod, reason="refused", state="")] == 2


def test_gauges():
    gauges = Gauges(
        2,
        3,
        4,
        5.5,
        watch=WatchSummary(True, Counter(gone=2), 7.5),
        refused_endpoints={("tenant", "malformed"): 6},
        pod_lookups={"read": 7, "failed": 0},
    )
    actual = rendered(Metrics(), gauges)
    assert actual["enricher_refused_endpoints_total", labels(namespace="tenant", reason="malformed")] == 6
    assert actual["enricher_pod_lookups_total", labels(result="read")] == 7
    assert actual["enricher_pod_lookups_total", labels(result="failed")] == 0
    own = {name: value for (name, _), value in actual.items()}
    assert own["enricher_sources"] == 2
    assert own["enricher_endpoints"] == 3
    assert own["enricher_lag_bytes"] == 4
    assert own["enricher_lag_seconds"] == 5.5
    assert own["enricher_watch_synced"] == 1
    assert actual["enricher_watch_restarts_total", labels(reason="gone")] == 2
    assert own["enricher_watch_last_event_age_seconds"] == 7.5
    assert own["enricher_build_info"] == 1


def test_each_family_and_each_series_is_there_once():
    metrics = Metrics()
    metrics.problems["log"] += 1
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(metrics, lambda: Gauges(problems={"truncation": 1})))
    lines = generate_latest(registry).decode().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    series = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(set(types)) == len(types)
    assert len(set(series)) == len(series)
    assert 'enricher_problems_total{kind="log"}' in series
