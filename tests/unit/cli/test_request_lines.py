"""`enricher tail`: what its lines look like, and that no client can write to the terminal with them."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.cli.line_filter import LineFilter
from enricher.cli.tail import format_lines, format_record
from enricher.cli.upstreams import Upstreams


def attempt(pod="web-1", status=200, **more):
    one = {"addr": "10.0.0.1:80", "status": status, "response_time": 0.001, "attribution": "exact"}
    return one | ({"pod": pod, "service": "web"} if pod else {}) | more


def record(*attempts, status=200, request="GET /a?b=c HTTP/1.1", **more):
    base = {"time": "2026-11-22T23:19:13.014592349Z", "kind": "access", "status": status, "request": request}
    last = attempts[-1] if attempts else {}
    names = {name: last[name] for name in ("pod", "service") if name in last}
    return base | {"request_time": 0.012, "attempts": list(attempts)} | names | more


REFUSED = attempt("web-1", 502, reason="refused", origin="proxy")
GOLDEN = [
    (record(attempt()), "23:19:13.014  200  GET /a?b=c  web-1  0.012s"),
    (
        record(REFUSED, attempt("web-2")),
        "23:19:13.014  200  GET /a?b=c  web-2  0.012s  502 web-1 refused → 200 web-2",
    ),
    (record(REFUSED, status=502), "23:19:13.014  502  GET /a?b=c  web-1  0.012s  502 web-1 refused"),
    (
        record(attempt(grpc_status="UNAVAILABLE"), request="POST /shop.Cart/Add HTTP/2.0"),
        "23:19:13.014  200  POST /shop.Cart/Add  web-1  0.012s  200 web-1 UNAVAILABLE",
    ),
    (record(attempt(attribution="assumed")), "23:19:13.014  200  GET /a?b=c  web-1 (assumed)  0.012s"),
    (
        record(attempt(None, attribution="unknown")),
        "23:19:13.014  200  GET /a?b=c  10.0.0.1:80 (unknown)  0.012s",
    ),
    (record(status=404), "23:19:13.014  404  GET /a?b=c  -  0.012s"),
    (
        record(attempt(status=None), status=None, request_time=None, time=None),
        "  -  GET /a?b=c  web-1  -",
    ),
    (record(attempt(), time="2026-11-22T23:19:13+02:00"), "23:19:13.000  200  GET /a?b=c  web-1  0.012s"),
    (
        record(attempt(), request=None, request_method="GET", request_uri="/x"),
        "23:19:13.014  200  GET /x  web-1  0.012s",
    ),
    (record(attempt(), request=""), "23:19:13.014  200  -  web-1  0.012s"),
    (
        record(attempt(), request=f"GET /{'x' * 500} HTTP/1.1"),
        f"23:19:13.014  200  GET /{'x' * 115}…  web-1  0.012s",
    ),
]


@pytest.mark.parametrize(("given_", "text"), GOLDEN)
def test_golden(given_, text):
    assert format_record(given_) == text


def test_colours():
    text = format_record(record(REFUSED, attempt("web-2")), coloured=True)
    assert "\x1b[32m200\x1b[0m" in text
    assert "\x1b[31m502 web-1 refused → 200 web-2\x1b[0m" in text
    assert "\x1b[31m503\x1b[0m" in format_record(record(status=503), coloured=True)
    assert re.sub(r"\x1b\[\d+m", "", text) == format_record(record(REFUSED, attempt("web-2")))


def test_other_kinds_have_no_line():
    assert format_record({"kind": "error", "time": None, "message": "x", "pod": "web-1"}) is None


@pytest.mark.parametrize(
    ("hostile", "printed"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("/a\n23:19:13.014  200  GET /forged", r"/a\n23:19:13.014  200  GET /forged"),
        ("\r\x9b31m", r"\r\x9b31m"),
        ("\u202eevil\u2066\u200b", r"\u202eevil\u2066\u200b"),
        ("/admin\u3164\u2800\ufe0f\u034f\uffa0", r"/admin\u3164\u2800\ufe0f\u034f\uffa0"),
        ("/grüße", "/grüße"),
        ("/हिन्दी", "/हिन्दी"),
    ],
)
def test_hostile_text_is_printed_and_not_obeyed(hostile, printed):
    text = format_record(
        record(attempt(addr=hostile, pod=None, attribution="unknown"), request=f"GET {hostile} HTTP/1.1")
    )
    assert text == f"23:19:13.014  200  GET {printed}  {printed} (unknown)  0.012s"


@given(st.text(), st.text(), st.text())
def test_whatever_a_client_writes_stays_on_one_line(request, addr, reason):
    hostile = record(attempt(None, addr=addr, attribution="unknown", reason=reason), request=request)
    assert format_record(hostile).isprintable()


def test_a_status_that_is_no_number_is_no_failure():
    assert format_lines(orjson.dumps(record(attempt(), status="1e30")), LineFilter(errors=True)) == b""


def test_hostile_text_is_escaped_in_json_too():
    line = orjson.dumps(record(attempt(), request="GET \x1b[2J HTTP/1.1")) + b"\n"
    out = format_lines(line, LineFilter(), as_json=True)
    assert out == line
    assert rb"GET \u001b[2J" in out
    assert out.decode().removesuffix("\n").isprintable()


GOOD, HIDDEN, NONE = record(attempt("web-2")), record(REFUSED, attempt("web-2")), record(status=503)
GRPC = record(attempt(grpc_status="INTERNAL"))
ERROR_LINE = {"kind": "error", "time": None, "message": "x", "pod": "web-1", "service": "web"}
SERVICE = record(attempt(None, namespace="shop", service="pay", candidates=[{"pod": "pay-1"}], attribution="service"))
ALL = [GOOD, HIDDEN, NONE, GRPC, ERROR_LINE, SERVICE]


@pytest.mark.parametrize(
    ("expected", "fitting"),
    [
        (LineFilter(), ALL),
        (LineFilter(errors=True), [HIDDEN, NONE, GRPC]),
        (LineFilter(pod="web-1"), [HIDDEN, GRPC, ERROR_LINE]),
        (LineFilter(pod="pay-*"), [SERVICE]),
        (LineFilter(pod="web-?", errors=True), [HIDDEN, GRPC]),
        (LineFilter(service="pay"), [SERVICE]),
        (LineFilter(service="pa"), []),
        (LineFilter(service="p*y"), [SERVICE]),
        (LineFilter(service="shop/p?y"), [SERVICE]),
        (LineFilter(service="other/pay"), []),
        (LineFilter(upstreams=Upstreams("shop")), [SERVICE]),
        (LineFilter(upstreams=Upstreams("other")), []),
    ],
)
def test_what_is_wanted(expected, fitting):
    data = b"".join(orjson.dumps(one) + b"\n" for one in ALL)
    assert format_lines(data, expected, as_json=True).splitlines() == [orjson.dumps(one) for one in fitting]
