"""Requests as clients saw them: counted under the right service, however many series there are, and not for ever."""

from collections import Counter

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.counters import EXPIRY, OTHER_CODE, OVERFLOW, Metrics
from enricher.timestamps import SECOND
from tests.unit.metrics.test_series import rendered

WEB = Service("shop", "web")


def test_a_request_is_a_series_of_its_labels():
    metrics = Metrics()
    metrics.count_requests(WEB, "503", reason="no_endpoints", route="GET /", gateway="infra/main", requests=3)
    metrics.count_requests(WEB, "503", reason="no_endpoints", route="GET /", gateway="infra/main")
    metrics.count_requests(None, "")
    found = {pairs: value for (name, pairs), value in rendered(metrics).items() if name == "ingress_requests_total"}
    names = ("namespace", "service", "route", "code", "reason", "gateway")
    assert [(tuple(dict(pairs)[name] for name in names), value) for pairs, value in found.items()] == [
        (("shop", "web", "GET /", "503", "no_endpoints", "infra/main"), 4),
        (("",) * 6, 1),
    ]


@pytest.mark.parametrize("code", ["", "100", "499", "599"])
def test_a_known_code_is_counted_as_it_is(code):
    metrics = Metrics()
    metrics.count_requests(WEB, code)
    assert [key[3] for key in metrics.requests] == [code]


@pytest.mark.parametrize("code", ["99", "600", "1000", "-1", "20x", "200 ", "UNAVAILABLE", "9" * 18, "２００"])
def test_unusual_codes_share_a_series(code):
    metrics = Metrics()
    metrics.count_requests(WEB, code)
    assert [key[3] for key in metrics.requests] == [OTHER_CODE]


services = st.builds(Service, st.sampled_from("ab"), st.sampled_from("xyz")) | st.none()
requests = st.tuples(services, st.sampled_from(["200", "503"]), st.sampled_from(["", "r1", "r2"]), st.integers(1, 5))


@given(st.lists(requests, max_size=60), st.integers(1, 8))
def test_what_has_no_series_of_its_own_is_counted_under_its_service(counted, limit):
    metrics, expected = Metrics(max_series=limit), Counter()
    for service, code, route, number in counted:
        metrics.count_requests(service, code, route=route, requests=number)
        expected[service or ("", ""), code] += number
    # A quarter more of no service; one of a namespace, two codes of others beyond the limit.
    assert len(metrics.requests) <= 2 * limit + -(-limit // 4) + 1 + 2
    actual, shared = Counter(), 0
    for key, series in metrics.requests.items():
        actual[key[:2], key[3]] += series.requests
        shared += series.requests if key[2] == OVERFLOW else 0
    assert metrics.overflow.counted.total() == shared
    beyond = sum(number for (service, _), number in actual.items() if service[1] == OVERFLOW)
    event(f"beyond: {beyond > 0}, shared: {shared > 0}")
    assert actual.total() == expected.total()
    for (service, code), number in actual.items():
        assert service[1] == OVERFLOW or number <= expected[service, code]
    if not beyond:
        assert actual == expected


attempts = st.tuples(services, st.integers(0, 5), st.sampled_from([200, 503]))


@given(st.lists(attempts, max_size=60), st.integers(6, 8))
def test_pods_beyond_the_limit_are_counted_under_their_service(counted, limit):
    metrics, expected, errors = Metrics(max_series=limit), Counter(), Counter()
    for service, pod, status in counted:
        owner = Owner(service.namespace, f"p{pod}", "uid", "n") if service else None
        attempt = Attempt("10.0.0.1:80", status, SECOND, 5)
        metrics.count_attempt(Attribution("exact", owner, service), attempt, retried=False, origin="pod")
        expected[service or ("", "")] += 1
        errors[service or ("", "")] += status == 503
    overflow = metrics.overflow
    event(f"overflowed: {overflow.counted.total() > 0}, dropped: {overflow.dropped.total() > 0}")
    by_service, errors_by_service = Counter(), Counter()
    for key, series in metrics.pods.items():
        by_service[key[:2]] += series.requests
        errors_by_service[key[:2]] += series.errors.total()
    assert by_service <= expected
    assert errors_by_service <= errors
    if not overflow.dropped:
        assert by_service == expected
        assert errors_by_service == errors
    assert len(metrics.pods) <= 2 * limit


def test_more_services_than_series_are_counted_together():
    metrics = Metrics(max_series=2)
    for n in range(9):
        owner = Owner("shop", f"p-{n}", "uid", "n")
        attribution = Attribution("exact", owner, Service("shop", f"s-{n}"))
        metrics.count_attempt(attribution, Attempt("10.0.0.1:80", 200, SECOND, 5), retried=False, origin="")
    found = {key: series.requests for key, series in metrics.pods.items()}
    own = {("shop", f"s-{n}", f"p-{n}", "n"): 1 for n in (0, 1)}
    assert found == own | {("shop", f"s-{n}", OVERFLOW, ""): 1 for n in (2, 3)} | {("shop", OVERFLOW, OVERFLOW, ""): 5}
    assert metrics.overflow.counted == {"shop": 8}  # the second service has no histogram of its own


@pytest.mark.parametrize(("age", "expired"), [(EXPIRY, False), (EXPIRY + 1, True)])
def test_requests_expire_and_make_room(age, expired):
    now = EXPIRY
    metrics = Metrics(lambda: now, max_series=1)
    for route in ("a", "b"):
        metrics.count_requests(WEB, "200", route=route)
    assert [key[2] for key in metrics.requests] == ["a", OVERFLOW]
    now += age
    metrics.expire({("shop", "web-1")})
    assert (not metrics.requests) == expired
    metrics.count_requests(WEB, "200", route="c")
    assert ("shop", "web", "c", "200", "", "") in metrics.requests


def test_a_shared_series_that_expired_makes_room_for_another_service():
    now = 0
    metrics = Metrics(lambda: now, max_series=1)
    for name in "abc":
        metrics.count_requests(Service("shop", name), "200")
    assert [key[1] for key in metrics.requests] == ["a", "b", OVERFLOW]
    now += EXPIRY
    metrics.count_requests(Service("shop", "a"), "200")
    now += 1
    metrics.expire(set())
    for name in "cd":
        metrics.count_requests(Service("shop", name), "200")
    assert [key[1:3] for key in metrics.requests] == [("a", ""), ("c", OVERFLOW), (OVERFLOW, OVERFLOW)]
