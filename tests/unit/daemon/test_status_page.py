"""The page says what there is, and nothing that comes from outside can be anything but text in it."""

import re
from base64 import b64encode
from collections import Counter
from dataclasses import fields, replace
from functools import partial
from hashlib import sha256
from html.parser import HTMLParser
from itertools import count

import pytest

from enricher.accesslog.record import ErrorLabels
from enricher.daemon.status.error_rates import MAX_KEYS, MINUTES
from enricher.daemon.status.failure_sections import sparkline
from enricher.daemon.status.failures import MAX_UNTRIED, failing_pods, untried_requests
from enricher.daemon.status.markup import MAX_CODES, MAX_TEXT
from enricher.daemon.status.model import MAX_SOURCES, ErrorCount, UntriedRequests, Watch, furthest_behind
from enricher.daemon.status.page import HEADERS, render
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.counters import Metrics
from enricher.metrics.pods import FailureLabels, PodSeries
from enricher.timestamps import MINUTE, SECOND
from tests.support.statuses import FAILING, OUT_OF_SYNC, POD, QUIET, UNTRIED

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Its elements, texts and tables; fails if one is closed that is not open."""

    def __init__(self, status, **options):
        super().__init__()
        self.source = render(status, **options).decode()
        self.elements, self.open, self.texts, self.rows = [], [], [], []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID and tag != "path":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return "".join(self.texts)

    def row(self, start):
        return next(row for row in self.rows if row[0].startswith(start))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_quiet_node():
    page = Page(QUIET)
    assert "no pod fails – Enricher on node-1" in page.text
    assert "No attempt failed in the last hour." in page.text
    assert "in sync; last event 12 s ago; restarts: closed 3" in page.text
    assert page.row("access")[1] == "1,234,567"
    assert page.row("parse_error")[1] == "0"
    assert page.row("exact")[1] == "7"
    assert "No problems." in page.text
    assert not page.all("svg")


def test_before_anything_was_found():
    nothing = replace(QUIET, node="", sources=0, followed=(), lines={}, watch=Watch("not_needed", {}, None))
    page = Page(nothing)
    assert "not needed yet: no log is followed" in page.text
    assert "No log has been found yet." in page.text
    assert "On this node" not in page.text
    assert (
        "On this node, 1 container looks like <b>"
        in Page(replace(nothing, suggestion="1 container looks like <b>")).text
    )


def test_a_failing_pod():
    page = Page(FAILING)
    assert "1 service had no pod, 2 pods fail – " in page.text
    assert page.row("web-1") == [
        *("web-1shop", "web", "node-1", "8 in the worst minute, 1 min ago", "12", "1,00099 % sure", "15", "9"),
        *("502 × 14 (proxy)503 × 1 (pod)", "refused × 14"),
    ]
    assert page.row("no pod could be named")[4] == "12"


def test_requests_that_no_pod_was_tried_for():
    page = Page(FAILING)
    assert page.row("down") == [
        *("downshop", "1,234", "2026-11-22 23:19:12 UTC", "no_endpoints", "no pod of the service was ready")
    ]
    assert [row for row in page.rows if row[0] == "no service is named"][-1][1:4] == [
        "3",
        "2026-11-22 23:19:10 UTC",
        "not_tried",
    ]
    assert "None failed in the last hour." in Page(QUIET).text
    many = (UNTRIED[0],) * MAX_UNTRIED
    assert f"These are the {MAX_UNTRIED} latest" in Page(replace(QUIET, untried=many)).text


def test_untried_requests_are_added_up_by_service_and_reason():
    metrics = Metrics(partial(next, count(-MINUTE, MINUTE)))
    for service, code, reason, route, number in [
        ("down", "503", "no_endpoints", "a", 2),
        ("up", "503", "not_tried", "", 1),
        ("up", "200", "", "", 9),
        ("down", "502", "no_endpoints", "b", 3),
    ]:
        metrics.count_requests(Service("shop", service), code, reason=reason, route=route, requests=number)
    minutes, none = [0] * MINUTES, (0,) * MINUTES
    minutes[-5], minutes[-2] = 2, 3
    assert untried_requests(metrics.requests, 4) == (
        UntriedRequests("shop", "down", "no_endpoints", 5, tuple(minutes), "1970-01-01T00:03:00Z"),
        UntriedRequests("shop", "up", "not_tried", 1, (*none[4:], 1, 0, 0, 0), "1970-01-01T00:01:00Z"),
    )
    assert [each.requests_per_minute for each in untried_requests(metrics.requests, 4 + MINUTES)] == [none] * 2
    for n in range(2 * MAX_UNTRIED):
        metrics.count_requests(Service("shop", f"s-{n}"), "503", reason="not_tried")
    assert len(untried_requests(metrics.requests, 0)) == MAX_UNTRIED


def test_untried_requests_of_one_namespace_leave_room_for_others():
    metrics = Metrics(partial(next, count(0, SECOND)))
    metrics.count_requests(Service("shop", "down"), "503", reason="no_endpoints")
    for n in range(2 * MAX_UNTRIED):
        metrics.count_requests(Service("evil", f"s-{n}"), "503", reason="not_tried")
    listed = untried_requests(metrics.requests, 0)
    assert len(listed) == MAX_UNTRIED
    assert [item.service for item in listed[:2]] == [f"s-{2 * MAX_UNTRIED - 1}", f"s-{2 * MAX_UNTRIED - 2}"]
    assert listed[-1].service == "down"


def test_rows_that_rest_on_no_guess_have_no_mark():
    page = Page(replace(FAILING, failing=(replace(POD, guesses=0),)))
    assert page.row("web-1")[5] == "1,000"


def test_what_is_not_known_is_not_0():
    page = Page(replace(FAILING, failing=(replace(POD, hidden=None),)))
    assert page.row("web-1")[7] == "not known"


def test_out_of_sync():
    page = Page(OUT_OF_SYNC)
    assert "not ready, 1 service had no pod, 2 pods fail" in page.text
    assert "No: the watch of endpointslices is out of sync: Connection refused" in page.text
    assert "3.0 MiB unread, last line read 2 min old" in page.text
    assert "Permission denied" in page.row("b")[3]
    assert page.row("truncation")[1] == "2"


@pytest.mark.parametrize(
    ("minutes", "result"),
    [
        ((0, 0, 5), "5 in the worst minute, now"),
        ((5, 0, 0), "5 in the worst minute, 2 min ago"),
        ((5000, 1, 0), "5,000 in the worst minute, 2 min ago; last 1 min ago"),
        ((3, 0, 1), "3 in the worst minute, 2 min ago; last now"),
    ],
)
def test_a_sparkline_in_words(minutes, result):
    assert f'aria-label="3 minutes: {result}"' in sparkline(minutes)


def test_a_sparklines_bars_stay_in_it():
    for n in range(1, 400, 7):
        bars = re.findall(r"M(\d+) 25v-([\d.]+)h2v[\d.]+z", sparkline([0] * 30 + [1, n] + [0] * 28))
        assert [x for x, _ in bars] == ["90", "93"]
        assert all(1.5 <= float(height) <= 24 for _, height in bars)


HOSTILE = "</td></title></style><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\u202e\udcff\0"


def hostile(value):
    """The same, with every text in it hostile."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return dict.fromkeys([HOSTILE], 7)
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    if hasattr(value, "__dataclass_fields__"):
        return replace(value, **{one.name: hostile(getattr(value, one.name)) for one in fields(value)})
    return value


