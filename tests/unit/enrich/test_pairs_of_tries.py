"""Requests with one try are joined in columns only where this is certain: the output is that of the reference."""

import pytest

from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.envoy_tries import FORMAT, JSON_FORMAT, Entry, Log

OTHER = "10.0.0.2:80"
BEFORE = [Entry("UpstreamPoolReady", "before"), Entry("DownstreamEnd", "before", number=1)]
"""The log must have requests and lines of tries before any are joined in columns."""
POOL_READY = Entry("UpstreamPoolReady")
TRY = Entry("UpstreamEnd", status=200, answer=7)
END = Entry("DownstreamEnd", status=200, number=1, answer=7)


def pair(request_id, *, at=AT):
    """Return the lines of a request with one try."""
    return [
        Entry("UpstreamEnd", request_id, status=200, began=at, written=at),
        Entry("DownstreamEnd", request_id, status=200, began=at, written=at, number=1),
    ]


HAZARDS = {
    "a pair": [BEFORE, [POOL_READY, TRY, END]],
    "pairs among each other": [BEFORE, [*pair("b"), TRY, *pair("c"), POOL_READY, END, *pair("d")]],
    "an earlier try waits": [[*BEFORE, Entry("UpstreamEnd", status=503, host=OTHER)], [TRY, END]],
    "an earlier try waits, of no known number": [
        [*BEFORE, Entry("UpstreamEnd", status=503, host=OTHER)],
        [TRY, Entry("DownstreamEnd", status=200, number=2)],
    ],
    "the line of an earlier request's try is to come": [[*BEFORE, END], [TRY, END]],
    "two tries": [BEFORE, [Entry("UpstreamEnd", status=503, host=OTHER), TRY, END]],
    "the same try twice": [BEFORE, [TRY, TRY, Entry("DownstreamEnd", status=200, number=2)]],
    "two requests": [BEFORE, [TRY, END, END]],
    "two requests before the try": [BEFORE, [END, TRY, END]],
    "a try that failed in the same way": [
        BEFORE,
        [Entry("UpstreamEnd", status=503), Entry("DownstreamEnd", status=503, number=1)],
    ],
    "another status": [BEFORE, [Entry("UpstreamEnd", status=503), END]],
    "an earlier try at the same host": [
        BEFORE,
        [Entry("UpstreamEnd", status=503), Entry("DownstreamEnd", status=200, number=2)],
    ],
    "another host": [BEFORE, [Entry("UpstreamEnd", status=200, host=OTHER), END]],
    "another client": [BEFORE, [Entry("UpstreamEnd", status=200, client="192.0.2.9:5"), END]],
    "another time": [BEFORE, [Entry("UpstreamEnd", status=200, began=AT - 5 * SECOND), END]],
    "a later time": [BEFORE, [Entry("UpstreamEnd", status=200, took=5_000), END]],
    "no id": [BEFORE, [Entry("UpstreamEnd", "-", status=200), Entry("DownstreamEnd", "-", status=200, number=1)]],
    "no request before a try without an id": [[Entry("UpstreamEnd", "-", status=200), TRY, END]],
    "a try that waits for long": [
        [*BEFORE, Entry("UpstreamEnd", "lost")],
        [*pair("b", at=AT + 70 * SECOND), *pair("c", at=AT + 70 * SECOND)],
    ],
    "a try that comes late": [
        BEFORE,
        pair("b", at=AT + 50 * SECOND),
        [Entry("UpstreamEnd", "lost", began=AT - 10 * SECOND, written=AT - 10 * SECOND), *pair("c")],
    ],
    "an id with what must be escaped": [BEFORE, [*pair("\u00e4"), *pair(r"a\b")]],
    "a slow request": [
        BEFORE,
        [
            Entry("UpstreamEnd", status=200, began=AT + 400 * MILLISECOND, took=30, answer=9),
            Entry("DownstreamEnd", status=200, took=500, number=1, answer=9),
        ],
    ],
}


@pytest.mark.parametrize("log_format", [FORMAT, JSON_FORMAT], ids=["text", "JSON"])
@pytest.mark.parametrize("hazard", HAZARDS)
def test_hazards(hazard, log_format):
    log = Log(log_format)
    for chunk in HAZARDS[hazard]:
        log.add(*chunk)
    log.end()
    assert len(log.rows) == sum(map(len, HAZARDS[hazard]))


def test_a_pair_in_two_chunks():
    log = Log()
    log.add(*BEFORE)
    log.add(POOL_READY, TRY)
    log.add(END)
    log.end()
    assert [row["kind"] for row in log.rows[-3:]] == ["try", "try", "access"]
    assert not log.lone


def test_what_a_pair_has():
    """The answer is that of the request's line; the time and the length are the try's."""
    log = Log()
    log.add(*BEFORE)
    log.add(
        Entry("UpstreamEnd", status=200, began=AT + 400 * MILLISECOND, took=30, answer=9),
        Entry("DownstreamEnd", status=200, took=500, number=1, answer=9),
    )
    of_try, request = log.rows[-2:]
    assert (of_try["kind"], of_try["bytes_received"], of_try["body_bytes_sent"]) == ("try", 0, 9)
    assert "attempts" not in of_try
    [attempt] = request["attempts"]
    assert (attempt["status"], attempt["response_time"], attempt["response_length"]) == (200, 0.03, 9)
