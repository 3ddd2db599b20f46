"""Tries whose request's line does not come, comes too late, or cannot be told."""

import orjson
import pytest

from enricher.enrich import waiting_tries
from enricher.enrich.engine import Hold
from enricher.enrich.tries import MAX_WAIT
from enricher.tailer.framing import Framer
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import RequestMissing
from tests.unit.enrich.controller_lines import AT, make_histories
from tests.unit.enrich.generators.envoy_tries import FORMAT, SOURCE, Entry, Log

END = Entry("DownstreamEnd", status=200, number=1)
OTHER_END = Entry("DownstreamEnd", "other", status=200, host="10.0.0.9:80", number=1)
TRY = Entry("UpstreamEnd", status=503, answer=120, took=30)


def kinds(log):
    return [row["kind"] for row in log.rows]


def missing(log):
    return [row.get("request_missing") for row in log.rows]


def test_it_waits_and_goes_out_alone():
    log = Log()
    log.add(OTHER_END, TRY)
    assert kinds(log) == ["access"]
    assert log.waiting == 1
    log.release(AT + MAX_WAIT - 1)
    assert kinds(log) == ["access"]
    log.release(AT + MAX_WAIT)
    assert kinds(log) == ["access", "try"]
    row = log.rows[1]
    assert row["request_missing"] == "late"
    assert row["http_x_request_id"] == "a"
    [attempt] = row["attempts"]
    assert (attempt["status"], attempt["response_time"], attempt["response_length"]) == (503, 0.03, 120)
    assert attempt["outcome"] == "unknown"
    log.end()
    assert log.metrics.lone_tries[RequestMissing.LATE] == 1
    assert sum(log.metrics.grades.values()) == 2
    assert sum(series.requests for series in log.metrics.requests.values()) == 1
    [error] = [labels for series in log.metrics.pods.values() for labels in series.errors]
    assert (error.retried, error.outcome) == ("false", "unknown")


def test_time_goes_on_with_the_log():
    """Without a clock, later lines say that it has waited for long enough."""
    log = Log()
    log.add(OTHER_END, TRY, Entry("DownstreamEnd", "b", status=200, number=1, written=AT + MAX_WAIT + 1))
    assert missing(log) == [None, "late", None]


def test_the_rest_of_a_long_request():
    """The first try has gone out alone by the time the request ends; the others are its attempts."""
    log, later = Log(), AT + 2 * MAX_WAIT
    log.add(OTHER_END, TRY)
    log.release(later)
    took = (later - AT) // MILLISECOND
    log.add(
        Entry("UpstreamEnd", status=503, host="10.0.0.2:80", began=later - SECOND, written=later),
        Entry("UpstreamEnd", status=200, host="10.0.0.3:80", began=later, took=0, written=later),
        Entry("DownstreamEnd", status=200, host="10.0.0.3:80", took=took, number=3, written=later),
    )
    log.end()
    assert [attempt["addr"] for attempt in log.of_kind("access")[1]["attempts"]] == ["10.0.0.2:80", "10.0.0.3:80"]
    assert len(log.lone) == 1


def test_the_end_of_the_log():
    log = Log()
    log.add(END, TRY, TRY)
    log.end()
    assert missing(log) == [None, "ended", "ended"]


def test_the_middle_of_a_log():
    """The lines of the first tries were before; those that are there are the request's."""
    log = Log()
    log.add(
        Entry("UpstreamEnd", status=200, host="10.0.0.3:80"),
        Entry("DownstreamEnd", status=200, host="10.0.0.3:80", number=3),
        Entry("DownstreamEnd", "b", status=200, host="10.0.0.4:80", number=2),
    )
    log.end()
    assert [[attempt["addr"] for attempt in row["attempts"]] for row in log.of_kind("access")] == [
        ["10.0.0.3:80"],
        ["10.0.0.4:80"],
    ]
    assert not log.lone


def test_a_log_of_nothing_but_tries():
    """Each try is an attempt, none is a request."""
    log = Log()
    log.add(TRY, Entry("UpstreamPoolReady"), Entry("UpstreamEnd", "-", status=503))
    assert kinds(log) == ["try", "try"]
    log.end()
    assert missing(log) == [None, "late", "ended"]
    assert not log.metrics.requests
    assert sum(log.metrics.grades.values()) == 2


