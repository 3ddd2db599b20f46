"""An address for which a line waited without result, as one outside the cluster, delays no other line for a minute."""

import pytest

from enricher.enrich import holding
from enricher.enrich.holding import HOLD_BACKOFF, HOLD_TIMEOUT, MAX_HOLD_BACKOFFS
from enricher.timestamps import SECOND
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.test_holding import Steps

A, B, C = (b"10.0.0.%d:80" % n for n in (7, 8, 9))


@pytest.fixture
def made(make):
    return make()


@pytest.fixture
def waits(made):
    """Whether a line that was written at a time waits at another, by default the same."""

    def waits(addr, at, now=None):
        return bool(Steps(made, addr, at=at).at(at if now is None else now)[1])

    return waits


def start_backoff(waits, addr, at):
    """A line of the address that was written at `at` has waited for as long as it may."""
    assert not waits(addr, at, at + HOLD_TIMEOUT)
    return at + HOLD_TIMEOUT + HOLD_BACKOFF


def test_it_lasts_a_minute(waits):
    until = start_backoff(waits, A, AT)
    assert until == AT + 61 * SECOND
    assert not waits(A, until)
    assert waits(A, until + 1)


def test_lines_during_it_do_not_prolong_it(waits):
    until = start_backoff(waits, A, AT)
    assert not waits(A, until - HOLD_TIMEOUT, until)
    assert waits(A, until + 1)


def test_a_line_after_it_starts_the_next(waits):
    until = start_backoff(waits, A, AT)
    later = start_backoff(waits, A, until)
    assert not waits(A, later)
    assert waits(A, later + 1)


def test_one_address_of_a_line_is_enough_to_wait_for(waits):
    start_backoff(waits, A, AT)
    for line in (b"%b, %b" % (A, B), b"%b, %b" % (B, A)):
        assert waits(line, AT + HOLD_TIMEOUT)
    assert not waits(b"%b, %b" % (A, A), AT + HOLD_TIMEOUT)


def test_each_address_of_a_line_that_waited_has_its_own(waits):
    start_backoff(waits, b"%b, %b" % (A, B), AT)
    assert not waits(A, AT + HOLD_TIMEOUT)
    assert not waits(B, AT + HOLD_TIMEOUT)
    assert waits(C, AT + HOLD_TIMEOUT)


@pytest.mark.parametrize(("ahead", "held"), [(HOLD_TIMEOUT - 1, True), (HOLD_TIMEOUT, False)])
def test_a_stamp_ahead_of_our_clock_counts_like_one_behind_it(waits, ahead, held):
    assert waits(A, AT + ahead, AT) is held
    assert waits(B, AT - ahead, AT) is held


def test_too_many_are_forgotten(waits, monkeypatch):
    assert MAX_HOLD_BACKOFFS == 10_000
    monkeypatch.setattr(holding, "MAX_HOLD_BACKOFFS", 2)
    for addr in (A, B):
        start_backoff(waits, addr, AT)
    assert [waits(addr, AT + HOLD_TIMEOUT) for addr in (A, B)] == [False, False]
    start_backoff(waits, C, AT)
    assert [waits(addr, AT + HOLD_TIMEOUT) for addr in (A, B, C)] == [True, True, False]
