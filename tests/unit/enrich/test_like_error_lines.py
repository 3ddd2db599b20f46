"""Error lines that look alike: each is claimed once, in order, by a request that alone can have it; none for ever."""

import pytest

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.error_correlation import (
    LONE_LAG,
    MAX_ALIKE,
    MAX_PENDING,
    MAX_WAIT,
    STAMP_TOLERANCE,
    STREAM_LAG,
    Claim,
    ErrorCorrelator,
)
from enricher.timestamps import MILLISECOND, SECOND

AT = 1_795_569_500 * SECOND
ADDR = "10.0.0.1:80"
REFUSED = "connect() failed (111: Connection refused) while connecting to upstream"
TIMED_OUT = "upstream timed out (110: Connection timed out) while connecting to upstream"
CLOSED = "upstream prematurely closed connection while reading response header from upstream"
RESET = "recv() failed (104: Connection reset by peer) while reading response header from upstream"
CUT_OFF = "upstream prematurely closed connection while reading upstream"
FAILED, ANSWERED = (Attempt(ADDR, status, SECOND, 0) for status in (502, 200))
WINDOW = Window(AT - SECOND, AT, AT)


def error(message, upstream=ADDR, client="192.0.2.7", request="GET / HTTP/1.1", connection=5):
    end = f'client: {client}, server: s, request: "{request}", upstream: "http://{upstream}/", host: "s"'
    return parse_error_line(f"2026/11/25 01:18:20 [error] 29#31: *{connection} {message}, {end}".encode())


def record(*attempts, client="192.0.2.7", request="GET / HTTP/1.1"):
    return Record({"remote_addr": client, "request": request}, list(attempts))


def correlator(*errors, request="GET / HTTP/1.1"):
    """A correlator with error lines, given as (message, time)."""
    pending = ErrorCorrelator()
    for message, at in errors:
        pending.add(error(message, request=request), at)
    return pending


def claims(pending, *attempts, windows=None, request="GET / HTTP/1.1"):
    found = pending.claim(record(*attempts, request=request), windows or [WINDOW] * len(attempts))
    return [claim.reason for claim in found]


def claim(pending, attempt=FAILED, window=WINDOW, request="GET / HTTP/1.1"):
    (reason,) = claims(pending, attempt, windows=[window], request=request)
    return reason


def explained(pending, attempt=FAILED, window=WINDOW, request="GET / HTTP/1.1"):
    (found,) = pending.claim(record(attempt, request=request), [window])
    return found.explained


@pytest.mark.parametrize("times", [(AT - 3, AT - 2, AT), (AT, AT + 1, AT + 2), (AT, AT, AT)])
def test_those_of_a_connection_are_claimed_in_order(times):
    pending = correlator(*zip((REFUSED, TIMED_OUT, RESET), times, strict=True))
    assert [claim(pending) for _ in times] == ["refused", "timed_out", "reset"]
    assert claim(pending) == ""


def test_two_that_are_the_same_are_two():
    pending = correlator((REFUSED, AT), (REFUSED, AT))
    assert [claim(pending) for _ in range(3)] == ["refused", "refused", ""]