def test_tries_without_an_id():
    """They cannot be joined: the request's own line has the last of them, and the others are not counted twice."""
    log = Log()
    log.add(Entry("DownstreamEnd", "-", 200, number=1), Entry("UpstreamEnd", "-", 200), Entry("UpstreamEnd", "-", 503))
    log.add(Entry("DownstreamEnd", "-", 200, number=2))
    log.end()
    assert kinds(log) == ["access", "try", "try", "access"]
    assert sum(log.metrics.grades.values()) == 2


def test_several_logs():
    """The tries of one Envoy are not those of another, whatever their ids."""
    log, other = Log(), SOURCE.__class__("/var/log/pods/y", "edge", "envoy-2", "u-2", "envoy")
    log.add(TRY)
    log.add(END, source=other)
    log.release()
    assert missing(log) == [None, "ended"]


@pytest.mark.parametrize("name", ["MAX_TRIES", "MAX_SIZE"])
def test_one_cluster_does_not_take_the_places_of_another(monkeypatch, name):
    size = len(Entry("UpstreamEnd", "calm", 503).text(FORMAT))
    monkeypatch.setattr(waiting_tries, name, 10 if name == "MAX_TRIES" else 10 * size + 9)
    log = Log()
    calm = [Entry("UpstreamEnd", f"calm{n}", 503, cluster="calm") for n in range(3)]
    log.add(OTHER_END, *calm, *(Entry("UpstreamEnd", f"loud{n}", 503, cluster="loud") for n in range(50)))
    assert 8 <= log.waiting <= 10
    assert {row["upstream_cluster"] for row in log.lone} == {"loud"}
    assert [row["http_x_request_id"] for row in log.lone] == [f"loud{n}" for n in range(len(log.lone))]
    log.add(*(Entry("DownstreamEnd", f"calm{n}", 200, number=2, host="10.0.0.2:80") for n in range(3)))
    assert [len(row["attempts"]) for row in log.of_kind("access")[1:]] == [2, 2, 2]
    log.end()
    assert log.metrics.lone_tries[RequestMissing.NO_ROOM] == len(
        [row for row in log.lone if row["request_missing"] == "no_room"]
    )


def test_requests_without_tries_are_not_remembered_for_ever():
    """Logs of tries may be filtered, so that most requests have none."""
    log = Log()
    log.add(Entry("UpstreamPoolReady"))
    for n in range(3):
        log.add(*(Entry("DownstreamEnd", f"{n}-{number}", 200, number=1) for number in range(1000)))
        log.add(*(Entry("DownstreamEnd", "same", 200, number=1) for _ in range(1000)))
    joiner = log.engine._joiners[SOURCE]
    assert sum(map(len, joiner._early.values())) <= 1_100


@pytest.mark.parametrize("request_id", ["x" * 60_000, '"\\x00', "a\u202eb"])
def test_ids_of_hostile_clients(request_id):
    log = Log()
    line = Entry("UpstreamEnd", request_id, 503)
    log.add(line, Entry("DownstreamEnd", request_id, 503, number=1))
    log.end()
    assert len(log.rows) == 2
    assert sum(log.metrics.grades.values()) == 1


def test_both_kinds_in_formats_of_their_own():
    """A log may have text for requests and JSON for tries."""
    log = Log()
    names = FORMAT.split()
    log_formats = (FORMAT, orjson.dumps({name: name for name in names}).decode())
    log = Log(*log_formats)
    log.log_format = log_formats[1]
    log.add(Entry("UpstreamEnd", status=503, host="10.0.0.2:80"), Entry("UpstreamEnd", status=200))
    log.log_format = log_formats[0]
    log.add(Entry("DownstreamEnd", status=200, number=2))
    log.end()
    assert kinds(log) == ["try", "try", "access"]
    assert len(log.rows[2]["attempts"]) == 2


def test_what_waits_while_a_line_waits_for_the_watch():
    """A checkpoint may be made then: it has the lines that are not written, but no line that is still to be read."""
    entries = [
        TRY,
        Entry("DownstreamEnd", "b", 200, host="10.9.9.9:80", number=1),
        Entry("UpstreamEnd", status=200),
        END,
    ]
    lines = list(Framer().feed(b"".join(entry.framed(FORMAT) for entry in entries)))
    log, times = Log(), iter([AT, AT + 2 * SECOND, AT + 2 * SECOND])
    steps = list(log.engine.enrich(SOURCE, lines, make_histories(), lambda: next(times)))
    first, hold, last = steps
    assert isinstance(hold, Hold)
    assert (first.lines, first.data, list(first.waiting)) == (1, b"", lines[:1])
    assert (last.lines, last.data.count(b"\n"), list(last.waiting)) == (4, 3, [lines[0]])
