"""The watch against every fault an API server, or the way to it, can have. One fault, one test."""

import asyncio
import random
from functools import partial

import pytest
from aiohttp import web

from demo.fake_api import GONE, FakeApi, event_line, hang, list_body, slice_of, status, stream
from enricher.kube import events, watcher
from enricher.kube.client import connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Changed, Listed, Resource, WatchTiming, watch

SHORT_TIMEOUT = WatchTiming(idle_timeout=0.2)


def names(listed):
    return sorted(item["metadata"]["name"] for item in listed.items)


def name(change):
    return change.object["metadata"]["name"]


# How it goes without faults


async def test_lists_from_the_cache_then_watches_from_the_list_on(open_bench):
    async with open_bench() as bench:
        assert await bench.next() == Listed([], 1_000_000_000, 1_000_000_000)
        await bench.connected()
        await bench.until(lambda: bench.status.synced)
        bench.now = 2_000_000_000
        bench.server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}))
        change = await bench.next()
        assert (change.type, name(change), change.at) == ("ADDED", "a", 2_000_000_000)
        assert bench.lists == ["0"]
        assert bench.server.requests[1].query == {
            "watch": "1",
            "resourceVersion": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "240",
        }
        assert bench.status.synced
        assert bench.status.last_event_at == 2_000_000_000
        assert bench.status.restarts == {}


async def test_a_list_is_as_of_when_it_began_to_arrive(open_bench):
    async with open_bench() as bench:
        body = list_body([], "7")

        async def slowly(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(body[:10])
            await asyncio.sleep(0.05)
            bench.now = 9_000_000_000
            await response.write(body[10:])
            return response

        bench.server.fail(slowly)
        assert await bench.next() == Listed([], 1_000_000_000, 1_000_000_000)


async def test_watches_one_namespace(open_bench):
    async with open_bench(namespace="shop") as bench:
        await bench.started()
        bench.server.apply("ADDED", slice_of("other", {}, namespace="default"))
        bench.server.apply("ADDED", slice_of("ours", {}, namespace="shop"))
        assert name(await bench.next()) == "ours"
        assert {request.path for request in bench.server.requests} == {
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        }


async def test_watches_any_resource(open_bench):
    async with open_bench(resource=Resource("", "v1", "services")) as bench:
        await bench.started()
        bench.server.apply("ADDED", {"metadata": {"name": "web", "namespace": "shop"}}, plural="services")
        assert name(await bench.next()) == "web"
        assert bench.server.requests[0].path == "/api/v1/services"


async def test_takes_pages_if_the_server_makes_them(open_bench):
    server = FakeApi()
    server.fail(
        stream(list_body([slice_of("a", {})], "5", next_page="token")),
        stream(list_body([slice_of("b", {})], "5")),
    )
    async with open_bench(server) as bench:
        assert names(await bench.next()) == ["a", "b"]
        assert server.requests[1].query == {"continue": "token"}


async def test_closes_its_connection_with_its_consumer(tmp_path):
    async with FakeApi() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        async with connect(str(tmp_path / "kubeconfig")) as api:
            server.apply("ADDED", slice_of("a", {}))
            updates = watch(api, status=WatchStatus())
            await anext(updates)
            server.apply("ADDED", slice_of("b", {}))
            await anext(updates)
            assert server.watch_count == 1
            await updates.aclose()
            async with asyncio.timeout(5):
                while server.watch_count:  # noqa: ASYNC110  # the server hears of it by the network
                    await asyncio.sleep(0.001)


# Interruptions


async def test_resumes_after_a_drop_without_a_new_list(open_bench, caplog):
    async with open_bench() as bench:
        await bench.started()
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.next()
        caplog.clear()
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 2)
        bench.server.apply("ADDED", slice_of("b", {}))
        assert name(await bench.next()) == "b"
        assert bench.lists == ["0"]
        assert bench.watches == ["1", "2"]
        assert bench.status.restarts == {"closed": 1}
        assert bench.pauses == [0.5]
        assert bench.status.synced
        assert caplog.records == []


