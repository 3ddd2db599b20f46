"""How tries end: what each is as an attempt of its request, in the output and in the counts."""

import pytest

from enricher.accesslog.record import ErrorLabels
from enricher.timestamps import MILLISECOND
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.envoy_tries import FORMAT, JSON_FORMAT, Entry, Log

OTHER = "10.0.0.2:80"


def enriched(*entries, log_format=FORMAT):
    """Return the attempts of the only request, and the labels of all errors with their numbers."""
    log = Log(log_format)
    log.add(*entries)
    log.end()
    [request] = log.of_kind("access")
    assert not log.lone
    errors = {}
    for series in log.metrics.pods.values():
        for labels, number in series.errors.items():
            errors[labels] = errors.get(labels, 0) + number
    return request["attempts"], errors


def error(code, *, retried, origin, outcome):
    return ErrorLabels(code, retried, origin, "http", outcome, "")


def ended(attempts):
    return [(attempt["status"], attempt.get("reason"), attempt.get("outcome")) for attempt in attempts]


def test_a_retried_503_that_the_client_does_not_see():
    attempts, errors = enriched(
        Entry("UpstreamEnd", status=503), Entry("UpstreamEnd", status=200, host=OTHER),
        Entry("DownstreamEnd", status=200, host=OTHER, number=2),
    )  # fmt: skip
    assert ended(attempts) == [(503, None, "hidden"), (200, None, None)]
    assert errors == {error("503", retried="true", origin="pod", outcome="hidden"): 1}


def test_a_retried_503_that_the_client_sees():
    attempts, errors = enriched(
        Entry("UpstreamEnd", status=503), Entry("UpstreamEnd", status=503, host=OTHER),
        Entry("DownstreamEnd", status=503, flags="URX", host=OTHER, number=2),
    )  # fmt: skip
    assert ended(attempts) == [(503, None, "seen"), (503, None, "seen")]
    assert sum(errors.values()) == 2
    assert {(labels.retried, labels.outcome) for labels in errors} == {("true", "seen"), ("false", "seen")}


def test_no_connection():
    attempts, errors = enriched(
        Entry("UpstreamEnd", flags="UF"), Entry("UpstreamEnd", status=200, host=OTHER),
        Entry("DownstreamEnd", status=200, host=OTHER, number=2),
    )  # fmt: skip
    assert ended(attempts) == [(503, "unreachable", "hidden"), (200, None, None)]
    assert errors == {error("503", retried="true", origin="proxy", outcome="hidden"): 1}


def test_a_time_out_of_a_try():
    attempts, errors = enriched(
        Entry("UpstreamEnd", took=500), Entry("UpstreamEnd", status=200, host=OTHER),
        Entry("DownstreamEnd", status=200, host=OTHER, number=2, took=501),
    )  # fmt: skip
    assert ended(attempts) == [(None, None, "hidden"), (200, None, None)]
    assert [labels.code for labels in errors] == ["unknown"]


def test_a_time_out_of_the_request():
    attempts, errors = enriched(
        Entry("UpstreamPoolReady"), Entry("UpstreamEnd"), Entry("DownstreamEnd", status=504, flags="UT", number=1)
    )
    assert ended(attempts) == [(504, "timed_out", "seen")]
    assert errors == {error("504", retried="false", origin="proxy", outcome="seen"): 1}


@pytest.mark.parametrize("is_last_a_time_out", [False, True])
def test_no_host_for_another_try(is_last_a_time_out):
    """The request names the host of the try before, which is not tried once more."""
    attempts, errors = enriched(
        Entry("UpstreamEnd") if is_last_a_time_out else Entry("UpstreamEnd", flags="UF"),
        Entry("DownstreamEnd", status=503, flags="UH", number=2),
    )
    assert len(attempts) == 1
    assert attempts[0]["outcome"] == "seen"
    assert sum(errors.values()) == 1


