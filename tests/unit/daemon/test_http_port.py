"""The HTTP port: what it answers, to whom, and that nobody can hold it."""

import asyncio
import gc
import gzip
import socket

import aiohttp
import pytest

from enricher.config.settings import ListenAddress
from enricher.daemon import acceptor, rendering
from enricher.daemon import http as module
from enricher.daemon.http import is_own_host, serve
from enricher.errors import ConfigurationError
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector

HERE = ListenAddress("127.0.0.1", 0)


def collector() -> Collector:
    return Collector(Metrics(), Gauges)


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", timeout=aiohttp.ClientTimeout(5)) as response,
    ):
        return response.status, await response.text()


async def test_what_it_answers():
    problem = ["the watch is out of sync"]
    async with serve(HERE, collector(), lambda: problem[0] or None) as port:
        assert await get(port, "/livez") == (200, "ok\n")
        assert await get(port, "/readyz") == (503, "the watch is out of sync\n")
        problem[0] = ""
        assert await get(port, "/readyz") == (200, "ok\n")
        status, text = await get(port, "/metrics")
        assert status == 200
        assert "enricher_build_info" in text
        assert (await get(port, "/metrics", "POST"))[0] == 405
        assert (await get(port, "/livez", "DELETE"))[0] == 405
        assert (await get(port, "/../etc/passwd"))[0] == 404


async def test_a_port_in_use_is_told():
    async with serve(HERE, collector(), lambda: None) as port:
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serve(ListenAddress("127.0.0.1", port), collector(), lambda: None):
                pass