async def test_a_connection_that_lasted_is_replaced_at_once(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.now += 10_000_000_000
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 2)
        assert bench.pauses == [0.0]


async def test_a_bookmark_moves_the_version(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.bookmark()
        bench.now = 5_000_000_000
        bench.server.bookmark()
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 2)
        assert bench.watches == ["1", "3"]
        assert bench.status.last_event_at == 5_000_000_000
        assert [(await bench.next()).type, (await bench.next()).type] == ["BOOKMARK", "BOOKMARK"]


async def test_what_a_new_connection_brings_may_have_happened_since_the_last_was_heard(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.now = 5_000_000_000
        bench.server.bookmark()
        await bench.next()
        bench.server.apply("ADDED", slice_of("a", {}))
        assert (await bench.next()).earliest == 5_000_000_000
        bench.now = 60_000_000_000

        def away(_: int) -> None:
            bench.now = 65_000_000_000
            bench.server.apply("ADDED", slice_of("b", {}))

        bench.at_pause = away
        bench.server.drop()
        missed = await bench.next()
        assert (missed.at, missed.earliest) == (65_000_000_000, 60_000_000_000)
        bench.now = 70_000_000_000
        bench.server.apply("ADDED", slice_of("c", {}))
        live = await bench.next()
        assert (live.at, live.earliest) == (70_000_000_000, 70_000_000_000)


async def test_a_connection_cut_in_the_middle(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(
            stream(
                event_line("ADDED", slice_of("x", {}) | {"metadata": {"name": "x", "resourceVersion": "9"}})[:-9],
                then="abort",
            )
        )
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 3)
        assert bench.watches == ["1", "1", "1"]
        assert bench.status.restarts == {"closed": 2}
        assert bench.idle


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_hot_and_not_called_in_sync(open_bench, caplog):
    async with open_bench() as bench:
        await bench.started()
        caplog.clear()
        bench.server.fail(*[stream()] * 4)
        bench.server.drop()
        await bench.next()
        assert bench.pauses == [0.5, 1, 2, 4, 8]
        assert bench.lists == ["0", "1"]
        await bench.connected()
        assert not bench.status.synced
        bench.server.bookmark()
        await bench.until(lambda: bench.status.synced)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_after_a_failure_a_connection_that_lasts_is_believed_though_nothing_happens(open_bench, monkeypatch):
    """In a quiet cluster the next bookmark may be a minute away."""
    monkeypatch.setattr(watcher, "CATCH_UP_TIME", 0.01)
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(), stream(GONE))
        bench.server.drop()
        await bench.until(lambda: not bench.status.synced)
        await bench.next()
        await bench.until(lambda: bench.status.synced)


async def test_after_silence_it_is_not(open_bench, monkeypatch):
    """A server that was set back behind our version answers, and says nothing until it has caught up."""
    monkeypatch.setattr(watcher, "CATCH_UP_TIME", 0.01)
    async with open_bench(timing=SHORT_TIMEOUT) as bench:
        await bench.started()
        bench.server.fail(stream(then="hang"), stream(then="hang"))
        bench.server.drop()
        await bench.until(lambda: bench.status.restarts.get("silence") == 1)
        assert not bench.status.synced
        await bench.until(lambda: len(bench.pauses) == 3)
        await bench.until(lambda: bench.status.restarts.get("silence") == 2)
        assert not bench.status.synced


async def test_a_connection_after_an_outage_has_to_catch_up_first(open_bench, monkeypatch):
    """The backlog of what was missed is still on its way."""
    monkeypatch.setattr(watcher, "CATCH_UP_TIME", 0.1)
    async with open_bench() as bench:
        await bench.started()
        assert bench.status.is_complete_at(bench.now)
        bench.server.fail(status(500), status(500))
        bench.at_pause = lambda _: setattr(bench, "now", bench.now + 29 * 10**9)
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 4)
        await bench.connected()
        assert not bench.status.is_complete_at(bench.now)
        await bench.until(lambda: bench.status.is_complete_at(bench.now))


