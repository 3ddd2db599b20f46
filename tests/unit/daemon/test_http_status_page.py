"""The page for people on the HTTP port: what is answered, with which headers, and that it can be turned off."""

import asyncio
import json

import aiohttp
import pytest

from enricher.config.settings import ListenAddress
from enricher.daemon import http as module
from enricher.daemon import rendering
from enricher.daemon.http import serve
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.report.daemon_status import COMMAND_HEADER
from tests.support.statuses import FAILING, OUT_OF_SYNC

PATHS = ("/", "/status.json")


def here(status=lambda: FAILING):
    return serve(ListenAddress("127.0.0.1", 0), Collector(Metrics(), Gauges), lambda: None, status=status)


async def ask(port, path, method="GET"):
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", timeout=aiohttp.ClientTimeout(5)) as response,
    ):
        return response.status, response.headers, await response.text()


async def test_a_page_and_its_data():
    async with here() as port:
        status, headers, text = await ask(port, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "2 pods fail" in text
        status, headers, text = await ask(port, "/status.json")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        page_data = json.loads(text)
        assert page_data["failing"][0]["pod"] == "web-1"
        assert page_data["failing"][0]["errors_per_minute"][-3:] == [4, 8, 0]
        assert page_data["failing"][0]["by_code"][0] == {
            "code": "502",
            "protocol": "http",
            "origin": "proxy",
            "errors": 14,
            "hidden": 9,
        }
        assert page_data["watch"]["state"] == "in_sync"


@pytest.mark.parametrize("path", PATHS)
async def test_headers_that_a_browser_obeys(path):
    async with here() as port:
        headers = (await ask(port, path))[1]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_read_only(path):
    async with here() as port:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status, headers, _ = await ask(port, path, method)
            assert (status, headers["Allow"]) == (405, "GET,HEAD")
        got, head = await ask(port, path), await ask(port, path, "HEAD")
        assert (head[0], head[2]) == (200, "")
        for name in ("Content-Type", "Content-Length", "Content-Security-Policy"):
            assert head[1][name] == got[1][name]


async def test_turned_off_there_is_nothing():
    async with here(status=None) as port:
        for path in PATHS:
            assert (await ask(port, path))[0] == 404
        assert (await ask(port, "/livez"))[0] == 200


async def test_it_reloads_itself_for_who_asked_for_that_and_repeats_nothing_of_the_query():
    async with here(status=lambda: OUT_OF_SYNC) as port:
        plain = (await ask(port, "/"))[2]
        assert 'http-equiv="refresh"' not in plain
        assert 'http-equiv="refresh" content="30"' in (await ask(port, "/?refresh=30"))[2]
        for query in ("refresh=1", "refresh=30;url=//x", "refresh=%3Cscript%3E", "x=%22%3E%3Cscript%3E", "refresh"):
            assert (await ask(port, f"/?{query}"))[2] == plain


async def test_what_can_not_be_told_harms_nothing_else():
    def broken():
        raise ValueError("<secret>")

    async with here(status=broken) as port:
        for path in PATHS:
            status, _, text = await ask(port, path)
            assert status == 500
            assert "secret" not in text
        assert (await ask(port, "/metrics"))[0] == 200


async def test_one_page_at_a_time_for_all_who_ask(monkeypatch):
    rendered = []
    monkeypatch.setattr(rendering, "PEER_INTERVAL", 0)
    monkeypatch.setattr(module, "render", lambda *_, **__: rendered.append(1) or b"x")
    async with here() as port:
        answers = await asyncio.gather(*(ask(port, "/") for _ in range(6)))
        assert [status for status, _, _ in answers] == [200] * 6
        assert len(rendered) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_a_command_may_ask_under_the_name_of_an_api_server(path):
    """No page can make a browser do so: it sends no header for it that begins with `Sec-`."""
    async with here() as port, aiohttp.ClientSession() as session:
        for headers, expected in [({}, 421), ({"Enricher-Command": "top"}, 421), ({COMMAND_HEADER: "top"}, 200)]:
            url, host = f"http://127.0.0.1:{port}{path}", {"Host": "api.example.com:6443"}
            async with session.get(url, headers=host | headers) as response:
                assert response.status == expected
    assert COMMAND_HEADER.startswith("Sec-")