def test_one_upstream_tried_twice_within_milliseconds():
    """As recorded: the first try of the first pod killed it, the second found it dead."""
    other = FAILED._replace(addr="10.0.0.2:80")
    times = [AT - n * MILLISECOND // 10 for n in (47, 18, 17)]
    pending = ErrorCorrelator()
    for message, upstream, at in zip((CLOSED, CLOSED, REFUSED), (ADDR, other.addr, ADDR), times, strict=True):
        pending.add(error(message, upstream=upstream), at)
    windows = [Window(AT - 27 * MILLISECOND, AT - 27 * MILLISECOND, AT - end * MILLISECOND) for end in (3, 0, 0)]
    assert claims(pending, FAILED, other, FAILED, windows=windows) == ["premature_close", "premature_close", "refused"]


@pytest.mark.parametrize("request_", ["GET / HTTP/1.1", "GET / HTTP/1.0"])
def test_the_first_of_a_connection_with_one_request_at_a_time_is_the_first_requests(request_):
    pending = correlator((REFUSED, AT), (RESET, AT), request=request_)
    assert claim(pending, request=request_) == "refused"
    assert claim(pending, request=request_) == "reset"


def test_of_a_connection_with_several_requests_at_a_time_none_is_the_first():
    pending = correlator((REFUSED, AT), (RESET, AT), request="GET / HTTP/2.0")
    assert claim(pending, request="GET / HTTP/2.0") == ""
    assert explained(pending, request="GET / HTTP/2.0")


@pytest.mark.parametrize(("message", "reason"), [(REFUSED, "refused"), (RESET, "")])
def test_several_connections_have_to_agree(message, reason):
    pending = correlator((REFUSED, AT))
    pending.add(error(message, connection=6), AT)
    for _ in range(2):  # it is not known which is used up
        (found,) = pending.claim(record(FAILED), [WINDOW])
        assert (found.explained, found.reason, len(found.errors)) == (True, reason, 2)


def test_the_connection_that_explains_more_of_a_request_is_its_own():
    pending = correlator((REFUSED, AT), (TIMED_OUT, AT))
    pending.add(error(RESET, connection=6), AT)
    assert claims(pending, FAILED, FAILED) == ["refused", "timed_out"]
    assert claim(pending) == "reset"


def test_a_format_with_the_connection_tells_them_apart():
    pending = correlator((REFUSED, AT))
    pending.add(error(RESET, connection=6), AT)
    assert "connection" in ErrorCorrelator.variables
    for connection, reason in ((6, "reset"), (6, ""), (5, "refused"), (5, "")):
        fields = record(FAILED).fields | {"connection": connection}
        (found,) = pending.claim(Record(fields, [FAILED]), [WINDOW])
        assert found.reason == reason


def test_of_two_tries_that_may_have_a_line_neither_has_its_reason():
    """One of them may be the pod's own answer, without a body."""
    pending = correlator((REFUSED, AT))
    assert (
        pending.claim(record(FAILED, FAILED), [WINDOW, WINDOW]) == [Claim(possible_reasons=frozenset({"refused"}))] * 2
    )
    assert claim(pending) == ""  # but the line was about one of them


def test_an_answer_with_a_body_is_the_pods():
    assert claims(correlator((REFUSED, AT)), FAILED._replace(response_length=9), FAILED) == ["", "refused"]


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
    assert ErrorCorrelator().claim(record(FAILED, ANSWERED), [WINDOW, None]) == [Claim(), Claim()]


LATEST = WINDOW.end_latest + STREAM_LAG
EARLIEST, EARLY = WINDOW.end_earliest - STREAM_LAG, WINDOW.end_earliest - LONE_LAG


@pytest.mark.parametrize(("at", "reason"), [(EARLY - 1, ""), (EARLY, "refused"), (LATEST, "refused"), (LATEST + 1, "")])
def test_it_was_written_when_the_attempt_ended_give_or_take_the_runtimes_lag(at, reason):
    assert claim(correlator((REFUSED, at))) == reason
    assert (STREAM_LAG, LONE_LAG) == (100 * MILLISECOND, SECOND)


def test_a_late_end_does_not_make_a_window_narrower():
    window = Window(AT - 3 * SECOND, AT - 2 * SECOND, AT)
    for at in (window.end_earliest - STREAM_LAG, AT - SECOND, LATEST):
        assert claim(correlator((REFUSED, at)), window=window) == "refused"


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (WINDOW.end_earliest - STAMP_TOLERANCE - 1, ""),
        (WINDOW.end_earliest - STAMP_TOLERANCE, "premature_close"),
        (WINDOW.end_latest + STAMP_TOLERANCE, "premature_close"),
        (WINDOW.end_latest + STAMP_TOLERANCE + 1, ""),
    ],
)
def test_that_of_an_answer_was_written_at_its_end(at, reason):
    pending = correlator((CUT_OFF, at))
    assert pending.cut_off_attempts(record(ANSWERED), [WINDOW]) == [0] * bool(reason)
    assert claim(pending, ANSWERED) == reason
    assert STAMP_TOLERANCE == 20 * MILLISECOND