async def test_without_a_connection_nothing_is_certain_for_long(open_bench):
    """A server that takes the request and does not answer: nobody calls that a problem yet."""
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(hang)
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 2)
        assert bench.status.synced
        assert bench.status.is_complete_at(bench.now + 900_000_000)
        assert not bench.status.is_complete_at(bench.now + 1_100_000_000)


async def test_what_a_backlog_that_breaks_off_left_to_the_next_connection(open_bench):
    async with open_bench() as bench:
        await bench.started()
        synced_at = bench.now
        late = event_line("ADDED", slice_of("a", {}) | {"metadata": {"name": "a", "resourceVersion": "2"}})
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.next()
        bench.server.apply("ADDED", slice_of("b", {}))
        await bench.next()
        bench.server.fail(stream(late, then="abort"))
        bench.at_pause = lambda _: setattr(bench, "now", bench.now + 30 * 10**9)
        bench.server.drop()
        assert name(await bench.next()) == "a"
        bench.server.apply("ADDED", slice_of("c", {}))
        change = await bench.next()
        assert (name(change), change.earliest) == ("b", synced_at)


# 410 Gone


@pytest.mark.parametrize("gone", [status(410, "too old resource version"), stream(GONE)], ids=["status", "event"])
async def test_gone_lists_again_but_never_an_older_state(open_bench, gone, caplog):
    async with open_bench() as bench:
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.started()
        bench.server.apply("ADDED", slice_of("b", {}))
        await bench.next()
        caplog.clear()
        bench.server.fail(gone)
        bench.server.drop()
        assert names(await bench.next()) == ["a", "b"]
        assert bench.lists[1:] == [bench.watches[-1]] != ["0"]
        assert bench.status.restarts == {"closed": 1, "gone": 1}


async def test_gone_after_the_window_has_passed(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.at_pause = lambda _: (bench.server.apply("ADDED", slice_of("a", {})), bench.server.compact())
        bench.server.drop()
        assert names(await bench.next()) == ["a"]
        assert bench.lists == ["0", "1"]


async def test_gone_for_the_list_too_lists_from_etcd(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(status(410), status(410))
        bench.server.drop()
        await bench.next()
        assert bench.lists == ["0", "1", ""]


async def test_gone_in_a_loop_is_not_asked_hot(open_bench, caplog):
    async with open_bench() as bench:
        await bench.started()
        caplog.clear()
        for _ in range(5):
            bench.server.fail(stream(GONE), stream(list_body([], "1")))
        bench.server.fail(stream(GONE))
        bench.server.drop()
        for _ in range(6):
            await bench.next()
        assert bench.pauses == [0.5, 1, 2, 4, 8, 15, 15]
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
        assert not bench.status.synced


# Silence


async def test_silence_is_the_end_of_a_connection(open_bench):
    async with open_bench(timing=SHORT_TIMEOUT) as bench:
        await bench.started()
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.next()
        await bench.until(lambda: bench.status.restarts)
        assert bench.status.restarts == {"silence": 1}
        await bench.connected()
        bench.server.apply("ADDED", slice_of("b", {}))
        assert name(await bench.next()) == "b"
        assert bench.lists == ["0"]


async def test_a_quiet_server_that_sends_no_bookmarks_stays_in_sync(open_bench, caplog):
    """A real one does so as long as it had no event since its start. A list now and then makes sure of its versions."""
    async with open_bench(timing=WatchTiming(idle_timeout=0.05, stable_after=0.0)) as bench:
        await bench.started()
        caplog.clear()
        await bench.until(lambda: bench.status.restarts.get("silence") == 8)
        assert bench.lists[1:] == ["1"] * len(bench.lists[1:])
        assert 3 <= len(bench.lists) <= 5
        assert bench.status.synced
        assert bench.status.synced_changed_at == 1_000_000_000
        assert caplog.records == []


async def test_a_server_that_accepts_and_says_nothing(open_bench):
    async with open_bench(timing=SHORT_TIMEOUT) as bench:
        await bench.started()
        bench.server.fail(hang)
        bench.server.drop()
        await bench.until(lambda: not bench.status.synced)
        assert bench.status.restarts == {"closed": 1, "unreachable": 1}
        assert bench.status.problem == "no response from the API server"
        await bench.until(lambda: bench.status.synced)
        assert bench.lists == ["0"]


async def test_versions_set_back_by_a_restored_backup(open_bench):
    """Such a server keeps silent until its versions have caught up with ours, which may be never."""
    async with open_bench(timing=SHORT_TIMEOUT) as bench:
        for _ in range(50):
            bench.server.apply("ADDED", slice_of("a", {}))
        await bench.started()
        bench.server.rewind(10)
        bench.server.drop()
        assert names(await bench.next()) == ["a"]
        assert bench.lists == ["0", "51", ""]
        assert bench.status.restarts == {"closed": 1, "silence": 2, "gone": 1}
        await bench.connected()
        bench.server.apply("ADDED", slice_of("b", {}))
        assert name(await bench.next()) == "b"


# Refusals


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7), ("0", 0.5), ("99999", 300), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5)]
)
async def test_429_waits_as_long_as_it_is_told(open_bench, asked, waited):
    server = FakeApi()
    server.fail(status(429, "too many requests", retry_after=asked))
    async with open_bench(server) as bench:
        await bench.next()
        assert bench.pauses == [waited]
        assert bench.status.restarts == {"throttled": 1}


