"""`bench` puts a watch in front of a stand-in."""

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

PATIENT = WatchTiming(idle_timeout=20)


class Bench:
    """A watch whose clock stands still unless told, whose pauses are noted and not waited for, and without chance."""

    def __init__(self, server: FakeApi, kubeconfig: Path, **options: Any) -> None:
        self.server = server
        self.kubeconfig = kubeconfig
        self.status = WatchStatus()
        self.now = 1_000_000_000
        self.pauses: list[float] = []
        self.at_pause: Callable[[int], object] = lambda _: None
        self._news: asyncio.Queue[Listed | Changed] = asyncio.Queue()
        self._options = options

    async def run(self) -> None:
        async with connect(str(self.kubeconfig)) as api:
            news = watch(
                api,
                status=self.status,
                time_ns=lambda: self.now,
                sleep=self._pause,
                rng=lambda: 0.0,
                **({"timing": PATIENT} | self._options),
            )
            async for item in news:
                self._news.put_nowait(item)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        done = self.at_pause(len(self.pauses))
        if inspect.isawaitable(done):
            await done
        await asyncio.sleep(0)

    async def next(self) -> Any:
        return await asyncio.wait_for(self._news.get(), 5)

    @property
    def idle(self) -> bool:
        return self._news.empty()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():  # noqa: ASYNC110  # what it waits for is outside
                await asyncio.sleep(0.001)

    async def connected(self) -> None:
        await self.until(lambda: self.server.watch_count)

    async def started(self) -> Listed:
        """The first list, with the watch open."""
        listed = await self.next()
        assert isinstance(listed, Listed)
        await self.connected()
        await self.until(lambda: self.status.synced)
        return listed

    @property
    def lists(self) -> list[str]:
        """The versions that were asked for by lists so far."""
        return [it.query["resourceVersion"] for it in self.server.requests if not it.is_watch]

    @property
    def watches(self) -> list[str]:
        return [it.query["resourceVersion"] for it in self.server.requests if it.is_watch]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "enricher.kube")


Benches = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def bench(tmp_path: Path) -> Benches:
    @asynccontextmanager
    async def open_bench(server: FakeApi | None = None, **options: Any) -> AsyncIterator[Bench]:
        async with server or FakeApi() as running:
            kubeconfig = tmp_path / "kubeconfig"
            running.write_kubeconfig(kubeconfig)
            made = Bench(running, kubeconfig, **options)
            task = asyncio.create_task(made.run())
            try:
                yield made
                assert not task.done(), task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return open_bench