def test_an_early_one_explains_what_nothing_else_does():
    assert claim(correlator((REFUSED, EARLY), (RESET, EARLIEST))) == "reset"
    assert claims(correlator((REFUSED, EARLY), (RESET, EARLIEST)), FAILED, FAILED) == ["refused", "reset"]
    other = FAILED._replace(addr="10.0.0.2:80")  # nothing explains this one
    assert claims(correlator((REFUSED, EARLY), (RESET, EARLIEST)), FAILED, other) == ["reset", ""]


def test_a_late_one_came_with_the_access_line_at_the_latest():
    """The first of two tries ended 3 s before its line, which came with the access line."""
    first = Window(AT - 4 * SECOND, AT - 3 * SECOND, AT - 3 * SECOND)
    for at, reason in ((LATEST, "refused"), (LATEST + 1, "")):
        assert claims(correlator((REFUSED, at)), FAILED, ANSWERED, windows=[first, WINDOW]) == [reason, ""]


def test_an_early_one_that_several_requests_may_have_explains_nothing():
    pending = correlator((REFUSED, EARLY))
    pending.add(error(REFUSED, connection=6), EARLY)
    assert not explained(pending)
    pending = correlator((REFUSED, AT))
    pending.add(error(REFUSED, connection=6), AT)
    assert explained(pending)
    assert not explained(pending, window=Window(LATEST + 1, LATEST + 1, LATEST + 1))


def test_those_that_several_requests_may_have_are_in_no_order_any_more():
    pending = correlator((REFUSED, AT), (RESET, AT))
    pending.add(error(REFUSED, connection=6), AT)
    assert [claim(pending), claim(pending)] == ["refused", ""]


def test_an_answer_is_not_explained_by_an_early_line():
    pending = correlator((REFUSED, AT - SECOND // 2))
    assert claims(pending, ANSWERED) == [""]
    assert claims(pending, FAILED._replace(status=499)) == [""]  # the client left
    assert claims(pending, FAILED) == ["refused"]


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


def test_an_upstream_is_remembered_as_long_as_its_lines_wait():
    pending = correlator((CUT_OFF, AT), (CUT_OFF, AT), (REFUSED, AT))
    assert (pending.upstreams(), pending.cut_off_upstreams()) == ({ADDR}, {ADDR})
    assert claims(pending, ANSWERED, ANSWERED) == ["premature_close"] * 2
    assert (pending.upstreams(), pending.cut_off_upstreams(), pending.has_errors) == ({ADDR}, set(), True)
    assert claim(pending) == "refused"
    assert (pending.upstreams(), pending.has_errors) == (set(), False)


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
        pending.add(error(REFUSED, request=f"GET /{n} HTTP/1.1"), AT)
    reasons = [claim(pending, request=f"GET /{n} HTTP/1.1") for n in range(MAX_PENDING + 1)]
    assert reasons == ["", *["refused"] * MAX_PENDING]
    assert not pending.has_errors


@pytest.mark.parametrize("center", [0, 10, 100, 190, 199])
def test_of_many_alike_only_the_nearest_are_compared(center):
    pending = ErrorCorrelator()
    for n in range(200):
        pending.add(error(REFUSED, connection=n), AT + n * MILLISECOND // 10)
    end = AT + center * MILLISECOND // 10
    (found,) = pending.claim(record(FAILED), [Window(end, end, end)])
    near = [line.connection for line in found.errors]
    first = min(max(0, center - MAX_ALIKE // 2), 200 - MAX_ALIKE)
    assert near == list(range(first, first + MAX_ALIKE))
    assert MAX_ALIKE == 50


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
    assert [found.reason for found in pending.claim(parts, [WINDOW])] == ["refused"]


def test_a_format_without_a_client_or_a_request_claims_none():
    pending = correlator((REFUSED, AT))
    assert pending.claim(Record({"request": "GET / HTTP/1.1"}, [FAILED]), [WINDOW]) == [Claim()]
    assert pending.claim(Record({"remote_addr": "192.0.2.7"}, [FAILED]), [WINDOW]) == [Claim()]