async def test_401_reads_the_credentials_again(open_bench):
    async with open_bench(FakeApi(tokens={"stand-in"})) as bench:
        await bench.started()
        bench.server.tokens = {"rotated"}
        bench.at_pause = lambda pauses: pauses == 3 and bench.server.write_kubeconfig(bench.kubeconfig, "rotated")
        bench.server.drop()
        await bench.until(lambda: bench.status.restarts.get("unauthorized") == 2 and bench.server.watch_count)
        assert bench.lists == ["0"]
        assert bench.server.requests[-1].authorization == "Bearer rotated"


@pytest.mark.parametrize(
    ("namespace", "where"),
    [(None, "at the cluster scope"), ("shop", 'in namespace "shop"')],
    ids=["cluster", "namespace"],
)
async def test_403_says_which_permission_is_missing(open_bench, namespace, where, caplog):
    server = FakeApi()
    server.fail(*[status(403, "forbidden")] * 6)
    async with open_bench(server, namespace=namespace) as bench:
        await bench.until(lambda: bench.pauses)
        assert bench.status.problem == f"cannot list endpointslices.discovery.k8s.io {where}: grant the verb list"
        await bench.started()
        assert bench.pauses == [5, 5, 5, 5, 8, 15]
        assert [record.message for record in caplog.records] == [
            "the watch of endpointslices is out of sync: "
            f"cannot list endpointslices.discovery.k8s.io {where}: grant the verb list",
            "the watch of endpointslices is in sync",
        ]


async def test_each_permission_that_is_missing_is_named_and_logged(open_bench, caplog):
    """The list is granted first; then the watch is refused, and at last within the stream of a watch."""
    server, what = FakeApi(), "endpointslices.discovery.k8s.io at the cluster scope"
    refused = stream(event_line("ERROR", {"code": 403, "message": "forbidden"}))
    server.fail(status(403), partial(server._list, plural="endpointslices", namespace=None), status(403), refused)
    async with open_bench(server) as bench:
        await bench.started()
        assert [record.message for record in caplog.records if "cannot" in record.message] == [
            f"the watch of endpointslices is out of sync: cannot list {what}: grant the verb list",
            f"the watch of endpointslices is out of sync: cannot watch {what}: grant the verb watch",
            # It was in sync until the server ended the watch.
            f"the watch of endpointslices is out of sync: cannot watch {what}: grant the verb watch",
        ]


