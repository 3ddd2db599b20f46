"""The daemon's data path in this process: its real parts on real files, a pipe for stdout, and virtual time."""

import asyncio
import fcntl
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

from demo.fake_api import slice_of
from enricher.accesslog.detection import FormatDetector
from enricher.cluster.endpoint_files import ChangeSignal
from enricher.config.settings import LogSettings
from enricher.daemon import pipeline
from enricher.daemon.checkpoint import Checkpointer
from enricher.daemon.pipeline import LogPipeline
from enricher.daemon.run import SHUTDOWN_GRACE
from enricher.daemon.stdout import StdoutWriter
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.tailer.follower import LogFollower
from enricher.timestamps import parse_rfc3339
from tests.faults.virtual_time import VirtualLoop

EPOCH = parse_rfc3339(b"2026-11-22T00:00:00Z")
"""What the clock on the wall says at virtual second 0."""


class VirtualTime:
    """Stands in for the module `time`."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()

    @classmethod
    def time_ns(cls) -> int:
        return EPOCH + round(cls.monotonic() * 1e9)


class Trailing:
    """Knows the pods at 10.0.0.x; what it says of others, it says late or never, so that lines are held."""

    may_lag = True

    def __init__(self) -> None:
        history = History(retention=None)
        history.replace([read_slice(slice_of("web", {f"10.0.0.{n}": f"web-{n}" for n in range(1, 5)}))], EPOCH - 10**9)
        self.histories, self.changed = Histories(history, History()), ChangeSignal()

    def dump_state(self) -> dict[str, Any]:
        return {}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Forget it."""

    async def wait_until_ready(self) -> None:
        return


class CountingWriter(StdoutWriter):
    """Knows how much of what it was given has left, which is what may be committed."""

    def __init__(self, descriptor: int) -> None:
        before = set(threading.enumerate())
        super().__init__(descriptor)
        (self.thread,) = set(threading.enumerate()) - before
        self.waiting = self.left = 0

    async def write(self, data: bytes) -> None:
        self.waiting += 1
        try:
            await super().write(data)
            self.left += len(data)
        finally:
            self.waiting -= 1


class Daemon:
    """One life of it. `out` is what its reader got; the first `saved` bytes of it are covered by a checkpoint."""

    def __init__(
        self,
        log_dir: Path,
        state_dir: Path,
        *,
        chunk_size: int = 64 * 1024,
        pipe: int = 1 << 16,
        logs: LogSettings | None = None,
        are_saved: bool = True,
    ) -> None:
        pipeline.time = VirtualTime
        pipeline.LogFollower = partial(LogFollower, chunk_size=chunk_size)
        self.loop = asyncio.get_running_loop()
        assert isinstance(self.loop, VirtualLoop)
        self.loop.busy = lambda: self.flowing and self.writer.waiting > 0
        self.out, self.saved, self.flowing = bytearray(), 0, False
        self._reader, self._stdout = os.pipe()
        fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, pipe)
        os.set_blocking(self._reader, False)
        self.writer = CountingWriter(self._stdout)
        self.endpoints, self.metrics, self.checkpointer = Trailing(), Metrics(), Checkpointer(str(state_dir))
        logs = logs or LogSettings(directory=str(log_dir))
        self.enricher = Enricher(FormatDetector(logs.formats), self.metrics)
        self.pipeline = LogPipeline(
            logs,
            enricher=self.enricher,
            endpoints=self.endpoints,
            stdout=self.writer,
            metrics=self.metrics,
            positions=self.checkpointer.load(self.endpoints),
            are_saved=are_saved,
        )
        self.task = asyncio.create_task(self.pipeline.run())
        self.flow()

    def flow(self) -> None:
        """stdout is read."""
        if not self.flowing:
            self.flowing = True
            self.loop.add_reader(self._reader, self._take)

    def stall(self) -> None:
        """stdout is not read."""
        if self.flowing:
            self.flowing = False
            self.loop.remove_reader(self._reader)

    def save(self) -> None:
        """A checkpoint, as Checkpointer.run makes it."""
        self.checkpointer.save(self.pipeline, self.endpoints)
        self.saved = self.writer.left

    async def stop(self) -> bool:
        """As at SIGTERM; whether everything that was read has left."""
        self.pipeline.stop()
        done, _ = await asyncio.wait({self.task}, timeout=SHUTDOWN_GRACE)
        await self._end()
        self.save()
        self._close()
        return bool(done)

    async def kill(self) -> None:
        """As at SIGKILL: what is in the pipe can still be read, and nothing is saved."""
        await self._end()
        self._close()

    async def _end(self) -> None:
        await asyncio.sleep(0)  # what has not begun can't clean up behind itself
        self.task.cancel()
        (failure,) = await asyncio.gather(self.task, return_exceptions=True)
        assert failure is None or isinstance(failure, asyncio.CancelledError), failure

    def _close(self) -> None:
        self.stall()
        self._take()
        os.close(self._reader)  # a thread that is stuck in a write comes free
        self.writer.close()
        self.writer.thread.join()
        os.close(self._stdout)

    def _take(self) -> None:
        while True:
            try:
                data = os.read(self._reader, 1 << 20)
            except BlockingIOError:
                return
            self.out += data
