"""The watch against every fault an API server, or the way to it, can have. One fault, one test."""

import asyncio
import random

import pytest
from aiohttp import web

from demo.fake_api import GONE, FakeApi, event_line, hang, list_body, slice_of, status, stream
from enricher.kube import responses as answers
from enricher.kube import watcher as watching
from enricher.kube.client import connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Changed, Listed, Resource, WatchTiming, watch

IMPATIENT = WatchTiming(idle_timeout=0.2)


def names(listed):
    return sorted(item["metadata"]["name"] for item in listed.items)


def name(change):
    return change.object["metadata"]["name"]


# How it goes without faults


async def test_lists_from_the_cache_then_watches_from_the_list_on(bench):
    async with bench() as it:
        assert await it.next() == Listed([], 1_000_000_000, 1_000_000_000)
        await it.connected()
        await it.until(lambda: it.status.synced)
        it.now = 2_000_000_000
        it.server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}))
        change = await it.next()
        assert (change.type, name(change), change.at) == ("ADDED", "a", 2_000_000_000)
        assert it.lists == ["0"]
        assert it.server.requests[1].query == {
            "watch": "1",
            "resourceVersion": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "240",
        }
        assert it.status.synced
        assert it.status.last_event_at == 2_000_000_000
        assert it.status.restarts == {}