@pytest.mark.parametrize("comes_last", ["UpstreamEnd", "DownstreamEnd"])
def test_a_client_that_left(comes_last):
    """Envoy may write the line of the try after that of the request."""
    lines = [Entry("UpstreamEnd"), Entry("DownstreamEnd", flags="DC", number=1)]
    attempts, errors = enriched(*sorted(lines, key=lambda entry: entry.type == comes_last))
    assert ended(attempts) == [(None, None, None)]
    assert not errors


def test_a_websocket():
    """The try and the request end together, long after they began."""
    took = 3_600_000
    attempts, _ = enriched(
        Entry("UpstreamPoolReady", took=1),
        Entry("UpstreamEnd", status=101, took=took, written=AT + took * MILLISECOND),
        Entry("DownstreamEnd", status=101, took=took, written=AT + took * MILLISECOND, number=1),
    )
    assert ended(attempts) == [(101, None, None)]


def test_an_internal_redirect():
    """Each of the two is a request with its own tries, although they have the same id."""
    log = Log()
    log.add(
        Entry("UpstreamEnd", status=302), Entry("DownstreamEnd", status=302, number=1),
        Entry("UpstreamEnd", status=200, host=OTHER), Entry("DownstreamEnd", status=200, host=OTHER, number=1),
    )  # fmt: skip
    log.end()
    assert [[attempt["status"] for attempt in row["attempts"]] for row in log.of_kind("access")] == [[302], [200]]
    assert not log.lone


def test_two_tries_at_once():
    """Of hedged tries, the one whose answer the client got counts as the last, whichever line comes first."""
    lines = [Entry("UpstreamEnd", status=200), Entry("UpstreamEnd", host=OTHER)]
    for order in (lines, lines[::-1]):
        attempts, errors = enriched(*order, Entry("DownstreamEnd", status=200, number=2))
        assert [attempt["status"] for attempt in attempts] == [None, 200]
        assert {labels.outcome for labels in errors} == {"hidden"}


@pytest.mark.parametrize("log_format", [FORMAT, JSON_FORMAT])
def test_lengths_and_times(log_format):
    """Each attempt has its own; in the lines of tries Envoy swaps what it received and what it sent."""
    log = Log(log_format)
    log.add(
        Entry("UpstreamEnd", status=503, answer=11, took=250),
        Entry("UpstreamEnd", status=200, answer=22, took=30, host=OTHER),
        Entry("DownstreamEnd", status=200, answer=22, took=290, host=OTHER, number=2),
    )
    attempts = log.rows[2]["attempts"]
    assert [(each["response_length"], each["response_time"]) for each in attempts] == [(11, 0.25), (22, 0.03)]
    assert not any("response_time_of" in each for each in attempts)
    assert [(row["bytes_received"], row["body_bytes_sent"]) for row in log.rows] == [(0, 11), (0, 22), (0, 22)]


@pytest.mark.parametrize("type_", ["DownstreamStart", "DownstreamPeriodic", "UpstreamPeriodic", "TcpUpstreamConnected"])
def test_what_is_not_an_end(type_):
    log = Log()
    log.add(Entry(type_), Entry("DownstreamEnd", status=200, number=1))
    log.end()
    assert [row["kind"] for row in log.rows] == ["try", "access"]
    assert "attempts" not in log.rows[0]


def test_calls_of_grpc():
    log = Log(f"{FORMAT} %GRPC_STATUS_NUMBER%")
    log.add_texts(
        Entry("UpstreamEnd", status=200).text(FORMAT) + b" 14",
        Entry("UpstreamEnd", status=200, host=OTHER).text(FORMAT) + b" 0",
        Entry("DownstreamEnd", status=200, host=OTHER, number=2).text(FORMAT) + b" 0",
    )
    log.end()
    attempts = log.rows[2]["attempts"]
    assert [(each.get("grpc_status"), each.get("outcome")) for each in attempts] == [
        ("UNAVAILABLE", "hidden"),
        (None, None),
    ]
