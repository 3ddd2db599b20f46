"""Error lines that look alike: each is claimed once, by the attempt that it is nearest to, and none for ever."""

import pytest

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.error_correlation import MAX_PENDING, MAX_WAIT, STAMP_TOLERANCE, ErrorCorrelator
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Reason

AT = 1_795_569_500 * SECOND
REFUSED = "connect() failed (111: Connection refused) while connecting to upstream"
TIMED_OUT = "upstream timed out (110: Connection timed out) while connecting to upstream"
RESET = "recv() failed (104: Connection reset by peer) while reading response header from upstream"
CUT_OFF = "upstream prematurely closed connection while reading upstream"
FAILED, ANSWERED = (Attempt("10.0.0.1:80", status, SECOND, 0) for status in (502, 200))
WINDOW = Window(AT - SECOND, AT, AT)


def error(message, upstream="10.0.0.1:80", client="192.0.2.7", request="GET / HTTP/1.1"):
    end = f'client: {client}, server: s, request: "{request}", upstream: "http://{upstream}/", host: "s"'
    return parse_error_line(f"2026/11/25 01:18:20 [error] 29#31: *5 {message}, {end}".encode())


def record(*attempts, client="192.0.2.7", request="GET / HTTP/1.1"):
    return Record({"remote_addr": client, "request": request}, list(attempts))


def correlator(*errors):
    """A correlator with error lines, given as (message, time)."""
    pending = ErrorCorrelator()
    for message, at in errors:
        pending.add(error(message), at)
    return pending


def claim(pending, attempt=FAILED, window=WINDOW):
    (reason,) = pending.claim_reasons(record(attempt), [window])
    return reason


@pytest.mark.parametrize(
    ("times", "order"),
    [
        ((AT - 900 * MILLISECOND, AT - 2, AT + 10), ["timed_out", "reset", "refused"]),
        ((AT + 10, AT + 12, AT - 5), ["reset", "refused", "timed_out"]),
        ((AT, AT - 1, AT - 2), ["refused", "timed_out", "reset"]),
    ],
)
def test_the_nearest_to_the_end_comes_first(times, order):
    pending = correlator(*zip((REFUSED, TIMED_OUT, RESET), times, strict=True))
    assert [claim(pending) for _ in times] == order
    assert claim(pending) == ""


def test_of_two_that_are_equally_near_the_first_comes_first():
    pending = correlator((REFUSED, AT + 3), (RESET, AT - 3))
    assert [claim(pending), claim(pending)] == ["refused", "reset"]


def test_two_that_are_the_same_are_two():
    pending = correlator((REFUSED, AT), (REFUSED, AT))
    assert [claim(pending) for _ in range(3)] == ["refused", "refused", ""]


def test_each_attempt_claims_its_own():
    pending = correlator((REFUSED, AT - 500 * MILLISECOND), (TIMED_OUT, AT))
    attempts = record(FAILED, FAILED._replace(addr="10.0.0.2:80"), FAILED)
    early = Window(AT - SECOND, AT - 500 * MILLISECOND, AT - 500 * MILLISECOND)
    assert pending.claim_reasons(attempts, [early, WINDOW, WINDOW]) == ["refused", "", "timed_out"]


@pytest.mark.parametrize(
    "other",
    [
        error(REFUSED, upstream="10.0.0.1:81"),
        error(REFUSED, client="192.0.2.8"),
        error(REFUSED, request="GET /b HTTP/1.1"),
        error(CUT_OFF),
    ],
)
def test_another_requests_is_left(other):
    pending = ErrorCorrelator()
    pending.add(other, AT)
    assert claim(pending) == ""
    pending.add(error(RESET), AT)
    assert claim(pending) == "reset"


def test_an_attempt_without_a_time_claims_none():
    pending = correlator((REFUSED, AT))
    assert claim(pending, window=None) == ""
    assert claim(pending) == "refused"


