"""Where a line does not say how long something took, the longest that it can have taken counts."""

import pytest

from enricher.accesslog.record import MAX_REQUEST_TIME, Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.windows import CLOCK_TOLERANCE, attempt_windows, error_window, request_window
from enricher.timestamps import SECOND
from enricher.vocabulary import Reason
from tests.unit.enrich.controller_lines import AT


def windows(*times, duration):
    attempts = [Attempt("10.0.0.1:80", 200, time, 5) for time in times]
    return attempt_windows(Record({}, attempts, duration=duration), AT)


def test_a_request_without_a_duration_may_have_taken_ten_minutes():
    earliest = AT - 600 * SECOND - CLOCK_TOLERANCE
    assert windows(7, duration=None) == [Window(earliest - 7 - CLOCK_TOLERANCE, earliest, AT)]


def test_an_attempt_without_a_time_lies_anywhere_in_the_rest_of_its_request():
    earliest = AT - 90 - CLOCK_TOLERANCE
    assert windows(None, duration=90) == [Window(earliest - CLOCK_TOLERANCE, earliest, AT)]


def test_attempts_may_have_taken_longer_than_their_request():
    """As recorded: `$upstream_response_time` and `$request_time` are rounded, and taken at two moments."""
    earliest = AT - CLOCK_TOLERANCE
    assert windows(7, duration=5) == [Window(earliest - 7 - CLOCK_TOLERANCE, earliest, AT)]


def test_a_request_of_which_only_the_beginning_is_known():
    """With a stamp it ended when its line was written, without one at any time in the ten minutes after."""
    record = Record({}, [Attempt("10.0.0.1:80", 200, None, 5)], end=AT, end_uncertainty=MAX_REQUEST_TIME)
    earliest = AT - MAX_REQUEST_TIME - CLOCK_TOLERANCE
    latest = AT + MAX_REQUEST_TIME + CLOCK_TOLERANCE
    assert attempt_windows(record, None) == [Window(earliest - CLOCK_TOLERANCE, earliest, latest)]
    written = AT + 2 * MAX_REQUEST_TIME
    assert attempt_windows(record, written)[0].end_latest == written


def test_a_client_without_a_duration_is_that_of_the_end():
    assert request_window(Record({}, []), AT) == Window(AT - CLOCK_TOLERANCE, AT, AT)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.REFUSED])
def test_a_failure_may_have_taken_as_long_as_nginxs_default_timeout(reason):
    assert error_window(AT, reason).start == AT - 60 * SECOND


def test_a_refused_connection_may_have_sent_its_syn_again():
    assert error_window(AT, Reason.REFUSED).start == AT - 5 * SECOND


def test_a_failure_at_an_unknown_time():
    assert error_window(None, Reason.REFUSED) is None
