"""stdout, with back-pressure: a blocked reader stops the tail, never the probes, nor the end of the program."""

import asyncio
import os
import select
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple


class _Job(NamedTuple):
    data: bytes
    done: asyncio.Future[None]


class StdoutWriter:
    """Writes whole chunks to a descriptor, one after the other, in a thread of its own.

    Who waits for `write` to end reads no more in the meantime: that is the back-pressure. Chunks of several sources
    take turns in the order in which they came.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._jobs = SimpleQueue[_Job | None]()
        # An executor's threads are waited for when the program ends; a daemon may be stuck in a write for ever.
        Thread(target=self._work, name="stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Returns when all of `data` has left. Raises BrokenPipeError when nobody reads any more."""
        if data:
            done = asyncio.get_running_loop().create_future()
            self._jobs.put(_Job(data, done))
            await done

    def close(self) -> None:
        """Gives up what could not be written so far."""
        self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            failure = None if job.done.cancelled() else self._write_all(job.data)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                job.done.get_loop().call_soon_threadsafe(_settle, job.done, failure)

    def _write_all(self, data: bytes) -> OSError | None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # who shares the pipe with us made it so
                    select.select([], [self._descriptor], [])
        except OSError as error:
            return error
        return None


def _settle(done: asyncio.Future[None], failure: OSError | None) -> None:
    if done.cancelled():
        return
    if failure:
        done.set_exception(failure)
    else:
        done.set_result(None)