async def test_a_list_is_as_of_when_it_began_to_arrive(bench):
    async with bench() as it:
        body = list_body([], "7")

        async def slowly(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(body[:10])
            await asyncio.sleep(0.05)
            it.now = 9_000_000_000
            await response.write(body[10:])
            return response

        it.server.fail(slowly)
        assert await it.next() == Listed([], 1_000_000_000, 1_000_000_000)


async def test_watches_one_namespace(bench):
    async with bench(namespace="shop") as it:
        await it.started()
        it.server.apply("ADDED", slice_of("other", {}, namespace="default"))
        it.server.apply("ADDED", slice_of("ours", {}, namespace="shop"))
        assert name(await it.next()) == "ours"
        assert {request.path for request in it.server.requests} == {
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        }


async def test_watches_any_resource(bench):
    async with bench(resource=Resource("", "v1", "services")) as it:
        await it.started()
        it.server.apply("ADDED", {"metadata": {"name": "web", "namespace": "shop"}}, plural="services")
        assert name(await it.next()) == "web"
        assert it.server.requests[0].path == "/api/v1/services"


async def test_takes_pages_if_the_server_makes_them(bench):
    server = FakeApi()
    server.fail(
        stream(list_body([slice_of("a", {})], "5", next_page="token")),
        stream(list_body([slice_of("b", {})], "5")),
    )
    async with bench(server) as it:
        assert names(await it.next()) == ["a", "b"]
        assert server.requests[1].query == {"continue": "token"}


async def test_closes_its_connection_with_its_consumer(tmp_path):
    async with FakeApi() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        async with connect(str(tmp_path / "kubeconfig")) as api:
            server.apply("ADDED", slice_of("a", {}))
            news = watch(api, status=WatchStatus())
            await anext(news)
            server.apply("ADDED", slice_of("b", {}))
            await anext(news)
            assert server.watch_count == 1
            await news.aclose()
            async with asyncio.timeout(5):
                while server.watch_count:  # noqa: ASYNC110  # the server hears of it by the network
                    await asyncio.sleep(0.001)


# Interruptions


async def test_resumes_after_a_drop_without_a_new_list(bench, caplog):
    async with bench() as it:
        await it.started()
        it.server.apply("ADDED", slice_of("a", {}))
        await it.next()
        caplog.clear()
        it.server.drop()
        await it.until(lambda: len(it.watches) == 2)
        it.server.apply("ADDED", slice_of("b", {}))
        assert name(await it.next()) == "b"
        assert it.lists == ["0"]
        assert it.watches == ["1", "2"]
        assert it.status.restarts == {"closed": 1}
        assert it.pauses == [0.5]
        assert it.status.synced
        assert caplog.records == []


async def test_a_connection_that_lasted_is_replaced_at_once(bench):
    async with bench() as it:
        await it.started()
        it.now += 10_000_000_000
        it.server.drop()
        await it.until(lambda: len(it.watches) == 2)
        assert it.pauses == [0.0]


async def test_a_bookmark_moves_the_version(bench):
    async with bench() as it:
        await it.started()
        it.server.bookmark()
        it.now = 5_000_000_000
        it.server.bookmark()
        it.server.drop()
        await it.until(lambda: len(it.watches) == 2)
        assert it.watches == ["1", "3"]
        assert it.status.last_event_at == 5_000_000_000
        assert [(await it.next()).type, (await it.next()).type] == ["BOOKMARK", "BOOKMARK"]


async def test_what_a_new_connection_brings_may_have_happened_since_the_last_was_heard(bench):
    async with bench() as it:
        await it.started()
        it.now = 5_000_000_000
        it.server.bookmark()
        await it.next()
        it.server.apply("ADDED", slice_of("a", {}))
        assert (await it.next()).earliest == 5_000_000_000
        it.now = 60_000_000_000

        def away(_: int) -> None:
            it.now = 65_000_000_000
            it.server.apply("ADDED", slice_of("b", {}))

        it.at_pause = away
        it.server.drop()
        missed = await it.next()
        assert (missed.at, missed.earliest) == (65_000_000_000, 60_000_000_000)
        it.now = 70_000_000_000
        it.server.apply("ADDED", slice_of("c", {}))
        live = await it.next()
        assert (live.at, live.earliest) == (70_000_000_000, 70_000_000_000)


async def test_a_connection_cut_in_the_middle(bench):
    async with bench() as it:
        await it.started()
        it.server.fail(
            stream(
                event_line("ADDED", slice_of("x", {}) | {"metadata": {"name": "x", "resourceVersion": "9"}})[:-9],
                then="abort",
            )
        )
        it.server.drop()
        await it.until(lambda: len(it.watches) == 3)
        assert it.watches == ["1", "1", "1"]
        assert it.status.restarts == {"closed": 2}
        assert it.idle


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_hot_and_not_called_in_sync(bench, caplog):
    async with bench() as it:
        await it.started()
        caplog.clear()
        it.server.fail(*[stream()] * 4)
        it.server.drop()
        await it.next()
        assert it.pauses == [0.5, 1, 2, 4, 8]
        assert it.lists == ["0", "1"]
        await it.connected()
        assert not it.status.synced
        it.server.bookmark()
        await it.until(lambda: it.status.synced)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_after_a_failure_a_connection_that_lasts_is_believed_though_nothing_happens(bench, monkeypatch):
    """In a quiet cluster the next bookmark may be a minute away."""
    monkeypatch.setattr(watching, "CATCH_UP_TIME", 0.01)
    async with bench() as it:
        await it.started()
        it.server.fail(stream(), stream(GONE))
        it.server.drop()
        await it.until(lambda: not it.status.synced)
        await it.next()
        await it.until(lambda: it.status.synced)


async def test_after_silence_it_is_not(bench, monkeypatch):
    """A server that was set back behind our version answers, and says nothing until it has caught up."""
    monkeypatch.setattr(watching, "CATCH_UP_TIME", 0.01)
    async with bench(timing=IMPATIENT) as it:
        await it.started()
        it.server.fail(stream(then="hang"), stream(then="hang"))
        it.server.drop()
        await it.until(lambda: it.status.restarts.get("silence") == 1)
        assert not it.status.synced
        await it.until(lambda: len(it.pauses) == 3)
        await it.until(lambda: it.status.restarts.get("silence") == 2)
        assert not it.status.synced


async def test_a_connection_after_an_outage_has_to_catch_up_first(bench, monkeypatch):
    """The backlog of what was missed is still on its way."""
    monkeypatch.setattr(watching, "CATCH_UP_TIME", 0.1)
    async with bench() as it:
        await it.started()
        assert it.status.is_complete_at(it.now)
        it.server.fail(status(500), status(500))
        it.at_pause = lambda _: setattr(it, "now", it.now + 29 * 10**9)
        it.server.drop()
        await it.until(lambda: len(it.watches) == 4)
        await it.connected()
        assert not it.status.is_complete_at(it.now)
        await it.until(lambda: it.status.is_complete_at(it.now))


async def test_without_a_connection_nothing_is_certain_for_long(bench):
    """A server that takes the request and does not answer: nobody calls that a problem yet."""
    async with bench() as it:
        await it.started()
        it.server.fail(hang)
        it.server.drop()
        await it.until(lambda: len(it.watches) == 2)
        assert it.status.synced
        assert it.status.is_complete_at(it.now + 900_000_000)
        assert not it.status.is_complete_at(it.now + 1_100_000_000)


async def test_what_a_backlog_that_breaks_off_left_to_the_next_connection(bench):
    async with bench() as it:
        await it.started()
        heard = it.now
        late = event_line("ADDED", slice_of("a", {}) | {"metadata": {"name": "a", "resourceVersion": "2"}})
        it.server.apply("ADDED", slice_of("a", {}))
        await it.next()
        it.server.apply("ADDED", slice_of("b", {}))
        await it.next()
        it.server.fail(stream(late, then="abort"))
        it.at_pause = lambda _: setattr(it, "now", it.now + 30 * 10**9)
        it.server.drop()
        assert name(await it.next()) == "a"
        it.server.apply("ADDED", slice_of("c", {}))
        told = await it.next()
        assert (name(told), told.earliest) == ("b", heard)


# 410 Gone


@pytest.mark.parametrize("gone", [status(410, "too old resource version"), stream(GONE)], ids=["status", "event"])
async def test_gone_lists_again_but_never_an_older_state(bench, gone, caplog):
    async with bench() as it:
        it.server.apply("ADDED", slice_of("a", {}))
        await it.started()
        it.server.apply("ADDED", slice_of("b", {}))
        await it.next()
        caplog.clear()
        it.server.fail(gone)
        it.server.drop()
        assert names(await it.next()) == ["a", "b"]
        assert it.lists[1:] == [it.watches[-1]] != ["0"]
        assert it.status.restarts == {"closed": 1, "gone": 1}


async def test_gone_after_the_window_has_passed(bench):
    async with bench() as it:
        await it.started()
        it.at_pause = lambda _: (it.server.apply("ADDED", slice_of("a", {})), it.server.compact())
        it.server.drop()
        assert names(await it.next()) == ["a"]
        assert it.lists == ["0", "1"]


async def test_gone_for_the_list_too_lists_from_etcd(bench):
    async with bench() as it:
        await it.started()
        it.server.fail(status(410), status(410))
        it.server.drop()
        await it.next()
        assert it.lists == ["0", "1", ""]


async def test_gone_in_a_loop_is_not_asked_hot(bench, caplog):
    async with bench() as it:
        await it.started()
        caplog.clear()
        for _ in range(5):
            it.server.fail(stream(GONE), stream(list_body([], "1")))
        it.server.fail(stream(GONE))
        it.server.drop()
        for _ in range(6):
            await it.next()
        assert it.pauses == [0.5, 1, 2, 4, 8, 15, 15]
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
        assert not it.status.synced


# Silence


async def test_silence_is_the_end_of_a_connection(bench):
    async with bench(timing=IMPATIENT) as it:
        await it.started()
        it.server.apply("ADDED", slice_of("a", {}))
        await it.next()
        await it.until(lambda: it.status.restarts)
        assert it.status.restarts == {"silence": 1}
        await it.connected()
        it.server.apply("ADDED", slice_of("b", {}))
        assert name(await it.next()) == "b"
        assert it.lists == ["0"]


async def test_a_quiet_server_that_sends_no_bookmarks_stays_in_sync(bench, caplog):
    """A real one does so as long as it had no event since its start. A list now and then makes sure of its versions."""
    async with bench(timing=WatchTiming(idle_timeout=0.05, stable_after=0.0)) as it:
        await it.started()
        caplog.clear()
        await it.until(lambda: it.status.restarts.get("silence") == 8)
        assert it.lists[1:] == ["1"] * len(it.lists[1:])
        assert 3 <= len(it.lists) <= 5
        assert it.status.synced
        assert it.status.synced_changed_at == 1_000_000_000
        assert caplog.records == []


async def test_a_server_that_accepts_and_says_nothing(bench):
    async with bench(timing=IMPATIENT) as it:
        await it.started()
        it.server.fail(hang)
        it.server.drop()
        await it.until(lambda: not it.status.synced)
        assert it.status.restarts == {"closed": 1, "unreachable": 1}
        assert it.status.problem == "no response from the API server"
        await it.until(lambda: it.status.synced)
        assert it.lists == ["0"]


async def test_versions_set_back_by_a_restored_backup(bench):
    """Such a server keeps silent until its versions have caught up with ours, which may be never."""
    async with bench(timing=IMPATIENT) as it:
        for _ in range(50):
            it.server.apply("ADDED", slice_of("a", {}))
        await it.started()
        it.server.rewind(10)
        it.server.drop()
        assert names(await it.next()) == ["a"]
        assert it.lists == ["0", "51", ""]
        assert it.status.restarts == {"closed": 1, "silence": 2, "gone": 1}
        await it.connected()
        it.server.apply("ADDED", slice_of("b", {}))
        assert name(await it.next()) == "b"


# Refusals


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7), ("0", 0.5), ("99999", 300), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5)]
)
async def test_429_waits_as_long_as_it_is_told(bench, asked, waited):
    server = FakeApi()
    server.fail(status(429, "too many requests", retry_after=asked))
    async with bench(server) as it:
        await it.next()
        assert it.pauses == [waited]
        assert it.status.restarts == {"throttled": 1}


