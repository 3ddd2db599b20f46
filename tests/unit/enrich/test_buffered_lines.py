"""A line that nginx buffered is late: the request ended in the second that the line names, not when it was written."""

import pytest

from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.windows import BUFFERING_THRESHOLD, CLOCK_TOLERANCE, attempt_windows, request_window
from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.enrich.controller_lines import AT

LATEST = AT + SECOND + CLOCK_TOLERANCE
"""The latest end of a request whose line names the second that begins at `AT`."""


def record(**facts):
    return Record({}, [Attempt("10.0.0.1:80", 200, 40, 5)], **({"end": AT, "duration": 40} | facts))


@pytest.mark.parametrize(
    ("stamp", "end"),
    [
        (AT + 5, (AT + 5, AT + 5)),
        (LATEST, (LATEST, LATEST)),
        (LATEST + 1, (LATEST, LATEST)),
        (LATEST + BUFFERING_THRESHOLD, (LATEST, LATEST)),
        (LATEST + BUFFERING_THRESHOLD + 1, (AT, LATEST)),
        (LATEST + 3600 * SECOND, (AT, LATEST)),
        (None, (AT, LATEST)),
    ],
)
def test_the_end_of_a_request_whose_line_was_written_then(stamp, end):
    window = request_window(record(), stamp)
    assert (window.end_earliest, window.end_latest) == end
    assert window.start == end[0] - 40 - CLOCK_TOLERANCE
    (window,) = attempt_windows(record(), stamp)
    assert (window.end_earliest, window.end_latest) == (end[0] - CLOCK_TOLERANCE, end[1])


def test_the_runtime_may_take_its_time():
    assert BUFFERING_THRESHOLD == 100 * MILLISECOND


def test_a_proxy_that_logs_when_the_request_ended_is_believed_to_its_uncertainty():
    window = request_window(record(end_uncertainty=2), None)
    assert (window.end_earliest, window.end_latest) == (AT, AT + 2 + CLOCK_TOLERANCE)


def test_a_line_that_names_no_time_was_written_at_once():
    assert request_window(record(end=None), AT) == Window(AT - 40 - CLOCK_TOLERANCE, AT, AT)


def test_without_any_time_there_is_no_window():
    assert request_window(record(end=None), None) is None
    assert attempt_windows(record(end=None), None) == [None]
    assert attempt_windows(Record({}, []), AT) == []
