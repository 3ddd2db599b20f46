"""Logs of tries written by clients and tenants who want to be in the way of others: all that waits is bounded."""

import gc
import random
import tracemalloc
from dataclasses import replace

import orjson
import pytest

from enricher.daemon.waiting_lines import dump_lines
from enricher.enrich import waiting_tries
from enricher.enrich.tries import MAX_EARLY_REQUESTS, MAX_WAIT
from enricher.enrich.waiting_tries import MAX_ALIKE
from enricher.line import Line
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import RequestMissing
from tests.support.calls import calls
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.envoy_tries import JSON_FORMAT, SOURCE, Entry, Log

END = Entry("DownstreamEnd", "first", 200, number=1)


def tries(name, number):
    return [Entry("UpstreamEnd", f"{name}-{n}", 503) for n in range(number)]


def source_of(namespace, number):
    return replace(SOURCE, path=f"/{namespace}/{number}", namespace=namespace, pod=f"envoy-{number}")


def waiting_of(log, source):
    return log.engine._joiners[source].waiting_lines()


@pytest.mark.parametrize("name", ["MAX_TRIES", "MAX_SIZE"])
def test_a_namespace_takes_no_room_from_another(monkeypatch, name):
    """However many logs it writes, the other keeps its half, and there is no more room for all."""
    size = len(tries("calm", 1)[0].text(Log().log_format)) + 5
    monkeypatch.setattr(waiting_tries, name, 100 if name == "MAX_TRIES" else 100 * size)
    log, calm = Log(), source_of("calm", 0)
    log.add(END, *tries("calm", 40), source=calm)
    tenant = [source_of("tenant", number) for number in range(20)]
    for _ in range(3):
        for source in tenant:
            log.add(END, *tries(source.pod, 60), source=source)
    for source in (calm, *tenant):  # as the daemon does when nothing comes
        log.release(AT, source=source)
    assert len(waiting_of(log, calm)) == 40
    assert sum(len(waiting_of(log, source)) for source in tenant) <= 62
    for source in tenant:
        log.engine.forget(source)
        log._reference.forget(source)
    log.add(*tries("more", 55), source=calm)
    assert len(waiting_of(log, calm)) >= 95
    assert {row["logged_by"]["namespace"] for row in log.lone} == {"tenant"}


def test_what_waits_leaves_once_others_need_room(monkeypatch):
    monkeypatch.setattr(waiting_tries, "MAX_TRIES", 100)
    log, first, second = Log(), source_of("a", 0), source_of("b", 0)
    log.add(END, *tries("a", 100), source=first)
    log.add(END, *tries("b", 50), source=second)
    log.release(AT, source=first)
    assert [len(waiting_of(log, source)) for source in (first, second)] == [50, 50]
    assert {row["request_missing"] for row in log.lone} == {"no_room"}
    assert [row["http_x_request_id"] for row in log.lone] == [f"a-{n}" for n in range(50)]
    log.release(source=first)
    log.release(source=second)
    log.end()
    assert log.metrics.lone_tries[RequestMissing.NO_ROOM] == 50


def test_a_client_that_repeats_an_id_makes_no_line_costly():
    def calls_for(number):
        log = Log()
        log.add(END, *[Entry("UpstreamEnd", "same", 503)] * number)
        assert log.waiting == min(number, MAX_ALIKE)
        return calls(lambda: log.add(*[Entry("DownstreamEnd", "same", 200, host="10.9.9.9:80", number=1)] * 20))

    assert calls_for(2000) < 1.2 * calls_for(2 * MAX_ALIKE)


def test_any_number_of_clusters_makes_no_line_costly(monkeypatch):
    """When there is no room, all shares are looked at for the largest one, which gives up a try."""
    monkeypatch.setattr(waiting_tries, "MAX_TRIES", 2000)

    def groups_of(clusters):
        log = Log()
        fill = [Entry("UpstreamEnd", f"id-{n}", 503, cluster=f"c{n % clusters}") for n in range(2000)]
        log.add(END, *fill)
        assert log.waiting == 2000
        return len(log.engine._joiners[SOURCE]._waiting._places._groups)

    assert groups_of(100) == 100
    assert groups_of(2000) <= waiting_tries.MAX_CLUSTERS + 1


def memory_of(log, *steps):
    """Return the bytes that a log takes more after some steps."""
    log.add(END, Entry("UpstreamPoolReady"))
    gc.collect()
    tracemalloc.start()
    try:
        for lines in steps:
            log.add(*lines)
        log.rows.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_ids_of_any_length_are_not_kept():
    """Those of requests whose last try has not come."""
    steps = ([Entry("DownstreamEnd", f"{n}-" + "x" * 50_000, 200, number=1)] for n in range(150))
    assert memory_of(Log(), *steps) < 2_000_000
    assert MAX_EARLY_REQUESTS > 150


@pytest.mark.parametrize("value", [[[]] * 80_000, [{"a": "é"}] * 20_000, {f"k{n}": n for n in range(20_000)}])
def test_what_waits_takes_no_more_memory_than_text(value):
    """As objects, values take some twenty times as much as in their line."""
    log, stamp = Log(JSON_FORMAT), format_rfc3339(AT).encode()
    usual = [orjson.loads(entry.text(JSON_FORMAT)) for entry in tries("large", 6)]
    texts = [orjson.dumps(fields | {"value": value}) for fields in usual]
    log.add(END, Entry("UpstreamPoolReady"))
    gc.collect()
    tracemalloc.start()
    for text in texts:
        steps = log.engine.enrich(SOURCE, [Line(text, stamp, "stdout")], log._histories)
        assert sum(output.data.count(b"\n") for output in steps) == 0
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(waiting_of(log, SOURCE)) == 6
    assert taken < 3 * sum(map(len, texts))


@pytest.mark.parametrize("text", [bytes(range(256)) * 40, b"\0" * 10_000, b"\xff" * 10_000])
def test_what_is_saved_takes_little_room(text):
    """A checkpoint that is larger than a state file may be has the positions of all logs set aside."""
    lines = [Line(text, b"2026-07-30T00:00:00Z", "stdout")] * 10
    assert len(orjson.dumps(dump_lines(lines))) < 1.5 * sum(len(line.text) for line in lines)


@pytest.mark.parametrize("seed", range(20))
def test_clocks_that_jump(seed):
    """Once the time goes on as before, tries find their requests again, and none waits for the time to be reached."""
    rng, log, now = random.Random(seed), Log(), AT
    log.add(END)
    for n in range(30):
        now += rng.choice((SECOND, SECOND, -5 * MAX_WAIT, 10**6 * SECOND, -(10**6) * SECOND))
        log.add(replace(tries(f"lost{n}", 1)[0], written=now))
    log.add(Entry("UpstreamEnd", "lost", 503, written=now))
    now -= 2 * MAX_WAIT
    first = replace(tries("found", 1)[0], written=now)
    log.add(first, replace(END, request_id="found-0", host="10.0.0.2:80", number=2, written=now + SECOND))
    assert len(log.of_kind("access")[-1]["attempts"]) == 2
    log.release(now + 2 * MAX_WAIT)
    assert not log.waiting
    log.end()
