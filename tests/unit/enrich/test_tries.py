"""Envoy's lines of tries beside those of requests: each goes out once, and each try is an attempt of one record."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from enricher.timestamps import MILLISECOND
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.envoy_tries import (
    FORMAT,
    JSON_FORMAT,
    WITHOUT_NUMBER,
    Entry,
    Log,
    interleave,
    lose,
    make_request,
)

CLIENTS = [f"192.0.2.{n}:{50000 + n}" for n in range(3)]


def feed(rng, log, lines, *, is_block=True):
    """Give lines to a log in chunks that end anywhere."""
    cuts = [0, *sorted(rng.sample(range(1, len(lines)), 6)), len(lines)]
    for begin, end in pairwise(cuts):
        log.add(*lines[begin:end], is_block=is_block)
        if rng.random() < 0.3:
            log.release(AT)


@pytest.mark.parametrize("is_block", [True, False])
@pytest.mark.parametrize("log_format", [FORMAT, JSON_FORMAT, WITHOUT_NUMBER])
@pytest.mark.parametrize("seed", range(10))
def test_each_request_has_its_tries(seed, log_format, is_block):
    rng, log = random.Random(seed), Log(log_format)
    hosts = [f"10.0.{n // 200}.{n % 200}:80" for n in range(400)]
    requests = []
    for n in range(40):
        began = AT + rng.randrange(500) * MILLISECOND
        requests.append(make_request(rng, f"id-{n}", hosts[8 * n : 8 * n + 8], rng.choice(CLIENTS), began))
        if rng.random() < 0.1:
            lose(requests[-1], "DownstreamEnd")
        elif rng.random() < 0.2:
            lose(requests[-1], "UpstreamPoolReady")
    lines = interleave(rng, [request.lines for request in requests])
    feed(rng, log, lines, is_block=is_block)
    log.end()
    assert len(log.rows) == len(lines)
    rows = {row["http_x_request_id"]: row for row in log.of_kind("access")}
    assert rows.keys() == {request.request_id for request in requests if request.is_complete}
    for request in requests:
        if request.is_complete:
            attempts = rows[request.request_id]["attempts"]
        else:
            attempts = [row["attempts"][0] for row in log.lone if row["http_x_request_id"] == request.request_id]
        assert [attempt["addr"] for attempt in attempts] == [host for host, _ in request.attempts]
    assert len(log.lone) == sum(len(request.attempts) for request in requests if not request.is_complete)
    assert sum(each.requests for each in log.metrics.requests.values()) == len(rows)


def requests_with_few_ids(rng, *, are_distinct):
    """Return requests some of which have the same id, host and time, and the same client unless they are distinct."""
    hosts, requests = [f"10.0.0.{n}:80" for n in range(rng.choice((2, 4, 20)))], []
    for n in range(20):
        began = AT + rng.randrange(rng.choice((20, 2000))) * MILLISECOND
        client = f"192.0.2.{n}:50000" if are_distinct else rng.choice(CLIENTS)
        requests.append(make_request(rng, rng.choice("abc"), [rng.choice(hosts) for _ in range(8)], client, began))
        if rng.random() < 0.1:
            lose(requests[-1], "DownstreamEnd")
    return requests


def found_and_tried(log, requests):
    """Return how often each host is in an attempt, and how often it was tried."""
    attempts = [attempt for row in log.rows for attempt in row.get("attempts", ())]
    # Without a host for another try, a request names that of the one before.
    found = Counter(each["addr"] for each in attempts if each.get("reason") != "no_live_upstreams")
    return found, Counter(host for request in requests for host, _ in request.attempts)


@pytest.mark.parametrize("log_format", [FORMAT, JSON_FORMAT, WITHOUT_NUMBER])
@pytest.mark.parametrize("seed", range(30))
def test_clients_with_the_same_id(seed, log_format):
    rng, log = random.Random(seed), Log(log_format)
    requests = requests_with_few_ids(rng, are_distinct=True)
    feed(rng, log, interleave(rng, [request.lines for request in requests]))
    log.end()
    assert len(log.rows) == sum(len(request.lines) for request in requests)
    found, tried = found_and_tried(log, requests)
    assert found == tried
    assert sum(log.metrics.grades.values()) == sum(tried.values())
    lost = sum(len(request.attempts) for request in requests if not request.is_complete)
    # If the client left and the number of tries is not logged, an earlier try at the same host passes for the last.
    assert len(log.lone) == lost or (log_format == WITHOUT_NUMBER and len(log.lone) > lost)


@pytest.mark.parametrize("seed", range(30))
def test_a_client_that_repeats_an_id(seed):
    """Requests at the same time with the same id and path are mistaken for each other, but no try is lost."""
    rng, log = random.Random(seed), Log()
    requests = requests_with_few_ids(rng, are_distinct=False)
    feed(rng, log, interleave(rng, [request.lines for request in requests]))
    log.end()
    assert len(log.rows) == sum(len(request.lines) for request in requests)
    assert len(log.of_kind("access")) == sum(request.is_complete for request in requests)
    found, tried = found_and_tried(log, requests)
    assert not tried - found
    assert (found - tried).total() <= sum(not request.is_complete for request in requests) + len(requests) // 4


def test_the_time_tells_requests_with_one_id_apart():
    log, later = Log(), AT + 10_000 * MILLISECOND
    log.add(
        Entry("UpstreamEnd", status=503, host="10.0.0.1:80"),  # its request's line is lost
        Entry("UpstreamEnd", status=503, host="10.0.0.2:80", began=later, written=later),
        Entry("UpstreamEnd", status=200, host="10.0.0.3:80", began=later, written=later),
        Entry("DownstreamEnd", status=200, host="10.0.0.3:80", began=later, written=later, number=2),
    )
    log.end()
    [request] = log.of_kind("access")
    assert [attempt["addr"] for attempt in request["attempts"]] == ["10.0.0.2:80", "10.0.0.3:80"]
    assert [row["upstream_addr"] for row in log.lone] == ["10.0.0.1:80"]


def test_the_number_of_tries_tells_requests_with_one_id_apart():
    log = Log()
    log.add(
        Entry("UpstreamEnd", status=503, host="10.0.0.1:80"),
        Entry("UpstreamEnd", status=200, host="10.0.0.2:80"),
        Entry("DownstreamEnd", status=200, host="10.0.0.2:80", number=1),
        Entry("UpstreamEnd", status=200, host="10.0.0.3:80"),
        Entry("DownstreamEnd", status=200, host="10.0.0.3:80", number=2),
    )
    log.end()
    assert [[attempt["addr"] for attempt in row["attempts"]] for row in log.of_kind("access")] == [
        ["10.0.0.2:80"],
        ["10.0.0.1:80", "10.0.0.3:80"],
    ]