def test_no_text_from_outside_is_anything_but_text():
    plain, page = Page(OUT_OF_SYNC), Page(hostile(OUT_OF_SYNC))
    allowed = {tag for tag, _ in plain.elements} | {"details", "summary"}
    assert {tag for tag, _ in page.elements} <= allowed
    assert page.text.count("<script>alert(1)</script>") > 20
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on")} | {"style", "src"} & set(attributes)
        if "datetime" in attributes:
            continue
        assert HOSTILE[:5] not in "".join(map(str, attributes.values())), tag


def test_what_is_long_or_many_is_bounded():
    kinds = tuple(ErrorCount(str(n), "http", "pod", 1, 0) for n in range(500))
    pod = replace(POD, pod="p" * 10_000, service="s" * 10_000, by_code=kinds, errors_per_minute=(9,) * MINUTES)
    source = replace(QUIET.followed[0], path="/" + "x" * 10_000, pod="", formats=("f" * 10_000,))
    many = replace(QUIET, failing=(pod,) * MAX_KEYS, followed=(source,) * MAX_SOURCES, sources=2000)
    page = Page(many)
    assert len(page.source) < 700_000
    assert f"These are the {MAX_KEYS} that failed most" in page.text
    assert "100 of 2,000 logs" in page.text
    assert "p" * MAX_TEXT + "…" in page.text
    assert "p" * (MAX_TEXT + 1) not in page.text
    assert f"and {500 - MAX_CODES} more" in page.text