async def test_401_reads_the_credentials_again(bench):
    async with bench(FakeApi(tokens={"stand-in"})) as it:
        await it.started()
        it.server.tokens = {"rotated"}
        it.at_pause = lambda pauses: pauses == 3 and it.server.write_kubeconfig(it.kubeconfig, "rotated")
        it.server.drop()
        await it.until(lambda: it.status.restarts.get("unauthorized") == 2 and it.server.watch_count)
        assert it.lists == ["0"]
        assert it.server.requests[-1].authorization == "Bearer rotated"


@pytest.mark.parametrize(
    ("namespace", "where"),
    [(None, "at the cluster scope"), ("shop", 'in namespace "shop"')],
    ids=["cluster", "namespace"],
)
async def test_403_says_which_permission_is_missing(bench, namespace, where, caplog):
    server = FakeApi()
    server.fail(*[status(403, "forbidden")] * 6)
    async with bench(server, namespace=namespace) as it:
        await it.until(lambda: it.pauses)
        assert it.status.problem == f"cannot list endpointslices.discovery.k8s.io {where}: grant list and watch"
        await it.started()
        assert it.pauses == [5, 5, 5, 5, 8, 15]
        assert [record.message for record in caplog.records] == [
            "the watch of endpointslices is out of sync: "
            f"cannot list endpointslices.discovery.k8s.io {where}: grant list and watch",
            "the watch of endpointslices is in sync",
        ]