def test_nobody_claims_from_nothing():
    assert ErrorCorrelator().claim_reasons(record(FAILED, ANSWERED), [WINDOW, None]) == [Reason.NONE, Reason.NONE]


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (WINDOW.start - STAMP_TOLERANCE - 1, ""),
        (WINDOW.start - STAMP_TOLERANCE, "refused"),
        (WINDOW.end_latest + STAMP_TOLERANCE, "refused"),
        (WINDOW.end_latest + STAMP_TOLERANCE + 1, ""),
    ],
)
def test_it_lies_in_the_time_of_the_attempt_give_or_take_the_clocks(at, reason):
    assert claim(correlator((REFUSED, at))) == reason
    assert STAMP_TOLERANCE == 20 * MILLISECOND


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (CUT_OFF, "premature_close"),
        ("recv() failed (104: Connection reset by peer) while proxying upgraded connection", "reset"),
    ],
)
def test_an_answer_that_was_cut_off(message, reason):
    pending = correlator((message, AT))
    attempts, windows = record(FAILED, ANSWERED, ANSWERED, ANSWERED), [WINDOW, None, WINDOW, Window(0, 1, 1)]
    assert pending.cut_off_attempts(attempts, windows) == [2]
    assert pending.cut_off_attempts(attempts, windows) == [2]  # it is not claimed yet
    assert claim(pending, FAILED) == ""
    assert claim(pending, ANSWERED) == reason
    assert pending.cut_off_attempts(attempts, windows) == []


def test_a_failure_before_the_answer_cuts_nothing_off():
    pending = correlator((REFUSED, AT), (RESET, AT))
    assert pending.cut_off_attempts(record(ANSWERED, FAILED), [WINDOW, WINDOW]) == []
    pending.add(error(CUT_OFF, upstream="10.0.0.2:80"), AT)
    assert pending.cut_off_attempts(record(ANSWERED, FAILED), [WINDOW, WINDOW]) == []
    other = ANSWERED._replace(addr="10.0.0.2:80")
    assert pending.cut_off_attempts(record(ANSWERED, other), [WINDOW, WINDOW]) == [1]


def test_one_that_waited_for_the_longest_request_waits_no_longer():
    assert MAX_WAIT == 600 * SECOND
    for passed, reason in ((MAX_WAIT, "refused"), (MAX_WAIT + 1, "")):
        pending = correlator((REFUSED, AT))
        pending.add(error(RESET, upstream="10.0.0.2:80"), AT + passed)
        assert claim(pending) == reason


def test_several_that_waited_too_long_go_together_and_a_younger_one_stays():
    pending = correlator((REFUSED, AT - 2), (TIMED_OUT, AT - 1), (RESET, AT))
    pending.add(error(RESET, upstream="10.0.0.2:80"), AT + MAX_WAIT)
    assert [claim(pending), claim(pending)] == ["reset", ""]


def test_of_too_many_the_newest_wait():
    assert MAX_PENDING == 1000
    pending = ErrorCorrelator()
    for n in range(MAX_PENDING + 1):
        pending.add(error(REFUSED, upstream=f"10.0.{n // 256}.{n % 256}:80"), AT)
    attempts = [FAILED._replace(addr=f"10.0.{n // 256}.{n % 256}:80") for n in range(MAX_PENDING + 1)]
    reasons = pending.claim_reasons(record(*attempts), [WINDOW] * len(attempts))
    assert reasons == ["", *["refused"] * MAX_PENDING]


@pytest.mark.parametrize(
    "fields",
    [
        {"request": "GET /a HTTP/1.1", "request_method": "POST"},
        {"request_method": "GET", "request_uri": "/a", "server_protocol": "HTTP/1.1"},
    ],
)
def test_a_request_and_its_parts_are_the_same(fields):
    pending = ErrorCorrelator()
    pending.add(error(REFUSED, request="GET /a HTTP/1.1"), AT)
    parts = Record(fields | {"remote_addr": "192.0.2.7"}, [FAILED])
    assert pending.claim_reasons(parts, [WINDOW]) == ["refused"]


def test_a_format_without_a_client_or_a_request_claims_none():
    pending = correlator((REFUSED, AT))
    assert pending.claim_reasons(Record({"request": "GET / HTTP/1.1"}, [FAILED]), [WINDOW]) == [""]
    assert pending.claim_reasons(Record({"remote_addr": "192.0.2.7"}, [FAILED]), [WINDOW]) == [""]
