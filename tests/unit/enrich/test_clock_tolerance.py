"""nginx's clock may be 10 ms late: who held the address only that shortly before the time of a line is not excluded."""

import pytest

from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Histories, Window, attribute, attribute_client
from enricher.endpoints.history import History
from enricher.enrich.windows import CLOCK_TOLERANCE, attempt_windows, error_window, request_window
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Reason
from tests.unit.enrich.controller_lines import AT, slice_of


@pytest.fixture
def histories(history):
    """10.0.0.1 was web-1's, and is the pod new's since `AT`."""
    history.apply("MODIFIED", slice_of({"10.0.0.1": "new", "10.0.0.2": "web-2"}), AT)
    return Histories(history, History())


def record(*attempts, **facts):
    return Record({}, list(attempts), **facts)


def attempt(status=200, took=0):
    return Attempt("10.0.0.1:80", status, took, 5)


@pytest.mark.parametrize("status", [200, 502])
def test_an_attempt_that_may_have_ended_before_a_take_over(histories, status):
    def grade(at):
        (window,) = attempt_windows(record(attempt(status), duration=0), at)
        return attribute(histories, "10.0.0.1:80", window, answered=status == 200).grade

    tolerance = CLOCK_TOLERANCE if status == 200 else 2 * CLOCK_TOLERANCE  # it also began earlier
    assert grade(AT - 1) == "exact"
    assert grade(AT + tolerance - 1) == "ambiguous"
    assert grade(AT + tolerance) == "exact"


def test_a_client_that_may_have_had_the_address_before_a_take_over(histories):
    def grade(at):
        return attribute_client(histories, "10.0.0.1", request_window(record(duration=SECOND), at)).grade

    assert grade(AT + SECOND + CLOCK_TOLERANCE - 1) == "ambiguous"
    assert grade(AT + SECOND + CLOCK_TOLERANCE) == "exact"


def test_the_tolerance_is_that_of_a_turn_of_nginxs_event_loop():
    assert CLOCK_TOLERANCE == 10 * MILLISECOND


def test_it_lies_before_each_attempt_and_its_end():
    tried = record(attempt(502, took=300), attempt(200, took=50), duration=1350)
    assert attempt_windows(tried, AT) == [
        Window(AT - 1350 - 2 * CLOCK_TOLERANCE, AT - 1050 - CLOCK_TOLERANCE, AT - 50),
        Window(AT - 1050 - 2 * CLOCK_TOLERANCE, AT - 1000 - CLOCK_TOLERANCE, AT),
    ]


def test_an_error_line_is_written_at_the_failure_or_just_after_it():
    window = error_window(AT, Reason.RESET)
    assert (window.end_earliest, window.end_latest) == (AT - CLOCK_TOLERANCE, AT)
