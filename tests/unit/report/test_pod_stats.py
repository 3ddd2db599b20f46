"""Pods by what went wrong with them, over a window whose end is passed in."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from enricher.cli.upstreams import Upstreams
from enricher.report.pod_rows import SORT_KEYS, UNNAMED, sort_rows
from enricher.report.pod_stats import MAX_FAILED_REQUESTS, PodStats
from enricher.report.summary_table import print_summary
from enricher.timestamps import SECOND, format_rfc3339

T = 1_800_000_000 * SECOND


def record(at, *attempts, status=200, **more):
    """Each attempt is (pod, status, seconds), and names more of it if it likes."""
    tried = []
    for pod, code, took, *extra in attempts:
        failed = code >= 500 or (extra and "grpc_status" in extra[0])
        outcome = {"outcome": "hidden" if status < 500 else "seen"} if failed else {}
        one = outcome | {"addr": "10.0.0.1:80", "status": code, "response_time": took, "attribution": "exact"}
        names = {"namespace": "shop", "service": "web", "pod": pod} if pod else {}
        tried.append(one | names | (extra[0] if extra else {}))
    time = None if at is None else format_rfc3339(T + round(at * SECOND))
    base = {"time": time, "kind": "access", "status": status, "request": "GET / HTTP/1.1", "remote_addr": "192.0.2.7"}
    base["upstream_status"] = ", ".join(str(attempt["status"]) for attempt in tried)
    return base | {"attempts": tried} | more


def ranking(*records, window=60, whole=True):
    made = PodStats(window, window_is_covered=whole)
    for one in records:
        made.add(one)
    return made


def rows(made, at=0, sort="errors", text=""):
    return {row.key[2]: row for row in sort_rows(made.rows(T + at * SECOND), SORT_KEYS[sort], text)}


def test_what_is_hidden_is_what_the_client_did_not_see():
    made = ranking(
        record(0, ("a", 502, 0.001), ("b", 200, 0.002)),
        record(0, ("a", 502, 0.001), ("b", 502, 0.002), status=502),
        record(0, ("b", 200, 0.002, {"grpc_status": "INTERNAL", "outcome": "seen"})),
        record(0, ("c", 200, 0.002, {"reason": "premature_close"})),
    )
    found = {pod: (row.attempts, row.errors, row.hidden) for pod, row in rows(made).items()}
    assert found == {"a": (2, 2, 1), "b": (3, 2, 0), "c": (1, 0, 0)}
    assert rows(made)["b"].error_share == pytest.approx(2 / 3)
    assert [line.outcome for line in made.failed_requests(("shop", "web", "b"))] == ["200 INTERNAL", "502"]
    assert made.failed_requests(("shop", "web", "b"))[1][:-1] == (
        "08:00:00.000",
        "192.0.2.7",
        "GET /",
        "502",
        "502",
        "",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("upstream_status", "outcomes", "hidden"),
    [
        ("502", ["seen"], 0),
        ("502", ["unknown"], None),
        ("502", ["unknown", "hidden"], 1),
        (502, ["seen"], None),
        (None, ["seen", "seen"], None),
        (None, [], None),
    ],
)
def test_hidden_is_not_known_where_a_log_does_not_tell(upstream_status, outcomes, hidden):
    made = ranking(
        record(0, ("a", 200, 0.1), upstream_status=upstream_status),
        *[record(0, ("a", 502, 0.1, {"outcome": outcome}), upstream_status=upstream_status) for outcome in outcomes],
    )
    assert rows(made)["a"].hidden == hidden
    print_summary(made, Console(file=(out := io.StringIO()), width=160))
    assert ("?" in out.getvalue()) == (hidden is None)


def test_a_pod_that_sent_error_pages_is_below_the_pods_that_failed():
    page = ("errors-1", 503, 0.1, {"internal_redirect": True})
    made = ranking(record(0, ("web-1", 503, 0.1), page), record(0, ("web-2", 503, 0.1), page))
    assert list(rows(made)) == ["web-1", "web-2", "errors-1"]
    assert rows(made)["errors-1"].errors == 2
    print_summary(made, Console(file=(out := io.StringIO()), width=160))
    assert re.findall(r"(?:web|errors)-\d", out.getvalue()) == ["web-1", "web-2", "errors-1"]


def untried(at, reason, status=503, **names):
    names = {"namespace": "shop", "service": "web"} | names
    return record(at, status=status, reason=reason, origin="proxy", **names)


def test_requests_that_no_pod_was_tried_for_have_rows_of_their_own():
    made = ranking(
        *[untried(0, "no_endpoints", request=f"GET /{n} HTTP/1.1") for n in range(6)],
        untried(0, "not_tried", 502),
        untried(0, "not_tried", namespace=None, service=None),
        record(0, (None, 200, 0.1, {"attribution": "unknown", "namespace": "shop", "service": "web"})),
        record(0, status=404),
        {"kind": "error", "time": None, "reason": "no_live_upstreams", "message": "", "namespace": "shop"},
    )
    found = {row.key: row for row in made.rows(T)}
    assert {key: (row.attempts, dict(row.errors_by_code), row.hidden, row.grade) for key, row in found.items()} == {
        ("shop", "web", f"{UNNAMED} no_endpoints"): (0, {"503": 6}, 0, None),
        ("shop", "web", f"{UNNAMED} not_tried"): (0, {"502": 1}, 0, None),
        (UNNAMED, UNNAMED, f"{UNNAMED} not_tried"): (0, {"503": 1}, 0, None),
        ("shop", "web", UNNAMED): (1, {}, 0, "unknown"),
    }
    down = found["shop", "web", f"{UNNAMED} no_endpoints"]
    assert (down.error_share, down.rate, down.sure_percent) == (1, 6 / 60, None)
    [latest, *_] = made.failed_requests(down.key)
    assert (latest.request, latest.outcome, latest.status) == ("GET /5", "503 no_endpoints", "503")
    print_summary(made, Console(file=(out := io.StringIO()), width=160))
    assert re.search(rf" 0 +6 +0 +shop +web +{UNNAMED} no_endpoints\n +503:6; 6 no_endpoints;", out.getvalue())
    assert "1 attempt: 1 unknown" in out.getvalue()
    assert not made.rows(T + 60 * SECOND)


def test_a_down_service_of_another_namespace_is_not_looked_at():
    made = PodStats(60, included=Upstreams("shop").include)
    made.add(untried(0, "no_endpoints", namespace="other"))
    made.add(untried(0, "no_endpoints"))
    assert [row.key[0] for row in made.rows(T)] == ["shop"]


def test_a_namespace_is_looked_at_alone():
    made = PodStats(60, included=Upstreams("shop").include)
    made.add(record(0, ("a", 502, 0.001, {"namespace": "other"}), (None, 502, 0.001), ("b", 200, 0.002)))
    assert {pod: row.attempts for pod, row in rows(made).items()} == {"b": 1}


def test_what_the_window_has_left_behind_is_forgotten():
    made = ranking(record(0, ("a", 502, 0.1)), record(30, ("a", 200, 0.1)), record(59, ("b", 200, 0.1)))
    assert {pod: row.attempts for pod, row in rows(made, 59).items()} == {"a": 2, "b": 1}
    assert {pod: (row.attempts, row.errors) for pod, row in rows(made, 60).items()} == {"a": (1, 0), "b": (1, 0)}
    assert list(rows(made, 100)) == ["b"]
    assert not rows(made, 119)
    assert not made.failed_requests(("shop", "web", "a"))


def test_a_clock_that_is_ahead_of_ours_hides_nothing():
    assert list(rows(ranking(record(5, ("a", 200, 0.1))), 0)) == ["a"]


def test_a_minute_of_a_clock_that_is_ahead_of_ours_is_a_minute():
    made = PodStats(60)
    for n in range(200):
        made.add(record(600 + n, ("a", 503, 0.1)))
        row = rows(made, n)["a"]
        assert (row.attempts, row.errors) == (min(n + 1, 60),) * 2
    assert not rows(made, 260)


def test_what_was_counted_before_our_clock_was_set_back_is_left_behind_too():
    made = ranking(*[record(n, ("a", 200, 0.1)) for n in range(4000, 4060)])
    assert rows(made, 4059)["a"].attempts == 60
    assert rows(made, 0)["a"].attempts == 60
    assert not rows(made, 60)


@pytest.mark.parametrize("window", [None, 60])
def test_rates_are_of_the_time_since_the_first_line_that_has_one(window):
    banner = {"kind": "other", "time": None, "message": "a banner"}
    made = ranking(banner, *[record(n, ("a", 200, 0.1)) for n in range(10)], window=window, whole=False)
    assert rows(made, 9)["a"].rate == pytest.approx(10 / 9)


def test_rates():
    times = [record(n, ("a", 200, 0.1)) for n in range(10)]
    assert rows(ranking(*times), 9)["a"].rate == pytest.approx(10 / 60)
    assert rows(ranking(*times, whole=False), 9)["a"].rate == pytest.approx(10 / 9)
    assert rows(ranking(*times, window=None))["a"].rate == pytest.approx(10 / 9)
    assert rows(ranking(record(0, ("a", 200, 0.1)), whole=False), 0)["a"].rate == 1


def test_a_line_without_a_time_counts_as_the_newest():
    made = ranking(record(10, ("a", 200, 0.1)), record(None, ("b", 200, 0.1)))
    assert set(rows(made, 69)) == {"a", "b"}
    assert not rows(made, 70)


def test_the_worst_grade_and_who_cannot_be_named():
    made = ranking(
        record(0, ("a", 200, 0.1), ("a", 200, 0.1, {"attribution": "assumed"})),
        record(0, (None, 200, None, {"attribution": "unknown"})),
    )
    assert {pod: row.grade for pod, row in rows(made).items()} == {"a": "assumed", UNNAMED: "unknown"}
    assert {pod: row.sure_percent for pod, row in rows(made).items()} == {"a": 50, UNNAMED: 0}
    assert rows(made)[UNNAMED].p50 is None


@pytest.mark.parametrize(
    ("grades", "percent"),
    [(["exact"], 100), (["reported"], 100), (["exact"] * 999 + ["grace"], 99), (["service", "ambiguous"], 0)],
)
def test_a_single_guess_leaves_less_than_100(grades, percent):
    made = ranking(*[record(0, ("a", 200, 0.1, {"attribution": grade})) for grade in grades])
    assert rows(made)["a"].sure_percent == percent


@pytest.mark.parametrize(
    ("sort", "first"),
    [("errors", "often"), ("error share", "always"), ("hidden", "hidden"), ("requests", "busy"), ("p99", "slow")],
)
def test_sorts(sort, first):
    made = ranking(
        *[record(0, ("often", 503, 0.1), status=503) for _ in range(9)],
        *[record(0, ("often", 200, 0.1)) for _ in range(2)],
        record(0, ("always", 503, 0.1)),
        *[record(0, ("hidden", 502, 0.1), ("busy", 200, 0.1)) for _ in range(5)],
        *[record(0, ("busy", 200, 0.1)) for _ in range(50)],
        record(0, ("hidden", 200, 0.1)),
        record(0, ("slow", 200, 3.0)),
    )
    assert set(SORT_KEYS) == {"errors", "error share", "hidden", "requests", "p99"}
    assert next(iter(rows(made, 0, sort))) == first


def test_the_filter_looks_at_all_names():
    made = ranking(record(0, ("a-1", 200, 0.1)), record(0, ("b-1", 200, 0.1, {"service": "pay"})))
    assert list(rows(made, 0, "errors", "pay")) == ["b-1"]
    assert list(rows(made, 0, "errors", "a-")) == ["a-1"]
    assert set(rows(made, 0, "errors", "shop")) == {"a-1", "b-1"}


def test_failures_are_kept_to_a_number():
    made = ranking(
        *[record(n / 10, ("a", 503, 0.1), request=f"GET /{n} HTTP/1.1") for n in range(3 * MAX_FAILED_REQUESTS)]
    )
    kept = [line.request for line in made.failed_requests(("shop", "web", "a"))]
    assert kept == [f"GET /{n}" for n in reversed(range(2 * MAX_FAILED_REQUESTS, 3 * MAX_FAILED_REQUESTS))]


def test_hostile_text_is_kept_escaped():
    made = ranking(record(0, ("a", 503, 0.1), request="GET /\x1b[2J HTTP/1.1", remote_addr="\x1b[H"))
    [line] = made.failed_requests(("shop", "web", "a"))
    assert (line.client, line.request) == (r"\x1b[H", r"GET /\x1b[2J")


def test_of_a_long_client_no_more_is_kept_than_is_shown():
    made = ranking(record(0, ("a", 503, 0.1), remote_addr="1.2.3.4, " * 100_000))
    [line] = made.failed_requests(("shop", "web", "a"))
    assert line.client == ("1.2.3.4, " * 100)[:60] + "…"


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200), st.sampled_from([None, 60]))
def test_percentiles_are_exact_to_the_millisecond(times, window):
    made = ranking(*[record(n % 7, ("a", 200, seconds)) for n, seconds in enumerate(times)], window=window)
    row = rows(made, 6)["a"]
    for percent, seconds in ((50, row.p50), (99, row.p99)):
        exact = sorted(times)[-(-len(times) * percent // 100) - 1]
        assert f"{seconds:.3f}" == f"{exact:.3f}"


def test_names_and_codes_are_kept_escaped():
    made = ranking(record(0, ("a\x1b[2J", 200, 0.1, {"grpc_status": "\x1b]0;", "service": "web\n"})))
    [row] = made.rows(T)
    assert row.key == ("shop", r"web\n", r"a\x1b[2J")
    assert dict(row.errors_by_code) == {r"\x1b]0;": 1}


def test_nothing_in_the_summary_moves_the_cursor():
    made = ranking(record(0, ("a\x1b[2J", 503, 0.1, {"namespace": "b\r"})), window=None)
    print_summary(made, Console(file=(out := io.StringIO()), width=160))
    assert r"b\r" in out.getvalue()
    assert r"a\x1b[2J" in out.getvalue()
    assert all(line.isprintable() for line in out.getvalue().splitlines())


def test_lines_that_come_late_count_when_their_requests_ended():
    """A proxy that flushes its log every 10 s is read after others, whose requests ended later."""
    late = [record(at, ("a", 503, 0.001), status=503) for at in (-9, -7.5, -0.2)]
    at_once = [record(at, ("a", 502, 0.001), status=502) for at in (-8, -5, 0)]
    made = ranking(*at_once, *late)
    requests = made.failed_requests(("shop", "web", "a"))
    assert [request.outcome for request in requests] == ["502", "503", "502", "503", "502", "503"]
    assert made.newest == T
    in_order = ranking(*sorted([*at_once, *late], key=lambda one: one["time"]))
    for at in (0, 50, 52, 52.4, 54, 59.5, 61):
        at_ns = T + round(at * SECOND)
        assert made.rows(at_ns) == in_order.rows(at_ns)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), st.sampled_from("abc")), max_size=60))
def test_rates_do_not_depend_on_the_order_of_lines(requests):
    """Each is (when it ended, how much later its line came, its pod)."""
    by_line = sorted(requests, key=lambda request: request[0] + request[1])
    made = ranking(*(record(at, (pod, 502, 0.001)) for at, _, pod in by_line))
    in_order = ranking(*(record(at, (pod, 502, 0.001)) for at, _, pod in sorted(requests)))
    assert rows(made, at=400) == rows(in_order, at=400)
