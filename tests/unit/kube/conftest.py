"""A watch that runs against a fake API server: the fixture `open_bench`."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.fake_api import FakeApi
from enricher.kube.client import connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Changed, Listed, WatchTiming, watch

LONG_TIMEOUT = WatchTiming(idle_timeout=20)


class Bench:
    """A watch without randomness, whose clock moves only with `now`; pauses are recorded and take no time."""

    def __init__(self, server: FakeApi, kubeconfig: Path, **options: Any) -> None:
        self.server = server
        self.kubeconfig = kubeconfig
        self.status = WatchStatus()
        self.now = 1_000_000_000
        self.pauses: list[float] = []
        self.at_pause: Callable[[int], object] = lambda _: None
        self._updates: asyncio.Queue[Listed | Changed] = asyncio.Queue()
        self._options = options

    async def run(self) -> None:
        async with connect(str(self.kubeconfig)) as api:
            updates = watch(
                api,
                status=self.status,
                time_ns=lambda: self.now,
                sleep=self._pause,
                **({"timing": LONG_TIMEOUT, "rng": lambda: 0.0} | self._options),
            )
            async for update in updates:
                self._updates.put_nowait(update)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        result = self.at_pause(len(self.pauses))
        if inspect.isawaitable(result):
            await result
        await asyncio.sleep(0)

    async def next(self) -> Any:
        return await asyncio.wait_for(self._updates.get(), 5)

    @property
    def idle(self) -> bool:
        return self._updates.empty()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  # what it waits for is outside
                await asyncio.sleep(0.001)

    async def connected(self) -> None:
        await self.until(lambda: self.server.watch_count)

    async def started(self) -> Listed:
        """Return the first list once the watch is open and in sync."""
        listed = await self.next()
        assert isinstance(listed, Listed)
        await self.connected()
        await self.until(lambda: self.status.synced)
        return listed

    @property
    def lists(self) -> list[str]:
        """Return the versions that lists have requested so far."""
        return [request.query["resourceVersion"] for request in self.server.requests if not request.is_watch]

    @property
    def watches(self) -> list[str]:
        return [request.query["resourceVersion"] for request in self.server.requests if request.is_watch]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "enricher.kube")


OpenBench = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def open_bench(tmp_path: Path) -> OpenBench:
    @asynccontextmanager
    async def enter(server: FakeApi | None = None, **options: Any) -> AsyncIterator[Bench]:
        async with server or FakeApi() as running:
            kubeconfig = tmp_path / "kubeconfig"
            running.write_kubeconfig(kubeconfig)
            bench = Bench(running, kubeconfig, **options)
            task = asyncio.create_task(bench.run())
            try:
                yield bench
                assert not task.done(), task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return enter
