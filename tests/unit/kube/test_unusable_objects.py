"""Objects that cannot be used, whatever is wrong with them, do not keep the watch from showing all others."""

import logging

import pytest

from demo.fake_api import FakeApi, event_line, list_body, slice_of, stream
from enricher.kube import watcher
from enricher.kube.objects import OBJECT_LIMIT
from enricher.kube.watch_status import LOG_INTERVAL, MAX_LOGGED_NAMESPACES, WatchStatus
from enricher.kube.watcher import Changed

POISON = {
    "long": b'"a":"' + b"<" * OBJECT_LIMIT + b'"',
    "deep": b'"a":' + b'{"f:a":' * 1500 + b"1" + b"}" * 1500,
    "surrogate": rb'"a":"\ud800"',
    "latin": b'"a":"\xff"',
}
HEADS = {
    "event": b'"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",',
    "item": b"",
}


def poisoned(kind, version, poison, name=b"bad"):
    """Return an object as an API server writes it, with a fault in it."""
    head = HEADS[kind] + b'"metadata":{"name":"%b","generateName":"b","namespace":"tenant","uid":"u",' % name
    return b'{%b"resourceVersion":"%d","managedFields":[{}]},%b}' % (head, version, poison)


def event(type_, *args, **kwargs):
    return b'{"type":"%b","object":%b}\n' % (type_, poisoned("event", *args, **kwargs))


@pytest.mark.parametrize("type_", [b"ADDED", b"MODIFIED", b"DELETED"])
@pytest.mark.parametrize("poison", POISON)
async def test_in_an_event(open_bench, poison, type_, caplog):
    async with open_bench() as bench:
        await bench.started()
        good = slice_of("good", {})
        good["metadata"]["resourceVersion"] = "9"
        bench.server.fail(stream(event(type_, 8, POISON[poison]), event_line("ADDED", good), then="hang"))
        bench.server.drop()
        change = await bench.next()
        identity = {"namespace": "tenant", "name": "bad", "resourceVersion": "8"}
        assert (change.type, change.object) == ("DELETED", {"metadata": identity})
        assert (await bench.next()).object == good
        assert bench.status.synced
        assert bench.status.restarts == {"closed": 1}
        assert bench.status.unusable_objects == 1
        assert "left out 1 of the endpointslices in namespace tenant (bad), because it is" in caplog.text


async def test_one_that_changes_all_the_time_does_not_keep_the_watch_out_of_sync(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(*(event(b"MODIFIED", 10 + n, POISON["deep"]) for n in range(50)), then="hang"))
        bench.server.drop()
        for _ in range(50):
            assert isinstance(await bench.next(), Changed)
        assert (bench.lists, bench.status.synced) == (["0"], True)


async def test_the_watch_goes_on_after_it(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(event(b"MODIFIED", 8, POISON["long"])))
        bench.server.drop()
        await bench.next()
        await bench.until(lambda: len(bench.watches) == 3)
        assert bench.watches == ["1", "1", "8"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("poison", POISON)
async def test_in_a_list(open_bench, poison, place, caplog):
    items = [b'{"metadata":{"name":"good-%d"}}' % n for n in range(2)]
    items.insert(place, poisoned("item", 3, POISON[poison]))
    server = FakeApi()
    server.fail(stream(b'{"metadata":{"resourceVersion":"1"},"items":[%b]}\n' % b",".join(items)))
    async with open_bench(server) as bench:
        listed = await bench.started()
        assert [item["metadata"]["name"] for item in listed.items] == ["good-0", "good-1"]
        assert bench.status.restarts == {}
        assert bench.status.unusable_objects == 1
        assert "in namespace tenant (bad)" in caplog.text


async def test_an_author_cannot_give_it_the_name_of_another(open_bench):
    """Of the texts that an author chooses, none is read as the object's identity."""
    quoted = b'"metadata":{"name":"victim","namespace":"shop","resourceVersion":"99"}'
    forgeries = (quoted, b'"labels":' + quoted[11:], b'"a":"%b"' % quoted.replace(b'"', b'\\"'))
    async with open_bench() as bench:
        await bench.started()
        lines = [event(b"ADDED", 8 + n, forgery + b"," + POISON["latin"]) for n, forgery in enumerate(forgeries)]
        bench.server.fail(stream(*lines, then="hang"))
        bench.server.drop()
        for _ in lines:
            assert (await bench.next()).object["metadata"]["namespace"] == "tenant"


async def test_without_an_identity_the_event_is_garbage(open_bench):
    async with open_bench() as bench:
        await bench.started()
        unknown = b'{"type":"ADDED","object":{"metadata":{"annotations":{"resourceVersion":"8"}},"a":"\xff"}}\n'
        bench.server.fail(stream(unknown))
        bench.server.drop()
        await bench.until(lambda: bench.status.restarts.get("garbage"))
        assert bench.status.unusable_objects == 0


async def test_a_list_that_never_ends(open_bench, monkeypatch):
    monkeypatch.setattr(watcher, "MAX_PAGES", 10)
    server = FakeApi()
    server.fail(*(stream(list_body([slice_of("a", {})], "1", next_page=f"{n}")) for n in range(10)))
    async with open_bench(server) as bench:
        assert (await bench.next()).items == []
        assert bench.status.restarts == {"oversized": 1}
        assert len(bench.pauses) == 1


async def test_a_list_whose_next_page_is_the_same_page(open_bench):
    server = FakeApi()
    server.fail(*[stream(list_body([slice_of("a", {})], "1", next_page="again"))] * 2)
    async with open_bench(server) as bench:
        assert (await bench.next()).items == []
        assert bench.status.restarts == {"garbage": 1}


async def test_of_a_list_that_is_too_large_the_largest_namespace_loses(open_bench, monkeypatch, caplog):
    monkeypatch.setattr(watcher, "LIST_LIMIT", 100)
    server = FakeApi()
    for n in range(1000):
        server.apply("ADDED", slice_of(f"many-{n}", {}, namespace="tenant"))
    for n in range(40):
        server.apply("ADDED", slice_of(f"few-{n}", {}, namespace="shop"))
    async with open_bench(server, size=lambda _: 1) as bench:
        namespaces = [item["metadata"]["namespace"] for item in (await bench.started()).items]
        assert namespaces.count("shop") == 40
        assert 50 <= namespaces.count("tenant") <= 60
        assert bench.status.unusable_objects == 1000 - namespaces.count("tenant")
        assert "of the endpointslices in namespace tenant, because all of them take too much memory" in caplog.text


def test_what_is_logged_has_a_limit(caplog):
    caplog.set_level(logging.INFO)
    status = WatchStatus(resource="endpointslices")
    for at in (0, LOG_INTERVAL - 1, LOG_INTERVAL):
        for n in range(2 * MAX_LOGGED_NAMESPACES):
            status.count_unusable(watcher.Unusable(f"tenant-{n}\x1b[2J", "a\n", "1", "it is malformed"), at)
    assert status.unusable_objects == 6 * MAX_LOGGED_NAMESPACES
    assert len(caplog.records) == 2 * MAX_LOGGED_NAMESPACES
    assert "\x1b" not in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
