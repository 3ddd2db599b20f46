"""With unquoted texts on both sides of what counts, a client can write all of it once more: that is not believed."""

import pytest

from enricher.accesslog.detection import AMBIGUOUS, FormatTimeline
from enricher.accesslog.nginx import compile_format

BRACKETS = (
    "[$time_local] [$remote_addr] [$request] [$status] [$upstream_addr] [$upstream_status] [$upstream_response_time] "
    "[$http_user_agent]"
)
LOGFMT = "path=$request_uri status=$status upstream=$upstream_addr ust=$upstream_status ua=$http_user_agent"
TIME = "[22/Nov/2026:23:18:31 +0000]"


@pytest.mark.parametrize(
    ("format_", "honest", "forged"),
    [
        (
            BRACKETS,
            f"{TIME} [192.0.2.7] [GET / HTTP/1.1] [502] [10.0.0.1:80, 10.0.0.3:80] [502, 502] [0.001, 0.001] [curl]",
            f"{TIME} [192.0.2.7] [GET / HTTP/1.1] [200] [10.0.0.1:80] [200] [0.001] "
            "[x] [200] [10.0.0.2:80] [500] [0.001] [y]",
        ),
        (
            LOGFMT,
            "path=/a?b=c status=200 upstream=10.0.0.1:80 ust=200 ua=curl/8 (a b)",
            "path=/ status=200 upstream=10.0.0.1:80 ust=200 ua=x status=200 upstream=10.0.0.2:80 ust=500 ua=y",
        ),
        (
            "$http_x [$time_local] $upstream_addr $upstream_status $http_y",
            f"a b {TIME} 10.0.0.1:80 200 c d",
            f"a {TIME} 10.0.0.1:80 200 c [22/Nov/2026:23:00:00 +0000] 10.0.0.2:80 500 d",
        ),
        (
            'escape=none "$request" $status $upstream_addr $upstream_status $req_id',
            '"GET /" 200 10.0.0.1:80 200 id',
            '"GET /" 200 10.0.0.1:80 200 x" 200 10.0.0.2:80 500 y',
        ),
    ],
)
def test_a_record_within_a_record(format_, honest, forged):
    compiled = compile_format(format_)
    assert [a.addr for a in compiled.parse(honest.encode()).attempts][:1] == ["10.0.0.1:80"]
    assert compiled.parse(forged.encode()) is None


@pytest.mark.parametrize(
    ("format_", "line", "addrs"),
    [
        ("$status $upstream_addr $http_user_agent", "200 10.0.0.1:80 : 10.0.0.2:80 x", None),
        ("$status $upstream_addr $http_user_agent", "200 10.0.0.1:80, 10.0.0.2:80 x", ["10.0.0.1:80", "10.0.0.2:80"]),
        ("$http_user_agent $upstream_addr $status", "x 10.0.0.2:80, 10.0.0.1:80 200", None),
        ("$http_user_agent $upstream_addr $status", "a x, 10.0.0.1:80 200", None),
        ("$http_x $host $upstream_addr", "a b [c, 10.0.0.1:80", ["10.0.0.1:80"]),  # nginx has no such address
        ("$http_x $host $upstream_addr", "a b c, 10.0.0.1:80", None),
        ("$http_x $host $upstream_addr", "a b 10.0.0.2:80, 10.0.0.1:80", ["10.0.0.2:80", "10.0.0.1:80"]),
        ("$http_x $host $upstream_addr", "a c, 10.0.0.1:80", ["10.0.0.1:80"]),
    ],
)
def test_a_list_without_another_to_compare_it_with(format_, line, addrs):
    record = compile_format(format_).parse(line.encode())
    assert (record and [attempt.addr for attempt in record.attempts]) == addrs
    assert FormatTimeline((compile_format(format_),)).explain(line.encode(), None) == AMBIGUOUS


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        (
            '$http_x_forwarded_for - $remote_user [$time_local] "$request" $status $upstream_addr $upstream_status',
            f'1.2.3.4 - - {TIME} "GET / HTTP/1.1" 200 10.0.0.1:80 200',
        ),
        (
            '$the_real_ip - [$the_real_ip] - $remote_user [$time_local] "$request" $status $upstream_addr',
            f'1.2.3.4 - [1.2.3.4] - - {TIME} "GET / HTTP/1.1" 200 10.0.0.1:80',
        ),
        ("$upstream_addr $upstream_status $host $http_a $http_b", "10.0.0.1:80 200 shop a b"),
        (
            "$remote_user|$time_local|$http_referer|$http_user_agent|$upstream_addr|$upstream_status",
            "-|22/Nov/2026:23:18:31 +0000|-|-|10.0.0.1:80|200",
        ),
        (
            "$time_iso8601;$status;$upstream_addr;$upstream_status;$request_time;$http_user_agent",
            "2026-11-22T23:18:31+00:00;200;10.0.0.1:80;200;0.007;;;x",
        ),
        (
            '$time_iso8601 "$scheme://$host$request_uri" $status $upstream_addr',
            '2026-11-22T23:18:31+00:00 "http://shop-" 400 10.0.0.1:80',
        ),
        ("$http_x - $upstream_addr", "text - 10.0.0.1:80"),
    ],
)
def test_texts_side_by_side(format_, line):
    assert [a.addr for a in compile_format(format_).parse(line.encode()).attempts] == ["10.0.0.1:80"]


def test_text_beside_a_missing_list():
    assert compile_format("$http_x - $upstream_addr").parse(b"text - -").attempts == []


def test_a_format_of_several_lines_is_refused():
    with pytest.raises(ValueError, match="line break"):
        compile_format("$status\n$upstream_addr")
