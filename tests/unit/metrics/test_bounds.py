"""What is held grows to its limit and not beyond it, and what is at a limit is still counted right."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import Owner, Service
from enricher.metrics import counters
from enricher.metrics.counters import EXPIRY, Metrics
from enricher.metrics.series import BUCKETS, ServiceSeries
from enricher.timestamps import SECOND
from enricher.vocabulary import State

WEB = Service("shop", "web")
OVERFLOW = ("shop", "web", "overflow", "")


def attributed(pod):
    return Attribution("exact", Owner("shop", pod, "uid", "node-1"), WEB)


def attempt(seconds=1.0):
    return Attempt("10.0.0.1:80", 200, round(seconds * SECOND), 5)


@pytest.mark.parametrize(("bucket", "bound"), [*enumerate(BUCKETS)])
def test_a_time_at_a_buckets_bound_is_in_that_bucket(bucket, bound):
    metrics = Metrics()
    for seconds in (bound, bound + 0.001):
        metrics.count_attempt(attributed("web-1"), attempt(seconds), retried=False, origin="")
    expected = [0] * (len(BUCKETS) + 1)
    expected[bucket] = expected[bucket + 1] = 1
    series = ServiceSeries(Counter(exact=2), Counter(), expected, round((2 * bound + 0.001) * SECOND))
    assert metrics.services == {WEB: series}


@pytest.mark.parametrize(("age", "expired"), [(EXPIRY, False), (EXPIRY + 1, True)])
def test_a_series_lives_for_all_of_its_time(age, expired):
    now = EXPIRY
    metrics = Metrics(lambda: now)
    metrics.count_attempt(attributed("web-1"), attempt(), retried=False, origin="")
    metrics.count_edge(WEB, WEB, failed=False)
    metrics.count_late(attributed("web-1"), [Lateness(State.GONE, 0)])
    now += age
    metrics.expire(set())
    tables = (metrics.pods, metrics.services, metrics.edges, metrics.late)
    assert [not series for series in tables] == [expired] * 4


def test_as_many_series_as_allowed():
    metrics = Metrics(max_series=2)
    for pod in ("web-1", "web-2"):
        metrics.count_attempt(attributed(pod), attempt(), retried=False, origin="")
    assert (OVERFLOW in metrics.pods, metrics.overflow.counted.total()) == (False, 0)
    metrics.count_attempts(attributed("web-3"), [None, None], {}, {}, {})
    assert (metrics.pods[OVERFLOW].requests, metrics.overflow.counted.total()) == (2, 2)
    metrics.count_failure(attributed("web-4"), "refused")
    assert metrics.overflow.counted.total() == 3
    metrics.count_attempt(attributed("web-1"), attempt(), retried=False, origin="")
    assert (metrics.pods["shop", "web", "web-1", "node-1"].requests, metrics.overflow.counted.total()) == (2, 3)


def test_shared_series_take_no_room_of_others():
    now = 0
    metrics = Metrics(lambda: now, max_series=2)
    for pod in ("web-1", "web-2", "web-3"):
        metrics.count_attempt(attributed(pod), attempt(), retried=False, origin="")
    assert [key[2] for key in metrics.pods] == ["web-1", "web-2", "overflow"]
    now += EXPIRY + 1
    metrics.count_failure(attributed("web-1"), "refused")
    metrics.expire({("shop", "web-2")})
    assert [key[2] for key in metrics.pods] == ["web-1", "web-2"]
    now += EXPIRY + 1
    metrics.expire({("shop", "web-2")})
    for pod in ("web-4", "web-5"):
        metrics.count_attempt(attributed(pod), attempt(), retried=False, origin="")
    assert [key[2] for key in metrics.pods] == ["web-2", "web-4", "overflow"]


@given(st.lists(st.none() | st.sampled_from(BUCKETS) | st.floats(0, 12), max_size=30))
def test_attempts_counted_together_are_counted_as_if_one_by_one(seconds):
    times = [None if second is None else round(second * SECOND) for second in seconds]
    together, one_by_one = Metrics(), Metrics()
    together.count_attempts(attributed("web-1"), times, {}, {}, {})
    for time in times:
        one_by_one.count_attempts(attributed("web-1"), [time], {}, {}, {})
    assert together.services == (one_by_one.services or {WEB: ServiceSeries()})
    assert together.services[WEB].buckets == [
        sum(time is not None and low < time <= high for time in times)
        for low, high in pairwise([-1, *(round(bound * SECOND) for bound in BUCKETS), float("inf")])
    ]


def test_late_attempts_are_kept_from_one_roll_out_to_the_next():
    now = EXPIRY
    metrics = Metrics(lambda: now)
    metrics.count_attempt(attributed("web-1"), attempt(), retried=False, origin="")
    metrics.count_late(attributed("web-1"), [Lateness(State.GONE, 0)])
    for live_pods, kept in (({("shop", "web-1")}, True), (set(), True), (set(), False)):
        now += EXPIRY if kept else 1
        metrics.expire(live_pods)
        assert bool(metrics.late) is kept


def test_as_many_series_of_late_attempts_as_allowed():
    metrics = Metrics(max_series=8)
    for number in range(5):
        attribution = Attribution("exact", Owner("shop", "web-1", "uid", "node-1"), Service("shop", f"web-{number}"))
        metrics.count_late(attribution, [Lateness(State.GONE, SECOND)] * 3)
    assert {key: sum(series.buckets) for key, series in metrics.late.items()} == {
        ("shop", "web-0", "gone"): 3,
        ("shop", "web-1", "gone"): 3,
        ("shop", "overflow", "gone"): 9,
    }
    assert metrics.overflow.counted.total() == 9


def test_as_many_pairs_of_services_as_allowed(monkeypatch):
    monkeypatch.setattr(counters, "MAX_EDGES", 2)
    metrics = Metrics()
    for name in "abab":
        metrics.count_edge(Service("shop", name), WEB, failed=name == "a")
    assert [(edge.requests, edge.errors) for edge in metrics.edges.values()] == [(2, 2), (2, 0)]
    for service in (WEB, None, Service("shop", "cart"), WEB):
        metrics.count_edge(Service("shop", "c"), service, failed=service == WEB)
    shared = {key: (edge.requests, edge.errors) for key, edge in [*metrics.edges.items()][2:]}
    assert shared == {
        ("", "overflow", "shop", "web"): (2, 2),
        ("", "overflow", "", ""): (1, 0),
        ("", "overflow", "shop", "overflow"): (1, 0),
    }