async def test_500_is_asked_again_ever_more_slowly(open_bench):
    server = FakeApi()
    server.fail(*[status(500, "etcd\nis gone")] * 7)
    async with open_bench(server) as bench:
        await bench.started()
        assert bench.pauses == [0.5, 1, 2, 4, 8, 15, 15]
        assert bench.status.restarts == {"server_error": 7}
        assert bench.status.problem is None


async def test_a_refusal_that_is_no_status_object(open_bench):
    async with open_bench() as bench:
        await bench.started()

        async def from_a_proxy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=502, text="<html>Bad\nGateway</html>")

        bench.server.fail(from_a_proxy)
        bench.server.drop()
        await bench.until(lambda: bench.status.problem)
        assert bench.status.problem.endswith("502 Bad Gateway")


async def test_a_redirect_is_not_followed(open_bench):
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:9/")

    server = FakeApi()
    server.fail(elsewhere)
    async with open_bench(server) as bench:
        await bench.next()
        assert bench.status.restarts == {"refused": 1}


async def test_nobody_listens_for_a_while(open_bench, caplog):
    async with open_bench() as bench:
        await bench.started()
        await bench.server.stop()
        bench.server.apply("ADDED", slice_of("missed", {}))
        await bench.until(lambda: len(bench.pauses) >= 6)
        assert not bench.status.synced
        assert "no connection" in bench.status.problem
        await bench.server.start()
        assert name(await bench.next()) == "missed"
        assert bench.lists == ["0"]
        assert bench.status.synced
        levels = [record.levelname for record in caplog.records]
        assert levels == ["INFO", "WARNING", "INFO"]


# Nonsense


@pytest.mark.parametrize(
    "line",
    [
        b"}{\n",
        b"\xff\x00\n",
        b"[]\n",
        b"\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {"metadata": {}}}\n',
        b'{"type": "DANCED", "object": {"metadata": {"resourceVersion": "8"}}}\n',
        b'{"type": "ERROR", "object": {}}\n',
    ],
)
async def test_a_garbage_line_is_counted_and_left_behind(open_bench, line):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(line))
        bench.server.drop()
        await bench.until(lambda: len(bench.watches) == 3)
        bench.server.apply("ADDED", slice_of("a", {}))
        assert name(await bench.next()) == "a"
        assert bench.status.restarts == {"closed": 1, "garbage": 1}
        assert bench.lists == ["0"]


async def test_garbage_at_the_same_place_again_is_got_past_by_a_list(open_bench):
    async with open_bench() as bench:
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.started()
        bench.server.fail(stream(b"{\n"), stream(b"{\n"))
        bench.server.drop()
        assert names(await bench.next()) == ["a"]
        assert bench.lists == ["0", "2"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b'{"items": 1, "metadata": {"resourceVersion": "1"}}'])
async def test_a_garbage_list(open_bench, body):
    server = FakeApi()
    server.fail(stream(body))
    async with open_bench(server) as bench:
        assert names(await bench.next()) == []
        assert bench.status.restarts == {"garbage": 1}


async def test_half_a_line_is_told_when_it_is_whole(open_bench):
    async with open_bench() as bench:
        await bench.started()
        obj = slice_of("a", {"10.0.0.1": "pod"})
        obj["metadata"]["resourceVersion"] = "2"
        bench.server.fail(stream(event_line("ADDED", obj)[:-1]))  # all but its end
        bench.at_pause = lambda pauses: pauses == 2 and bench.server.apply("ADDED", obj)
        bench.server.drop()
        assert name(await bench.next()) == "a"
        await bench.connected()
        assert bench.watches == ["1", "1", "1"]
        assert bench.idle


