"""Without `$upstream_status`, what the client got is the last attempt's result, and those before it were given up."""

import pytest

from enricher.accesslog.nginx import NGINX, NGINX_CLIENT_STATUS, NGINX_SESSIONS, compile_format
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.record import Attempt, ErrorLabels
from enricher.enrich.error_correlation import error_origin

A, B, C, PAGE = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.9:80"
GIVEN_UP = (None, True)
HTTP = compile_format('$remote_addr "$request" $status $request_time $upstream_response_time $upstream_addr')
JSON = compile_format('escape=json {"status":"$status","addr":"$upstream_addr","id":"$request_id"}')
SESSIONS = compile_format("[$remote_addr] [$time_local] $protocol $status $session_time $upstream_addr")
SESSION = "[192.0.2.7] [26/Nov/2026:10:01:42 +0000] TCP {} 3.004 {}"


@pytest.mark.parametrize(
    ("status", "addrs", "expected"),
    [
        ("200", A, [(200, False)]),
        ("503", A, [(503, False)]),
        ("502", f"{A}, {B}", [GIVEN_UP, (502, False)]),
        ("200", f"{A}, {B}, {C}", [GIVEN_UP, GIVEN_UP, (200, False)]),
        ("499", f"{A}, {B}", [GIVEN_UP, (499, False)]),
        ("502", "api", [(502, False)]),
        ("502", f"{A}, api", [GIVEN_UP, (502, False)]),
        ("404", "-", []),
        ("503", "-", []),
        ("000", A, [(None, False)]),
        ("-", f"{A}, {B}", [GIVEN_UP, (None, False)]),
        # After an internal redirect a 5xx is the first group's, and anything else may be either's.
        ("503", f"{A} : {PAGE}", [(503, False), (None, False)]),
        ("502", f"{A}, {B} : {PAGE}", [GIVEN_UP, (502, False), (None, False)]),
        ("200", f"{A} : {PAGE}", [(None, False), (200, False)]),
        ("200", f"{A}, {B} : {PAGE}", [GIVEN_UP, (None, False), (200, False)]),
        ("404", f"{A} : {PAGE}", [(None, False), (404, False)]),
        ("502", f"{A} : {B} : {PAGE}", [(502, False), (None, False), (None, False)]),
        ("200", f"{A} : {B}, {C} : {PAGE}", [(None, False), GIVEN_UP, (None, False), (200, False)]),
        ("502", f"{A} : ", [(502, False)]),
        ("502", f" : {PAGE}", [(502, False)]),
    ],
)
def test_statuses(status, addrs, expected):
    times = ", ".join(["0.001"] * len(expected)) or "-"
    for log_format, line in (
        (HTTP, f'192.0.2.7 "GET / HTTP/1.1" {status} 0.005 {times} {addrs}'),
        (JSON, f'{{"status":"{status}","addr":"{"" if addrs == "-" else addrs}","id":"x"}}'),
        (SESSIONS, SESSION.format(status, addrs)),
    ):
        record = log_format.parse(line.encode())
        assert [(attempt.status, attempt.given_up) for attempt in record.attempts] == expected
        assert record.status == (int(status) if status not in {"000", "-"} else None)


def test_an_attempt_that_was_given_up_failed_but_nobody_knows_how():
    first, second = HTTP.parse(f'192.0.2.7 "GET / HTTP/1.1" 200 0.005 0.001, 0.002 {A}, {B}'.encode()).attempts
    assert first == Attempt(A, None, 1_000_000, None, given_up=True)
    assert (first.failed, first.answered, error_origin(first)) == (True, False, "unknown")
    assert ErrorLabels.from_attempt(first, retried=True, origin="unknown")[:4] == ("unknown", "true", "unknown", "http")
    assert (second.failed, second.answered) == (False, True)


@pytest.mark.parametrize(
    ("status", "origins", "answered"),
    [("200", [""], True), ("502", ["proxy"], False), ("500", ["proxy"], False), ("503", ["proxy"], False)],
)
def test_a_pod_sends_no_status_in_a_session(status, origins, answered):
    attempts = SESSIONS.parse(SESSION.format(status, "10.0.0.7:5432").encode()).attempts
    assert [error_origin(attempt) for attempt in attempts] == origins
    assert attempts[0].answered is answered


def test_a_session_took_as_long_as_it_says():
    assert SESSIONS.parse(SESSION.format(200, "10.0.0.7:5432").encode()).duration == 3_004_000_000


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("$status $upstream_addr", NGINX_CLIENT_STATUS),
        ("$status $upstream_addr $upstream_status", NGINX),
        ("$upstream_addr", NGINX),
        ("$status $upstream_addr $session_time", NGINX_SESSIONS),
        ("$protocol $status $upstream_addr", NGINX_SESSIONS),
        ("$upstream_addr $session_time", NGINX),
    ],
)
def test_the_dialect_of_a_format(text, dialect):
    assert compile_format(text).dialect is dialect


@pytest.mark.parametrize("client", ["", "[192.0.2.7] "])
def test_sessions_in_the_controllers_default_format_are_no_requests(client):
    assert is_other_line(f"{client}[26/Nov/2026:10:01:42 +0000] TCP 502 0 0 0.004".encode())