@pytest.mark.parametrize("status", [QUIET, FAILING, OUT_OF_SYNC])
@pytest.mark.parametrize("refreshing", [False, True])
def test_how_it_is_built(status, refreshing):
    page = Page(status, refreshing=refreshing)
    assert [attributes["scope"] for attributes in page.all("th")]
    assert len(page.all("caption")) == len(page.all("table"))
    assert [tag for tag, _ in page.elements if tag in {"h1", "h2", "h3"}] == ["h1", *["h2"] * 6]
    assert not page.all("script")
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    refreshes = [attributes for attributes in page.all("meta") if attributes.get("http-equiv") == "refresh"]
    assert len(refreshes) == refreshing
    assert ("Stop refreshing" in page.text) == refreshing


def test_the_policy_allows_this_style_and_nothing_else():
    style = re.search(r"<style>(.*?)</style>", render(FAILING).decode(), re.DOTALL)[1]
    policy = HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "url(" not in style


def test_failing_pods_are_built_from_their_series():
    series = PodSeries(
        requests=20, guesses=5, failures=Counter({FailureLabels("refused", "ready"): 1, FailureLabels("refused"): 1})
    )
    series.errors.update({ErrorLabels("502", "true", "proxy", outcome="hidden"): 3})
    series.errors.update({ErrorLabels("502", "true", "proxy", outcome="seen"): 1})
    series.errors.update({ErrorLabels("UNAVAILABLE", "false", "pod", "grpc", "unknown"): 9})
    key, minutes = ("shop", "web", "web-1", "node-1"), (0,) * 58 + (6, 7)
    gone = ("shop", "web", "web-0", "node-1")
    series.hidden_minutes = {1000: 2, 940: 9, 998: 1}
    (result,) = failing_pods({gone: minutes, key: minutes}, {key: series}, 1000)
    assert (result.namespace, result.service, result.pod, result.node) == key
    assert (result.requests, result.guesses, result.errors) == (20, 5, 13)
    assert (result.hidden, result.errors_last_hour) == (3, 13)
    assert result.hidden_per_minute == (*[0] * 57, 1, 0, 2)
    del series.errors[ErrorLabels("502", "true", "proxy", outcome="hidden")]
    (unknown,) = failing_pods({key: minutes}, {key: series}, 1000)
    assert (unknown.hidden, unknown.hidden_per_minute) == (None, None)
    assert result.by_code == (
        ErrorCount("UNAVAILABLE", "grpc", "pod", 9, None),
        ErrorCount("502", "http", "proxy", 4, 3),
    )
    assert result.failures == {"refused": 2}


def test_failures_that_name_no_service_are_shown_with_each_of_the_pods_services():
    metrics = Metrics()
    owner = Owner("shop", "web-1", "uid", "node-1")
    for name, reason, number in [("web", "refused", 1), ("api", "timed_out", 2), (None, "refused", 3)]:
        service = Service("shop", name) if name else None
        for _ in range(number):
            metrics.count_failure(Attribution("exact", owner, service), reason)
    metrics.count_failure(Attribution("exact", owner._replace(pod="web-2"), None), "tls")
    metrics.count_failure(Attribution("unknown", None, None), "other")
    keys = [("shop", service, pod, "node-1") for service, pod in [("web", "web-1"), ("api", "web-1"), ("", "web-1")]]
    failing = failing_pods(dict.fromkeys([*keys, ("", "", "", "")], (1,)), metrics.pods, 0)
    assert [pod.failures for pod in failing] == [
        {"refused": 4},
        {"refused": 3, "timed_out": 2},
        {"refused": 3},
        {"other": 1},
    ]
    assert metrics.pods[keys[0]].failures == {FailureLabels("refused"): 1}, "the page changed what it shows"


def test_of_many_logs_those_in_trouble_and_furthest_behind_are_listed():
    one = QUIET.followed[0]
    many = [replace(one, path=f"/{n}", lag_bytes=n) for n in range(300)] + [replace(one, path="/x", problem="gone")]
    result = furthest_behind(many)
    assert len(result) == MAX_SOURCES
    assert [source.path for source in result[:3]] == ["/x", "/299", "/298"]