async def test_another_error_event_is_a_failure_by_its_code(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(event_line("ERROR", {"code": 500, "message": "etcd event received with PrevKv=nil"})))
        bench.server.drop()
        await bench.until(lambda: bench.status.problem)
        assert bench.status.restarts == {"closed": 1, "server_error": 1}


# Size, pace, number


def thousand(label):
    return slice_of(label, {f"10.1.{i // 250}.{i % 250}": f"{'long-' * 48}{i:04}" for i in range(1000)})


async def test_a_slice_of_a_thousand_endpoints_with_long_names(open_bench):
    async with open_bench() as bench:
        bench.server.apply("ADDED", thousand("a"))
        assert len((await bench.started()).items[0]["endpoints"]) == 1000
        bench.server.apply("ADDED", thousand("b"))
        assert len((await bench.next()).object["endpoints"]) == 1000


async def test_a_line_without_end_is_got_past_by_a_list(open_bench, monkeypatch):
    monkeypatch.setattr(events, "LINE_LIMIT", 100_000)
    async with open_bench() as bench:
        await bench.started()
        bench.server.apply("ADDED", thousand("a"))
        assert names(await bench.next()) == ["a"]
        assert bench.status.restarts["oversized"] == 2


async def test_a_line_that_trickles_is_given_up(open_bench):
    async with open_bench() as bench:
        await bench.started()

        async def trickle(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for byte in event_line("ADDED", slice_of("a", {})):
                await response.write(bytes([byte]))
                await bench.until(lambda: bench.status.restarts.get("closed"))
                bench.now += 1_000_000_000
                await asyncio.sleep(0.001)
            return response

        bench.server.fail(trickle)
        bench.server.drop()
        await bench.until(lambda: bench.status.restarts.get("silence"))
        assert "60 s for one watch event" in bench.status.problem


async def test_a_slow_stream_is_put_together(open_bench):
    obj = {"metadata": {"name": "a", "resourceVersion": "5"}}
    async with open_bench() as bench:
        await bench.started()
        bench.server.fail(stream(*[bytes([byte]) for byte in event_line("ADDED", obj)], then="hang", pause=0.002))
        bench.server.drop()
        assert name(await bench.next()) == "a"


async def test_a_flood_arrives_whole_and_in_order(open_bench):
    async with open_bench() as bench:
        await bench.started()
        for i in range(5000):
            bench.server.apply("MODIFIED", slice_of(f"{i}", {"10.0.0.1": "pod"}))
        assert [name(await bench.next()) for _ in range(5000)] == [f"{i}" for i in range(5000)]
        assert bench.status.restarts == {}


# All together


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_the_consumer_ends_with_the_servers_state(open_bench, seed):
    chance = random.Random(seed)
    state = {}
    async with open_bench(FakeApi(window=5), timing=WatchTiming(idle_timeout=0.05)) as bench:
        faults = [
            status(410), status(429, retry_after="1"), status(401), status(403), status(500), stream(GONE), stream(),
            stream(b"{\n"), stream(b'{"type":'), stream(then="abort"), stream(then="hang"), hang,
        ]  # fmt: skip

        def shake(_):
            for _ in range(chance.randrange(4)):
                kind = chance.choice(["ADDED", "MODIFIED", "DELETED"])
                bench.server.apply(kind, slice_of(chance.choice("abcde"), {"10.0.0.1": f"{chance.random()}"}))

        bench.at_pause = shake
        for _ in range(15):
            bench.server.fail(*chance.choices(faults, k=chance.randrange(3)))
            shake(0)
            bench.server.drop()
            await bench.until(lambda: bench.server.watch_count)
        bench.server.apply("ADDED", slice_of("last", {}))
        while "last" not in state:
            match await bench.next():
                case Listed(items):
                    state = {item["metadata"]["name"]: item for item in items}
                case Changed("DELETED", obj, _):
                    state.pop(obj["metadata"]["name"], None)
                case Changed(_, obj, _):
                    state[obj["metadata"]["name"]] = obj
        assert state == {key: obj for (_, _, key), obj in bench.server.objects.items()}
