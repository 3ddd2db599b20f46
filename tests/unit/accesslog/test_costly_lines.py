"""No text, whoever wrote it, is costly to read: the time to read a line grows with its length, not with its square."""

import time
from functools import partial

import pytest

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.profiles import PROFILES, profile_formats
from tests.unit.accesslog.nginx_log import INGRESS_JSON, State, render, upstream_lists

LENGTH = 32 * 1024
LIMIT = 0.25
"""Seconds. The costliest of these lines take a third of it on a busy machine; with the square, it would be many."""
UNITS = [
    *(b"a, ", b"a : ", b": ", b" : ", b"1, ", b"1 ", b"200 : ", b"200, ", b"- ", b" ", b"a", b", ", b"[", b"] [", b'"'),
    *(b'" "', b"\\", b'\\"', b"\\x22", b"/", b"?", b'","', b'" 200 1 "', b"\t", b"1 1, ", b"a, a a : a ", b"1.0 "),
    *(b" [22/Nov/2026:23:18:31 +0000]", b"1.1.1.1:80 5 0.1 200 ", b" up=a, ", b" up=a st=1 ", b" up:a, ", b"\tup:a, "),
    *(b"up:a, ", b"up=a, ", b"up:1, ", b"a-", b"-", b" a-a-", b"[::1]:80, ", b"[[::1]:80, ", b"a|", b" 1.1.1.1 ", b":"),
    *(b" HTTP/1.1", b"HTTP/1.1 ", b"a:1.1.1.1 ", b" 1 - ", b"a - 1, ", b"TLSv1.3/A ", b"a/", b"|", b"-|", b"1:"),
]
FORMATS = [
    INGRESS_NGINX,
    f"escape=none {INGRESS_NGINX}",
    f"escape=json {INGRESS_JSON}",
    f"escape=none {INGRESS_JSON}",
    '$remote_user $upstream_addr $upstream_status $upstream_response_time "$request"',
    "$req_id up=$upstream_addr st=$upstream_status $request",
    "$req_id up:$upstream_addr st:$upstream_status",
    "$time_iso8601\tua:$http_user_agent\tup:$upstream_addr\tst:$upstream_status\tid:$req_id",
    "$time_iso8601 $scheme://$host$request_uri $status $upstream_addr",
    "$remote_user $http_user_agent $req_id $upstream_addr $upstream_response_time",
    '$http_host $request_time $remote_user [$time_local] "$request" $status $upstream_addr $upstream_status',
    "$http_user_agent $host $upstream_addr $req_id",
    "$http_user_agent|$host|$request_method|$req_id|$upstream_addr|$upstream_status|$http_host",
    "$req_id $namespace-$ingress_name-$status $http_user_agent $upstream_addr/$upstream_status $request",
    "$req_id [$upstream_addr] $upstream_status $request_length - $host",
    "$req_id $server_protocol $http_user_agent $ssl_protocol/$ssl_cipher $host $upstream_addr",
    "escape=none $req_id $proxy_host:$remote_addr $http_user_agent [$upstream_addr $upstream_status] $host-$request",
    "$scheme://$host$request_uri|$status|$upstream_addr",
    "$req_id $namespace-$service_port $http_user_agent $upstream_addr",
    "$http_user_agent $server_name:$remote_addr:$server_port $upstream_addr",
]
CONFIGURED = tuple(map(compile_format, FORMATS))
ALL_PROFILES = tuple(log_format for name in PROFILES for log_format in profile_formats(name))
TEXTS = ("remote_user", "request", "http_user_agent", "req_id", "host", "request_uri", "namespace", "server_name")


def seconds(work, line):
    """Of this thread's own work: the machine may be busy."""
    best = 100.0
    for _ in range(3):
        began = time.thread_time()
        work(line)
        best = min(best, time.thread_time() - began)
        if best < LIMIT / 2:
            break
    return best


@pytest.mark.parametrize("format_", FORMATS)
def test_access_lines(ordinary_values, format_):
    compiled = compile_format(format_)
    values = ordinary_values | upstream_lists([State(b"10.0.0.1:80", 200, 100, 5)])
    for unit in UNITS:
        text = unit * (LENGTH // len(unit))
        lines = [text]
        for name in set(TEXTS) & set(compiled.names):
            line = render(compiled.text, values | {name: text}, "none")
            lines += [line, line[: LENGTH * 2 // 3], line + b'"']
        for line in lines:
            assert seconds(compiled.parse, line) < LIMIT, line[:300]


@pytest.mark.parametrize(
    "head",
    [
        b"2026/11/22 23:18:31 [error] 29#29: *5 ",
        b'2026/11/22 23:18:31 [error] 29#29: *5 x, client: a, server: b, request: "',
        b'2026/11/22 23:18:31 [error] 29#29: *5 x, client: a, server: b, request: "GET /", upstream: "http://',
        b"[",
        b"I1122 23:18:31.1 1 a:1] ",
        *(b"<13>", b"haproxy[1]: ", b"Server a/b ", b"main.", b"time=x ", b'level=info msg="', b"2026-11-22 23:18:31 "),
        *(b"10.0.0.1:80 [22/Nov/2026:23:18:31.000] a/b: X", b'{"level":"', b"\x1b["),
    ],
)
def test_error_lines(head):
    units = [
        b', client: a, server: b, request: "',
        b', upstream: "http://a/"',
        b', upstream: "unix:',
        b', host: "',
        b'"',
        *(b"a.", b"a ", b"/", b"1/", b"\\", b"[", b"(", b"{", b"[a] ", b"\x1b[1;", b"\x1b[m", b"x/x: ", b'":{"a'),
    ]
    for unit in units + UNITS:
        line = head + unit * (LENGTH // len(unit))
        assert seconds(parse_error_line, line) < LIMIT, unit
        for formats in (ALL_PROFILES, CONFIGURED):
            assert seconds(partial(is_other_line, formats=formats), line) < LIMIT, unit


def test_a_line_of_a_mebibyte(ordinary_values):
    compiled = compile_format(INGRESS_NGINX)
    values = ordinary_values | upstream_lists([State(b"10.0.0.1:80", 200, 100, 5)])
    line = render(INGRESS_NGINX, values).replace(b"curl/8", b"x" * (1 << 20))
    assert seconds(compiled.parse, line) < LIMIT
    assert compiled.parse(line).fields["http_user_agent"] == "x" * (1 << 20)
    assert seconds(compiled.parse, line[: 1 << 20]) < LIMIT


@pytest.mark.parametrize("unit", [b"200 : ", b": ", b'"', b" "])
def test_a_request_id_of_a_mebibyte_with_a_quote_that_nginx_would_not_write(ordinary_values, unit):
    compiled = compile_format(INGRESS_NGINX)
    line = render(
        INGRESS_NGINX, ordinary_values | upstream_lists([State(b"10.0.0.1:80", 200, 100, 5)]) | {"req_id": b": "}
    )
    assert seconds(compiled.parse, line + unit * ((1 << 20) // len(unit)) + b'"') < 10 * LIMIT
