"""stdout with back-pressure: a blocked reader stops the reading of logs, but neither the probes nor the shutdown."""

import asyncio
import os
import select
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from enricher.report.terminal import json_encoder


class _Job(NamedTuple):
    data: bytes
    done: asyncio.Future[None]


class StdoutWriter:
    """Writes whole chunks to a file descriptor, one after the other, in a thread of its own.

    A task that waits for `write` does not read in the meantime: that is the back-pressure. Chunks of several sources
    are written in the order of the calls.
    """

    def __init__(self, descriptor: int = 1, *, encode: Callable[[bytes], bytes] | None = None) -> None:
        """Start the thread. Unless there is another way to `encode` chunks, they are JSON lines."""
        self._descriptor = descriptor
        self._encode = encode or json_encoder(for_terminal=os.isatty(descriptor))
        self._jobs = SimpleQueue[_Job | None]()
        # Not a thread of an executor: the program would wait for it at exit, and it may be stuck in a write.
        Thread(target=self._work, name="stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write `data` and return when all of it is written. Raise BrokenPipeError if stdout no longer has a reader."""
        if data:
            done = asyncio.get_running_loop().create_future()
            self._jobs.put(_Job(self._encode(data), done))
            await done

    def close(self) -> None:
        """End the thread; data that has not been written by then is discarded."""
        self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            error = None if job.done.cancelled() else self._write_all(job.data)
            with suppress(RuntimeError):  # the loop is closed: nothing waits for the result
                job.done.get_loop().call_soon_threadsafe(_finish, job.done, error)

    def _write_all(self, data: bytes) -> OSError | None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # another process that shares the pipe made it non-blocking
                    select.select([], [self._descriptor], [])
        except OSError as error:
            return error
        return None


def _finish(done: asyncio.Future[None], error: OSError | None) -> None:
    if done.cancelled():
        return
    if error:
        done.set_exception(error)
    else:
        done.set_result(None)