async def test_500_is_asked_again_ever_more_slowly(bench):
    server = FakeApi()
    server.fail(*[status(500, "etcd\nis gone")] * 7)
    async with bench(server) as it:
        await it.started()
        assert it.pauses == [0.5, 1, 2, 4, 8, 15, 15]
        assert it.status.restarts == {"server_error": 7}
        assert it.status.problem is None


async def test_a_refusal_that_is_no_status_object(bench):
    async with bench() as it:
        await it.started()

        async def from_a_proxy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=502, text="<html>Bad\nGateway</html>")

        it.server.fail(from_a_proxy)
        it.server.drop()
        await it.until(lambda: it.status.problem)
        assert it.status.problem.endswith("502 Bad Gateway")


async def test_a_redirect_is_not_followed(bench):
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:9/")

    server = FakeApi()
    server.fail(elsewhere)
    async with bench(server) as it:
        await it.next()
        assert it.status.restarts == {"refused": 1}


async def test_nobody_listens_for_a_while(bench, caplog):
    async with bench() as it:
        await it.started()
        await it.server.stop()
        it.server.apply("ADDED", slice_of("missed", {}))
        await it.until(lambda: len(it.pauses) >= 6)
        assert not it.status.synced
        assert "no connection" in it.status.problem
        await it.server.start()
        assert name(await it.next()) == "missed"
        assert it.lists == ["0"]
        assert it.status.synced
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
async def test_a_garbage_line_is_counted_and_left_behind(bench, line):
    async with bench() as it:
        await it.started()
        it.server.fail(stream(line))
        it.server.drop()
        await it.until(lambda: len(it.watches) == 3)
        it.server.apply("ADDED", slice_of("a", {}))
        assert name(await it.next()) == "a"
        assert it.status.restarts == {"closed": 1, "garbage": 1}
        assert it.lists == ["0"]


async def test_garbage_at_the_same_place_again_is_got_past_by_a_list(bench):
    async with bench() as it:
        it.server.apply("ADDED", slice_of("a", {}))
        await it.started()
        it.server.fail(stream(b"{\n"), stream(b"{\n"))
        it.server.drop()
        assert names(await it.next()) == ["a"]
        assert it.lists == ["0", "2"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b'{"items": [1], "metadata": {"resourceVersion": "1"}}'])
