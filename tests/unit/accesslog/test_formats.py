"""Formats as people write them, and what is said of one that can't be compiled."""

import pytest

from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.nginx import compile_format


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("", "no variable"),
        ("plain words", "no variable"),
        ("$status $", "character 9"),
        ("$status $-x", "character 9"),
        ("a ${status", "character 3"),
        ("$upstream_addr$http_a", "character 15"),
        ("$http_a$upstream_addr", "character 8"),
        ("$remote_addr$http_a", "character 13"),
        ("$upstream$addr", "character 10"),
        ("$status$body_bytes_sent", "character 8"),
        ("$status $upstream_addr$request_uri", "character 23"),
        ("$host$status", "character 6"),
        ("escape=html $status", "escape=html"),
        ("combined", "combined is the name of a format; give the format itself"),
        ("log_format x '$status", 'expected a word or ; at " \'$status"'),
        ("log_format x;", "no variable"),
        ("log_format a '$status';\nlog_format b '$host';", "several log_format directives (a, b): give one"),
        ("log_format x '$status' '$';", "character 8"),
    ],
)
def test_what_is_wrong_and_where(format_, message):
    with pytest.raises(LogFormatError) as error:
        compile_format(format_)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("format_", "line", "fields"),
    [
        ("$status", b"200", {"status": 200}),
        ("${status}ms", b"200ms", {"status": 200}),
        ("$status\n", b"200", {"status": 200}),
        ('escape=none $status "$request"', b'200 "a"b"', {"status": 200, "request": 'a"b'}),
        ("log_format main escape=json '$status' \" '$request'\";", b"200 'x'", {"status": 200, "request": "x"}),
        ("log_format x $remote_addr-$status;", b"::1-200", {"remote_addr": "::1", "status": 200}),
        ("log_format x ${status}-$host", b"200-a", {"status": 200, "host": "a"}),
        ("log_format x '$status' 'x';", b"200x", {"status": 200}),
        (
            "# the proxy's\nhttp {\n log_format x # with a pod\n  '$status'\n  # and\n \" $host;\";\n  access_log x; }",
            b"200 a;",
            {"status": 200, "host": "a"},
        ),
        ("server { log_format x '$status'; }", b"200", {"status": 200}),
        ("log_format tsv '$status\\t$request';", b"200\tx", {"status": 200, "request": "x"}),
        (
            '{\\"status\\": $status, \\"r\\": \\"$request\\"}',
            b'{"status": 200, "r": "x"}',
            {"status": 200, "request": "x"},
        ),
        ("$host$request_uri", b"a.b/c?d", {"host": "a.b", "request_uri": "/c?d"}),
        ("$host:$server_port$request_uri", b"a.b:80/c", {"host": "a.b", "server_port": 80, "request_uri": "/c"}),
        ("$uri$is_args$args", b"/a?b?c", {"uri": "/a", "is_args": "?", "args": "b?c"}),
        ("$uri$is_args$args", b"/a", {"uri": "/a", "is_args": "", "args": ""}),
        ("$http_a$http_b", b"x y", {"http_a_http_b": "x y"}),
        ("$a$b$http_c $status", b"x 200", {"a_b_http_c": "x", "status": 200}),
        ("$scheme$host$request_uri", b"httpa.b/c?d", {"scheme_host": "httpa.b", "request_uri": "/c?d"}),
        (
            '"$upstream_scheme://$upstream_host$upstream_uri"',
            b'"http://shop.example/cart"',
            {"upstream_scheme": "http", "upstream_host_upstream_uri": "shop.example/cart"},
        ),
        ("[$upstream_addr][$http_a]", b"[[fd00::1]:80][x][y]", {"upstream_addr": "[fd00::1]:80", "http_a": "x][y"}),
        ("[$upstream_addr][a:$status]", b"[10.0.0.1:80, b][a:5]", {"upstream_addr": "10.0.0.1:80, b", "status": 5}),
        ("$status $request $status", b"200 x 200", {"status": 200, "request": "x"}),
        (r"(.*) [$status] ^\d+$request.", b"(.*) [200] ^\\d+x.", {"status": 200, "request": "x"}),
        ("größe=$status", "größe=200".encode(), {"status": 200}),
        ("$statusé", "200é".encode(), {"status": 200}),
        ("\udcff$status", b"\xff200", {"status": 200}),
    ],
)
def test_what_is_read(format_, line, fields):
    assert compile_format(format_).parse(line).fields == fields


def test_literals_are_taken_literally():
    assert compile_format("a.c $status").parse(b"abc 200") is None
