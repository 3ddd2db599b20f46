"""A real API server behind a proxy that answers some requests in its place, wrongly: each fault is got over, and what
was known of an address before is known after it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo import fake_api
from demo.fake_api import GONE, FakeApi, Fault, hang, slice_of, status, stream
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.endpoints.tenure import FOREVER
from enricher.kube import client as connecting
from enricher.kube.client import connect
from enricher.kube.watcher import Listed, WatchTiming

pytestmark = pytest.mark.api

IP = "10.0.0.1"


class Relay(FakeApi):
    """Passes requests on to the real server, but for those that a fault answers."""

    def __init__(self, administrator: str) -> None:
        super().__init__()
        self._administrator = administrator
        self._stack = AsyncExitStack()
        self._open: set[asyncio.Transport] = set()

    async def start(self) -> None:
        self._credentials = await connecting._load_credentials(self._administrator, None)
        self._tls = (await self._stack.enter_async_context(connect(self._administrator))).tls_context(self._credentials)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        await self._stack.aclose()

    def cut(self) -> None:
        """Ends what is being passed on, in the middle."""
        for transport in self._open:
            transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._faults:
            return await super()._answer(request)
        assert request.transport
        self._open.add(request.transport)
        try:
            return await self._pass_on(request)
        finally:
            self._open.clear()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        authorization = self._credentials.authorization
        async with self._session.get(
            self._credentials.server + request.path_qs,
            headers={"Authorization": authorization} if authorization else {},
            ssl=self._tls,
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


OVERSIZED = b"x" * (1 << 20)
FAULTS: dict[str, tuple[str, Sequence[Fault]]] = {
    "401": ("unauthorized", [status(401, "Unauthorized")] * 2),
    "403": ("forbidden", [status(403, "no")] * 2),
    "429 with Retry-After": ("throttled", [status(429, "later", retry_after="1")] * 2),
    "500": ("server_error", [status(500, "oops")] * 5),
    "503": ("server_error", [status(503)] * 2),
    "a status of its own": ("refused", [status(418)] * 2),
    "410 as a status": ("gone", [status(410, "gone")]),
    "410 as an event": ("gone", [stream(GONE)]),
    "410 in a loop": ("gone", [stream(GONE), status(410, "gone"), status(410, "gone"), status(410, "gone")]),
    "no answer": ("unreachable", [hang]),
    "silence": ("silence", [stream(then="hang")]),
    "cut again and again": ("closed", [stream(b'{"type":"ADD', then="abort")] * 4),
    "garbage": ("garbage", [stream(b"\x00\xff not JSON\n")] * 3),
    "a list that is none": ("garbage", [stream(GONE), stream(b'{"items": 7}')]),
    "an event that has no end": ("oversized", [stream(*[OVERSIZED] * 17)]),
}


def told(news: Sequence[Any]) -> History:
    """The history that this news makes."""
    history = History(retention=None)
    for item in news:
        if isinstance(item, Listed):
            history.replace(map(read_slice, item.items), item.at)
        else:
            history.apply(item.type, item.object, item.at, item.earliest)
    return history


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_got_over_and_the_history_is_as_before(
    kube: Any, watched: Any, administrator: str, tmp_path: Path, fault: str
) -> None:
    reason, answers = FAULTS[fault]
    async with kube() as kube, Relay(administrator) as relay:
        await kube.add(slice_of("stays", {IP: "stays"}))
        relay.write_kubeconfig(tmp_path / "config")
        async with watched(str(tmp_path / "config"), kube.namespace, WatchTiming(idle_timeout=3)) as watch:
            await watch.synced()
            [before] = told(watch.news).tenures_of_ip(IP)
            relay.fail(*answers)
            relay.cut()
            await kube.add(slice_of("comes", {"10.0.0.2": "comes"}))
            await watch.until(lambda: "comes" in watch.held(), seconds=30)
            await watch.synced()
            await kube.delete("comes")
            await watch.until(lambda: "comes" not in watch.held())
            assert reason in watch.status.restarts
            [after] = told(watch.news).tenures_of_ip(IP)
            assert (after.owner, after.since, after.until) == (before.owner, before.since, FOREVER)
            [came] = told(watch.news).tenures_of_ip("10.0.0.2")
            assert came.since_earliest <= came.since <= came.until


async def test_a_slow_server_is_waited_for(kube: Any, watched: Any, administrator: str, tmp_path: Path) -> None:
    """A list in drops, each within the silence, is as good as one at once."""
    async with kube() as kube, Relay(administrator) as relay:
        await kube.add(slice_of("stays", {IP: "stays"}))
        found = await kube.request("GET", kube.path)
        body = fake_api.list_body(found["items"], found["metadata"]["resourceVersion"])
        third = len(body) // 3
        relay.fail(stream(body[:third], body[third : 2 * third], body[2 * third :], pause=0.5))
        relay.write_kubeconfig(tmp_path / "config")
        async with watched(str(tmp_path / "config"), kube.namespace) as watch:
            await watch.synced()
            assert watch.status.restarts == {}
            assert list(watch.held()) == ["stays"]