async def test_a_garbage_list(bench, body):
    server = FakeApi()
    server.fail(stream(body))
    async with bench(server) as it:
        assert names(await it.next()) == []
        assert it.status.restarts == {"garbage": 1}


async def test_half_a_line_is_told_when_it_is_whole(bench):
    async with bench() as it:
        await it.started()
        found = slice_of("a", {"10.0.0.1": "pod"})
        found["metadata"]["resourceVersion"] = "2"
        it.server.fail(stream(event_line("ADDED", found)[:-1]))  # all but its end
        it.at_pause = lambda pauses: pauses == 2 and it.server.apply("ADDED", found)
        it.server.drop()
        assert name(await it.next()) == "a"
        await it.connected()
        assert it.watches == ["1", "1", "1"]
        assert it.idle


async def test_another_error_event_is_a_failure_by_its_code(bench):
    async with bench() as it:
        await it.started()
        it.server.fail(stream(event_line("ERROR", {"code": 500, "message": "etcd event received with PrevKv=nil"})))
        it.server.drop()
        await it.until(lambda: it.status.problem)
        assert it.status.restarts == {"closed": 1, "server_error": 1}


# Size, pace, number


def thousand(label):
    return slice_of(label, {f"10.1.{i // 250}.{i % 250}": f"{'long-' * 48}{i:04}" for i in range(1000)})


async def test_a_slice_of_a_thousand_endpoints_with_long_names(bench):
    async with bench() as it:
        it.server.apply("ADDED", thousand("a"))
        assert len((await it.started()).items[0]["endpoints"]) == 1000
        it.server.apply("ADDED", thousand("b"))
        assert len((await it.next()).object["endpoints"]) == 1000


async def test_an_enormous_line_is_got_past_by_a_list(bench, monkeypatch):
    monkeypatch.setattr(answers, "LINE_LIMIT", 100_000)
    async with bench() as it:
        await it.started()
        it.server.apply("ADDED", thousand("a"))
        assert names(await it.next()) == ["a"]
        assert it.status.restarts["oversized"] == 2


async def test_an_enormous_list_is_not_read(bench, monkeypatch):
    monkeypatch.setattr(answers, "LIST_LIMIT", 10)
    async with bench() as it:
        await it.until(lambda: it.status.restarts.get("oversized", 0) > 2)
        assert it.idle


async def test_a_slow_stream_is_put_together(bench):
    found = {"metadata": {"name": "a", "resourceVersion": "5"}}
    async with bench() as it:
        await it.started()
        it.server.fail(stream(*[bytes([byte]) for byte in event_line("ADDED", found)], then="hang", pause=0.002))
        it.server.drop()
        assert name(await it.next()) == "a"


async def test_a_flood_arrives_whole_and_in_order(bench):
    async with bench() as it:
        await it.started()
        for i in range(5000):
            it.server.apply("MODIFIED", slice_of(f"{i}", {"10.0.0.1": "pod"}))
        assert [name(await it.next()) for _ in range(5000)] == [f"{i}" for i in range(5000)]
        assert it.status.restarts == {}


# All together


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_the_consumer_ends_with_the_servers_state(bench, seed):
    chance = random.Random(seed)
    held = {}
    async with bench(FakeApi(window=5), timing=WatchTiming(idle_timeout=0.05)) as it:
        faults = [
            status(410), status(429, retry_after="1"), status(401), status(403), status(500), stream(GONE), stream(),
            stream(b"{\n"), stream(b'{"type":'), stream(then="abort"), stream(then="hang"), hang,
        ]  # fmt: skip

        def shake(_):
            for _ in range(chance.randrange(4)):
                kind = chance.choice(["ADDED", "MODIFIED", "DELETED"])
                it.server.apply(kind, slice_of(chance.choice("abcde"), {"10.0.0.1": f"{chance.random()}"}))

        it.at_pause = shake
        for _ in range(15):
            it.server.fail(*chance.choices(faults, k=chance.randrange(3)))
            shake(0)
            it.server.drop()
            await it.until(lambda: it.server.watch_count)
        it.server.apply("ADDED", slice_of("last", {}))
        while "last" not in held:
            match await it.next():
                case Listed(items):
                    held = {item["metadata"]["name"]: item for item in items}
                case Changed("DELETED", found, _):
                    held.pop(found["metadata"]["name"], None)
                case Changed(_, found, _):
                    held[found["metadata"]["name"]] = found
        assert held == {key: found for (_, _, key), found in it.server.objects.items()}