async def test_what_is_no_http_is_told_to_who_sent_it_and_is_not_in_the_log(caplog):
    async with serve(HERE, collector(), lambda: None, update_gauges=lambda: 1 / 0) as port:
        for request_head in (
            b"GET /\xff HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n",
            b"\x16\x03\x01\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_head + b"Host: x\r\n\r\n")
            assert b" 400 Bad Request" in await asyncio.wait_for(reader.read(), 5)
            writer.close()
        assert not caplog.text
        assert (await get(port, "/metrics"))[0] == 500
        assert "ZeroDivisionError" in caplog.text


async def test_connections_that_say_nothing_are_ended(monkeypatch):
    monkeypatch.setattr(acceptor, "CONNECTION_LIFETIME", 0.05)
    monkeypatch.setattr(acceptor, "ANSWER_TIMEOUT", 0.05)
    monkeypatch.setattr(acceptor, "AGE_INTERVAL", 0.01)
    async with serve(HERE, collector(), lambda: None) as port:
        for request_head in (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_head)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_one_connection_too_many_takes_the_place_of_the_oldest(monkeypatch):
    monkeypatch.setattr(acceptor, "MAX_SILENT", 3)
    async with serve(HERE, collector(), lambda: None) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await get(port, "/livez") == (200, "ok\n")
        assert await asyncio.wait_for(held[0][0].read(), 5) == b""
        for _, writer in held:
            writer.close()


async def test_many_connections_at_once_do_not_get_past_the_limit(monkeypatch):
    """The loop accepts a hundred at a time, and knows of them only afterwards."""
    monkeypatch.setattr(acceptor, "MAX_SILENT", 8)
    async with serve(HERE, collector(), lambda: None) as port:
        clients = []
        for _ in range(300):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            clients.append(client)
            if len(clients) % 100 == 0:
                assert await get(port, "/livez") == (200, "ok\n")
        assert await get(port, "/livez") == (200, "ok\n")
        kept = [client for client in clients if not _is_closed(client)]
        for client in clients:
            client.close()
        assert len(kept) <= 8


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def open_transports():
    """Return the transports of all connections in this process."""
    return [obj for obj in gc.get_objects() if isinstance(obj, asyncio.WriteTransport) and not obj.is_closing()]


async def test_clients_that_do_not_read_hold_up_neither_probes_nor_memory(monkeypatch):
    metrics = Metrics()
    metrics.lines.update({f"{n}-{'x' * 3000}": n for n in range(3000)})  # more than a socket takes unread
    monkeypatch.setattr(module, "SEND_TIMEOUT", 0.1)
    render, rendered = module.generate_latest, []

    def count_rendered(registry):
        rendered.append(1)
        return render(registry)

    monkeypatch.setattr(module, "generate_latest", count_rendered)
    monkeypatch.setattr(rendering, "PEER_INTERVAL", 0)
    async with serve(HERE, Collector(metrics, Gauges), lambda: None) as port:
        writers = []
        for _ in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            writers.append(writer)
        assert await get(port, "/livez") == (200, "ok\n")
        assert (await get(port, "/metrics"))[0] == 200
        assert len(rendered) == 1
        unread = [transport.get_write_buffer_size() for transport in open_transports()]
        assert sum(unread) < len(unread) * 4 * module.PIECE
        for writer in writers:
            writer.transport.abort()


async def test_a_client_that_reads_nothing_holds_up_nobody():
    metrics = Metrics()
    metrics.lines.update({f"result-{n}": n for n in range(50_000)})
    async with serve(HERE, Collector(metrics, Gauges), lambda: None) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        assert await get(port, "/livez") == (200, "ok\n")
        writer.transport.abort()


async def test_a_rendering_is_shared_and_compressed(monkeypatch):
    metrics, renderings = Metrics(), []
    monkeypatch.setattr(rendering, "PEER_INTERVAL", 0)
    render = module.generate_latest
    monkeypatch.setattr(module, "generate_latest", lambda registry: renderings.append(1) or render(registry))
    async with serve(HERE, Collector(metrics, Gauges), lambda: None) as port:
        answers = await asyncio.gather(*(get(port, "/metrics") for _ in range(20)))
        assert {status for status, _ in answers} == {200}
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert b"Content-Encoding: gzip" in head
        assert gzip.decompress(body).decode() == answers[0][1]
    assert len(renderings) == 1


async def test_it_is_rendered_anew_after_a_while(monkeypatch):
    metrics = Metrics()
    monkeypatch.setattr(rendering, "KEEP", 0.0)
    monkeypatch.setattr(rendering, "SHARE", 0)
    monkeypatch.setattr(rendering, "PEER_INTERVAL", 0)
    async with serve(HERE, Collector(metrics, Gauges), lambda: None) as port:
        await get(port, "/metrics")
        metrics.count_line("access")
        assert 'enricher_lines_total{result="access"} 1.0' in (await get(port, "/metrics"))[1]


async def test_a_peer_with_many_requests_waits_and_the_probes_do_not():
    async with serve(HERE, collector(), lambda: None) as port:
        scrapes = [asyncio.create_task(get(port, "/metrics")) for _ in range(40)]
        await get(port, "/metrics")
        assert await get(port, "/livez") == (200, "ok\n")
        assert sum(scrape.done() for scrape in scrapes) < 40
        for scrape in scrapes:
            scrape.cancel()


OWN = "10.0.0.7:9464 [fd00::7]:9464 [fd00::7] localhost:9464 127.0.0.1 e:9464 node-1 e.ns.svc e.svc.cluster.local"
FOREIGN = "evil.example:9464 evil.example svc.evil.example x.svc.evil.example 10.244.0.7.evil.example 1.2.3.4.5"


@pytest.mark.parametrize(
    ("host", "is_own"), [("", True), *((h, True) for h in OWN.split()), *((h, False) for h in FOREIGN.split())]
)
def test_the_hosts_that_a_browser_may_use(host, is_own):
    assert is_own_host(host) is is_own


async def test_a_foreign_name_gets_no_page_but_probes():
    async with serve(HERE, collector(), lambda: None) as port:
        for path, expected in (("/metrics", b" 421 "), ("/livez", b" 200 ")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET %b HTTP/1.0\r\nHost: evil.example:%d\r\n\r\n" % (path.encode(), port))
            assert expected in (await reader.read()).partition(b"\r\n")[0]
            writer.close()


async def test_a_request_is_never_lost_to_connections_that_say_nothing(monkeypatch):
    monkeypatch.setattr(acceptor, "MAX_SILENT", 4)
    async with serve(HERE, collector(), lambda: None) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.0\r\n\r\n")
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
        assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
        for _, other in [(reader, writer), *silent]:
            other.close()
