"""gRPC's statuses: however a proxy spells one, and wherever nginx has it from, it is the same status."""

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.grpc import STATUS_NAMES, parse_status
from enricher.accesslog.nginx import compile_format
from enricher.accesslog.profiles import UPSTREAMS_GRPC

HEAD = b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "POST /a.B/C HTTP/2.0" 200 0 "-" "grpc" 128 0.007 '


def test_all_of_the_specification():
    assert len(STATUS_NAMES) == 17
    assert (STATUS_NAMES[0], STATUS_NAMES[14], STATUS_NAMES[16]) == ("OK", "UNAVAILABLE", "UNAUTHENTICATED")


@pytest.mark.parametrize("number", range(17))
def test_every_way_to_spell_one(number):
    name = STATUS_NAMES[number]
    camel = "".join(word.capitalize() for word in name.split("_"))
    for text in (str(number), name, name.lower(), camel):
        assert parse_status(text.encode()) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"Canceled", "CANCELLED"),  # as Envoy spells it
        (b"CANCELED", "CANCELLED"),
        (b"Ok", "OK"),
        (b"00", "OK"),
        (b"014", "UNAVAILABLE"),
        (b"17", "UNKNOWN"),
        (b"99", "UNKNOWN"),
        (b"999999999", "UNKNOWN"),
        (b"9" * 99, "UNKNOWN"),
        (b"-1", "UNKNOWN"),
        (b"1.0", "UNKNOWN"),
        (b"none", "UNKNOWN"),
        (b"\xff", "UNKNOWN"),
        ("\N{SUPERSCRIPT TWO}".encode(), "UNKNOWN"),
        (b" 14", "UNKNOWN"),
        (b"-", ""),
        (b"", ""),
    ],
)
def test_odd_ones(text, name):
    assert parse_status(text) == name


def last(tail, text=UPSTREAMS_GRPC):
    return compile_format(text).parse(HEAD + tail).attempts


@pytest.mark.parametrize(
    ("trailer", "header", "name"),
    [
        (b"0", b"-", "OK"),
        (b"14", b"-", "UNAVAILABLE"),
        (b"-", b"12", "UNIMPLEMENTED"),  # a call that ended at once has headers only
        (b"-", b"0", "OK"),
        (b"5", b"13", "NOT_FOUND"),
        (b"0", b"13", "OK"),
        (b"-", b"-", ""),
        (b"99", b"-", "UNKNOWN"),
        (b"down", b"-", "UNKNOWN"),  # it is the pod that says so, and the line is not to be lost by that
        (b"-", b"7" * 50, "UNKNOWN"),
    ],
)
def test_nginx_has_it_from_the_trailer_or_from_the_header(trailer, header, name):
    (attempt,) = last(b'"10.0.0.1:80" 5 0.001 200 ' + trailer + b" " + header)
    assert attempt.grpc_status == name
    assert attempt.failed == attempt.grpc_failed == (name not in {"", "OK"})


def test_of_several_attempts_it_is_the_last_ones():
    attempts = last(b'"10.0.0.1:80, 10.0.0.2:80" 0, 5 0.001, 0.002 502, 200 14 -')
    assert [attempt.grpc_status for attempt in attempts] == ["", "UNAVAILABLE"]


def test_without_an_upstream_there_is_none():
    assert last(b'"-" - - - 14 -') == []


@pytest.mark.parametrize("text", [b"0 0", b"x" * 100, b'0" "10.0.0.9:80" 5 0.001 200 0'])
def test_what_a_pod_sends_in_its_place_that_is_no_word(text):
    """The line does not fit: with spaces in it the pod could write the rest of another line."""
    assert compile_format(UPSTREAMS_GRPC).parse(HEAD + b'"10.0.0.1:80" 5 0.001 200 ' + text + b" -") is None


@pytest.mark.parametrize("name", ["sent_trailer_grpc_status", "sent_http_grpc_status"])
def test_what_nginx_sent_counts_where_nothing_else_is_logged(name):
    (attempt,) = last(b'"10.0.0.1:80" 5 0.001 200 7', UPSTREAMS_GRPC.rpartition(" $upstream_tr")[0] + f" ${name}")
    assert attempt.grpc_status == "PERMISSION_DENIED"


def test_what_the_pod_sent_counts_before_what_nginx_sent():
    text = "$sent_http_grpc_status $upstream_trailer_grpc_status $upstream_addr $upstream_status"
    (attempt,) = compile_format(text).parse(b"14 5 10.0.0.1:80 200").attempts
    assert attempt.grpc_status == "NOT_FOUND"


@pytest.mark.parametrize(
    ("operator", "text", "name"),
    [
        ("GRPC_STATUS", b"Unavailable", "UNAVAILABLE"),
        ("GRPC_STATUS(CAMEL_STRING)", b"DeadlineExceeded", "DEADLINE_EXCEEDED"),
        ("GRPC_STATUS(SNAKE_STRING)", b"DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        ("GRPC_STATUS(NUMBER)", b"4", "DEADLINE_EXCEEDED"),
        ("GRPC_STATUS_NUMBER", b"4", "DEADLINE_EXCEEDED"),
        ("TRAILER(grpc-status)", b"4", "DEADLINE_EXCEEDED"),
        ("RESP(GRPC-STATUS)", b"0", "OK"),
        ("GRPC_STATUS", b"-", ""),
        ("GRPC_STATUS", b"InvalidCode", "UNKNOWN"),
    ],
)
def test_envoys_operators(operator, text, name):
    format_ = envoy.compile_format(f'%RESPONSE_CODE% "%UPSTREAM_HOST%" %{operator}%')
    assert format_.parse(b'200 "10.0.0.1:80" ' + text).attempts[0].grpc_status == name
