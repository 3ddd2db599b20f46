"""A line of an address that nobody is known to hold waits a moment for the watch, and never for long."""

import orjson
import pytest

from enricher.enrich.engine import Hold, Output
from enricher.enrich.holding import HOLD_BACKOFF, HOLD_TIMEOUT
from enricher.line import Line
from enricher.timestamps import format_rfc3339
from tests.unit.enrich.controller_lines import AT, SOURCE, STAMP, access, enrich_all, slice_of

MS = 1_000_000


class Steps:
    """The steps of some lines, taken one by one at times of the test's choice."""

    def __init__(self, made, *addrs, at=AT, lines=None):
        enricher, histories = made
        self._now = None
        lines = lines or [Line(access(addr), format_rfc3339(at).encode(), "stdout") for addr in addrs]
        self._steps = enricher.enrich(SOURCE, lines, histories, lambda: self._now)

    def at(self, now):
        """Return the pods of the lines that go out now, and until when the next one waits; 0 if none does."""
        self._now = now
        output = next(self._steps)
        assert isinstance(output, Output)
        match next(self._steps, None):
            case Hold(until):
                return pods(output.data), until
        assert next(self._steps, None) is None
        return pods(output.data), 0


def pods(data):
    return [orjson.loads(row).get("pod") for row in data.splitlines()]


def test_it_stops_at_the_first_unknown_and_goes_on_when_that_is_known(make, history):
    steps = Steps(make(), b"10.0.0.1:80", b"10.0.0.9:80", b"10.0.0.2:80")
    assert steps.at(AT + 5 * MS) == (["web-1"], AT + HOLD_TIMEOUT)
    assert steps.at(AT + 6 * MS) == ([], AT + HOLD_TIMEOUT)
    history.apply("ADDED", slice_of({"10.0.0.9": "new"}, service="late"), AT + 7 * MS)
    assert steps.at(AT + 8 * MS) == (["new", "web-2"], 0)


def test_it_waits_no_longer_than_hold(make):
    enricher, histories = make()
    times = iter([AT + HOLD_TIMEOUT - 1, AT + HOLD_TIMEOUT])
    lines = [Line(access(addr), format_rfc3339(AT).encode(), "stdout") for addr in (b"10.0.0.9:80", b"10.0.0.2:80")]
    steps = list(enricher.enrich(SOURCE, lines, histories, lambda: next(times)))
    assert steps[:2] == [Output(b"", 0, {}), Hold(AT + HOLD_TIMEOUT)]
    assert pods(steps[2].data) == [None, "web-2"]
    assert steps[2].lines == 2
    assert orjson.loads(steps[2].data.splitlines()[0])["attribution"] == "unknown"
    assert len(steps) == 3


def test_an_address_waited_for_in_vain_holds_up_nothing_for_a_while(make):
    made = make()
    Steps(made, b"10.0.0.9:80").at(AT + HOLD_TIMEOUT)

    def waits(at, addr=b"10.0.0.9:80"):
        return bool(Steps(made, addr, at=at).at(at + MS)[1])

    assert not waits(AT + 2 * HOLD_TIMEOUT)
    assert not waits(AT + HOLD_BACKOFF // 2)
    assert waits(AT + 2 * HOLD_TIMEOUT, b"10.0.0.8:80")
    assert waits(AT + HOLD_TIMEOUT + HOLD_BACKOFF + 1)


def test_an_old_line_does_not_wait(make):
    assert Steps(make(), b"10.0.0.9:80").at(AT + 600 * HOLD_TIMEOUT) == ([None], 0)


@pytest.mark.parametrize("addr", [b"backend", b"unix:/run/app.sock", b"-", b"10.0.0.1:80, backend"])
def test_names_and_sockets_are_nothing_to_wait_for(make, addr):
    assert Steps(make(), addr).at(AT + MS)[1] == 0


def test_without_a_clock_nothing_waits(make):
    assert pods(enrich_all(*make(), [Line(access(b"10.0.0.9:80"), STAMP, "stdout")])) == [None]


def test_a_line_without_a_stamp_does_not_wait(make):
    lines = [Line(access(b"10.0.0.9:80")), Line(b"x", b"garbage", "stdout")]
    assert Steps(make(), lines=lines).at(AT) == ([None, None], 0)


def test_an_error_line_waits_too(make):
    end = b'client: 1.1.1.1, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.9:80/"'
    line = Line(
        b"2026/11/22 23:18:31 [error] 29#31: *5 connect() failed (111: x) while connecting to upstream, " + end,
        STAMP,
        "stderr",
    )
    assert Steps(make(), lines=[line]).at(AT + MS) == ([], AT + HOLD_TIMEOUT)


def test_counted_once_though_asked_twice(make):
    enricher, histories = make()
    steps = Steps((enricher, histories), b"10.0.0.1:80", b"10.0.0.9:80")
    for ms in (1, 2, 3):
        steps.at(AT + ms * MS)
    steps.at(AT + HOLD_TIMEOUT)
    enricher.update_counts()
    counts = enricher._tools.counts
    assert counts.lines == {"access": 2}
    assert sum(series.requests for series in counts.pods.values()) == 2
