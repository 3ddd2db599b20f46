"""However many pods and addresses a log names, a report stays bounded, and no namespace takes the rows of another."""

import pytest

from enricher.report import pod_stats, service_map
from enricher.report.pod_rows import UNNAMED
from enricher.report.pod_stats import PodStats
from enricher.report.service_map import ServiceMap
from enricher.timestamps import SECOND

LIMIT = 10


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(pod_stats, "MAX_PODS", LIMIT)
    monkeypatch.setattr(service_map, "MAX_CALLS", LIMIT)


def record(pod, namespace, *, service="web", second=0, **more):
    attempt = {"addr": f"{pod}:80", "status": 502, "response_time": 0.1, "attribution": "reported", "pod": pod}
    names = {"namespace": namespace, "service": service}
    attempts = [attempt | names]
    return {"kind": "access", "time": f"2026-11-27T10:00:{second:02}Z", "attempts": attempts} | names | more


def test_pods_have_rows_in_fair_shares():
    stats = PodStats(None)
    for n in range(100):
        stats.add(record(f"fake-{n}", "evil"))
    for n in range(4):
        stats.add(record(f"web-{n}", "shop"))
    rows = {row.key: row.errors for row in stats.rows(stats.newest)}
    assert [key[2] for key in rows if key[0] == "shop"] == [f"web-{n}" for n in range(4)]
    assert rows[UNNAMED, UNNAMED, "overflow"] == 94
    assert len(rows) == LIMIT + 1
    assert len(stats.failed_requests(("shop", "web", "web-0"))) == 1


def test_requests_without_a_pod_have_rows_in_fair_shares():
    stats = PodStats(None)
    for n in range(100):
        untried = {"attempts": [], "reason": "no_endpoints", "status": 503}
        stats.add(record("", "evil", service=f"s-{n}", **untried))
    stats.add(record("web-0", "shop"))
    assert len(rows := stats.rows(stats.newest)) == LIMIT + 1
    assert sum(row.errors for row in rows) == 101
    assert ("shop", "web", "web-0") in [row.key for row in rows]


def test_rows_that_left_the_window_make_room():
    stats = PodStats(10)
    for second in (0, 20, 40):
        for n in range(LIMIT):
            stats.add(record(f"web-{second}-{n}", "shop", second=second))
        assert {row.key[2] for row in stats.rows(stats.newest)} == {f"web-{second}-{n}" for n in range(LIMIT)}
        stats.expire(stats.newest + 10 * SECOND)


def test_a_map_is_bounded():
    calls = ServiceMap()
    for n in range(100):
        calls.add(record("fake", "evil", service=f"s-{n}"))
    for _ in range(2):
        calls.add(record("web", "shop"))
    assert len(calls.calls) == LIMIT + 1
    assert calls.calls["outside", "shop/web"].requests == 2
    assert calls.calls["overflow", "overflow"].requests == 91
