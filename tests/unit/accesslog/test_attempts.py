"""An attempt of a line: who answered it, whether it failed, and what is read of lists that are odd."""

import re

import pytest

from enricher.accesslog.record import Attempt, ErrorLabels, parse_attempts, parse_integer

ADDR = "10.0.0.1:80"


@pytest.mark.parametrize(
    ("status", "made_by", "answered"),
    [
        (200, "", True),
        (503, "", True),
        (499, "", False),
        (502, "", False),
        (504, "", False),
        (None, "", False),
        (502, "pod", True),
        (None, "pod", True),
        (503, "proxy", False),
        (200, "proxy", False),
        (200, "unknown", False),
    ],
)
def test_what_the_line_says_of_the_maker_counts_before_the_status(status, made_by, answered):
    assert Attempt(ADDR, status, 1, 5, made_by=made_by).answered is answered


@pytest.mark.parametrize(
    ("status", "grpc_status", "failed", "grpc_failed"),
    [
        (499, "", False, False),
        (500, "", True, False),
        (599, "", True, False),
        (600, "", False, False),
        (None, "", False, False),
        (200, "OK", False, False),
        (500, "OK", True, False),
        (200, "INTERNAL", True, True),
        (None, "INTERNAL", True, True),
    ],
)
def test_what_counts_as_an_error(status, grpc_status, failed, grpc_failed):
    attempt = Attempt(ADDR, status, 1, 5, grpc_status=grpc_status)
    assert (attempt.failed, attempt.grpc_failed) == (failed, grpc_failed)


def test_the_labels_of_an_error():
    http, grpc = (Attempt(ADDR, 503, 1, 5, grpc_status=status) for status in ("OK", "INTERNAL"))
    assert ErrorLabels.from_attempt(http, retried=True, origin="pod") == ("503", "true", "pod", "http", "unknown", "")
    assert ErrorLabels.from_attempt(grpc, retried=False, origin="") == ("INTERNAL", "false", "", "grpc", "unknown", "")


def test_lists_are_read_by_position():
    assert parse_attempts(b"a:1, b:2 :  : c:3", b"502, - :  : 200", b"0.001, - :  : 1", b"0, x :  : 7") == [
        Attempt("a:1", 502, 1_000_000, 0),
        Attempt("b:2", None, None, None),
        Attempt("c:3", 200, 1_000_000_000, 7, redirects=2),
    ]


@pytest.mark.parametrize(
    ("addrs", "redirects"),
    [
        (b"a:1", [0]),
        (b"a:1, b:2", [0, 0]),
        (b"a:1 : c:3", [0, 1]),
        (b"a:1, b:2 : c:3, d:4 : e:5", [0, 0, 1, 1, 2]),
        (b"a:1 : ", [0]),
        (b" : c:3", [1]),
        (b" :  : c:3", [2]),
    ],
)
@pytest.mark.parametrize("header_times", [b"", b"0.001"])
def test_internal_redirects_are_counted(addrs, redirects, header_times):
    attempts = parse_attempts(addrs, *[re.sub(rb"\w:\d", b"1", addrs)] * 3, header_times)
    assert [attempt.redirects for attempt in attempts] == redirects
    assert [attempt.redirects for attempt in parse_attempts(addrs, b"", b"", b"")] == redirects


@pytest.mark.parametrize("short", [b"", b"-", b"200"])
def test_a_list_that_is_too_short_says_nothing_of_the_rest(short):
    first, second = parse_attempts(b"a:1, b:2", short, b"0.1, 0.2", b"1, 2")
    assert first.status == (200 if short == b"200" else None)
    assert second == Attempt("b:2", None, 200_000_000, 2)


@pytest.mark.parametrize(
    ("header_times", "expected"),
    [(b"", [None, None]), (b"0.001, -", [True, False]), (b"0.001", [True, False]), (b"-", [False, False])],
)
def test_only_a_format_with_header_times_says_whether_a_header_came(header_times, expected):
    attempts = parse_attempts(b"a:1, b:2", b"502, 502", b"-", b"-", header_times)
    assert [attempt.has_header for attempt in attempts] == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0),
        (b"9" * 18, 10**18 - 1),
        (b"1" + b"0" * 18, None),  # it may not fit into 64 bits
        (b"", None),
        (b"-", None),
        (b"-1", None),
        (b"1.5", None),
        (b" 1", None),
    ],
)
def test_integers(text, number):
    assert parse_integer(text) == number


def test_an_integer_has_as_many_digits_as_asked_for():
    assert (parse_integer(b"599", 3), parse_integer(b"1000", 3)) == (599, None)
