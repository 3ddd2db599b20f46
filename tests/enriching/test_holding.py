"""A line of an address that nobody is known to hold waits a moment for the watch, and never for long."""

import orjson
import pytest
from controller_lines import AT, SOURCE, STAMP, access, slice_of

from enricher.enrich.engine import HOLD, VAIN, Batch
from enricher.line import Line
from enricher.timestamps import format_rfc3339

MS = 1_000_000


def batch(enricher, *addrs, at=AT):
    return Batch(SOURCE, [Line(access(addr), format_rfc3339(at).encode(), "stdout") for addr in addrs])


def pods(enriched):
    return [orjson.loads(row).get("pod") for row in enriched.data.splitlines()]


def test_it_stops_at_the_first_unknown_and_goes_on_when_that_is_known(make, history):
    enricher = make()
    lines = batch(enricher, b"10.0.0.1:80", b"10.0.0.9:80", b"10.0.0.2:80")
    first = enricher.enrich(lines, AT + 5 * MS)
    assert pods(first) == ["web-1"]
    assert first.wait_until == AT + HOLD
    again = enricher.enrich(lines, AT + 6 * MS)
    assert again.data == b""
    assert again.wait_until == AT + HOLD
    history.apply("ADDED", slice_of({"10.0.0.9": "new"}, service="late"), AT + 7 * MS)
    rest = enricher.enrich(lines, AT + 8 * MS)
    assert pods(rest) == ["new", "web-2"]
    assert rest.wait_until == 0


def test_it_waits_no_longer_than_hold(make):
    enricher = make()
    lines = batch(enricher, b"10.0.0.9:80", b"10.0.0.2:80")
    assert enricher.enrich(lines, AT + HOLD - 1).wait_until
    rest = enricher.enrich(lines, AT + HOLD)
    assert pods(rest) == [None, "web-2"]
    assert orjson.loads(rest.data.splitlines()[0])["attribution"] == "unknown"


def test_an_address_waited_for_in_vain_holds_up_nothing_for_a_while(make):
    enricher = make()
    enricher.enrich(batch(enricher, b"10.0.0.9:80"), AT + HOLD)

    def waits(at, addr=b"10.0.0.9:80"):
        return bool(enricher.enrich(batch(enricher, addr, at=at), at + MS).wait_until)

    assert not waits(AT + 2 * HOLD)
    assert not waits(AT + VAIN // 2)
    assert waits(AT + 2 * HOLD, b"10.0.0.8:80")
    assert waits(AT + HOLD + VAIN + 1)


def test_an_old_line_does_not_wait(make):
    enricher = make()
    assert enricher.enrich(batch(enricher, b"10.0.0.9:80"), AT + 600 * HOLD).wait_until == 0


@pytest.mark.parametrize("addr", [b"backend", b"unix:/run/app.sock", b"-", b"10.0.0.1:80, backend"])
def test_names_and_sockets_are_nothing_to_wait_for(make, addr):
    enricher = make()
    assert enricher.enrich(batch(enricher, addr), AT + MS).wait_until == 0


def test_without_a_clock_nothing_waits(make):
    enricher = make()
    assert enricher.enrich(batch(enricher, b"10.0.0.9:80")).wait_until == 0


def test_a_line_without_a_stamp_does_not_wait(make):
    enricher = make()
    lines = Batch(SOURCE, [Line(access(b"10.0.0.9:80")), Line(b"x", b"garbage", "stdout")])
    assert enricher.enrich(lines, AT).wait_until == 0
    assert lines.done == 2


def test_an_error_line_waits_too(make):
    enricher = make()
    end = b'client: 1.1.1.1, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.9:80/"'
    line = Line(
        b"2026/11/22 23:18:31 [error] 29#31: *5 connect() failed (111: x) while connecting to upstream, " + end,
        STAMP,
        "stderr",
    )
    assert enricher.enrich(Batch(SOURCE, [line]), AT + MS).wait_until == AT + HOLD


def test_counted_once_though_asked_twice(make, history):
    enricher = make()
    lines = batch(enricher, b"10.0.0.1:80", b"10.0.0.9:80")
    for ms in (1, 2, 3):
        enricher.enrich(lines, AT + ms * MS)
    enricher.enrich(lines, AT + HOLD)
    assert enricher._counts.lines == {"access": 2}
    assert sum(series.requests for series in enricher._counts.pods.values()) == 2
