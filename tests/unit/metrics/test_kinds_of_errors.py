"""A backend that fails in every way there is takes no kinds of errors of others, and all its errors are counted."""

from itertools import product

from enricher.accesslog.grpc import STATUS_NAMES
from enricher.accesslog.record import Attempt, ErrorLabels
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.counters import Metrics
from enricher.metrics.pods import FailureLabels
from enricher.timestamps import SECOND
from enricher.vocabulary import Origin, Outcome, Reason


def pod(namespace, name):
    owner = Owner(namespace, name, f"uid-{name}", "node-1")
    return Attribution("exact", owner, Service(namespace, "web"))


def fail_in_every_way(metrics, attribution):
    """Fail once in each way; return how often that is."""
    ways = list(product(range(500, 600), (True, False), (Origin.POD, Origin.PROXY, Origin.UNKNOWN), Outcome))
    ways += list(product(STATUS_NAMES[1:], (True, False), (Origin.POD,), Outcome))
    for status, retried, origin, outcome in ways:
        attempt = Attempt("10.0.0.1:80", 200, SECOND, 5, grpc_status=str(status))
        if isinstance(status, int):
            attempt = Attempt("10.0.0.1:80", status, SECOND, 5)
        metrics.count_attempt(attribution, attempt, retried=retried, origin=origin, outcome=outcome)
    return len(ways)


def kinds(metrics):
    return sum(len(series.errors) + len(series.failures) for series in metrics.pods.values())


def test_all_errors_are_counted_and_their_kinds_are_bounded():
    metrics, number = Metrics(max_series=20), 0
    for n in range(20):
        number += fail_in_every_way(metrics, pod("evil", f"p-{n}"))
    assert kinds(metrics) <= 2 * 20 + 20 * 17  # without details: 5xx, and each status of gRPC
    assert sum(series.failed for series in metrics.pods.values()) == number
    codes = dict.fromkeys(("http", "grpc"), 0)
    for series in metrics.pods.values():
        for kind, errors in series.errors.items():
            codes[kind.protocol] += errors
    assert codes == {"http": 20 * 1800, "grpc": 20 * 96}
    assert metrics.overflow.counted == {"evil": number - 40}
    last = metrics.pods["evil", "web", "p-19", "node-1"].errors
    assert last[ErrorLabels("5xx", "", "", "http", Outcome.UNKNOWN)] == 1800
    assert last[ErrorLabels("UNAVAILABLE", "", "", "grpc", Outcome.UNKNOWN)] == 6


def test_another_namespace_gets_the_kinds_of_the_largest():
    metrics = Metrics(max_series=20)
    fail_in_every_way(metrics, pod("evil", "p"))
    assert kinds(metrics) == 40 + 17
    for _ in range(2):
        metrics.count_attempt(pod("shop", "web-1"), Attempt("10.0.0.1:80", 503, SECOND, 5), retried=False, origin="pod")
        metrics.count_failure(pod("shop", "web-1"), Reason.TLS)
    victim = metrics.pods["shop", "web", "web-1", "node-1"]
    assert dict(victim.errors) == {ErrorLabels("503", "false", "pod"): 2}
    assert dict(victim.failures) == {FailureLabels(Reason.TLS): 2}
    assert metrics.overflow.dropped == {"evil": 2}
    assert kinds(metrics) == 40 + 17


def test_reasons_beyond_the_limit_are_other_reasons():
    metrics = Metrics(max_series=2)
    for reason in (*Reason, *Reason):
        metrics.count_failure(pod("shop", "web-1"), reason)
    failures = metrics.pods["shop", "web", "web-1", "node-1"].failures
    assert len(failures) == 4 + 1
    assert (failures.total(), failures[FailureLabels(Reason.OTHER)]) == (2 * len(Reason), 2 * (len(Reason) - 4))


def test_the_kinds_of_a_pod_that_is_gone_make_room():
    now = 0
    metrics = Metrics(lambda: now, max_series=2)
    for n in range(3):
        for status in (500, 501, 502, 503):
            attempt = Attempt("10.0.0.1:80", status, SECOND, 5)
            metrics.count_attempt(pod("shop", f"web-{n}"), attempt, retried=False, origin="pod")
        assert {kind.code for kind in metrics.pods["shop", "web", f"web-{n}", "node-1"].errors} == {
            "500",
            "501",
            "502",
            "503",
        }
        now += 3601 * SECOND
        metrics.expire(set())
    assert not metrics.overflow.counted
