"""`enricher tail | less`: nobody reads the pipe for a while, and meanwhile an address changes hands."""

import asyncio
import os
import select
import signal
from contextlib import asynccontextmanager
from io import FileIO

import pytest

from demo.fake_api import slice_of
from enricher.cli.line_writer import MAX_WAITING, LineWriter
from tests.support.controller_logs import access, recent
from tests.support.fake_log_api import FakeLogApi
from tests.unit.cli.test_live_commands import POD, tail

LINES = 1000
"""More than a pipe has room for."""


def line(number):
    """Return the line of a request that ends now."""
    return recent(access(number, "10.0.0.1:8080", size=200)).replace(" stdout F", "").rstrip().encode()


async def until(condition):
    """Return as soon as a condition holds, of which the event loop knows nothing."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def stuck_tail(server, tmp_path, *arguments):
    """Run `tail` until its pipe is full; yield it with the end to read from."""
    server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}, port=8080))
    server.pod(POD)
    reading_end, writing_end = os.pipe()
    with FileIO(reading_end) as pipe, FileIO(writing_end, "w") as full:
        async with tail(server, tmp_path, *arguments, stdout=full) as process:
            await server.wait_for_readers(1)
            server.write(POD, *map(line, range(LINES)))
            await until(lambda: not select.select([], [full], [], 0)[1])
            yield process, pipe


def watches(server):
    return sum(request.is_watch and "endpointslices" in request.path for request in server.requests)


def read_until(text, pipe):
    """Return what a pipe has up to a text and the end of its line."""
    data = b""
    while text not in data or not data.endswith(b"\n"):
        data += pipe.read(1 << 16)
    return data


@pytest.mark.parametrize("output", ["text", "json"])
async def test_the_watch_is_heard_while_the_reader_pauses(tmp_path, output):
    async with FakeLogApi() as server, stuck_tail(server, tmp_path, "-o", output) as (_, pipe):
        server.apply("MODIFIED", slice_of("a", {"10.0.0.1": "pod-2"}, port=8080))
        before = watches(server)
        server.drop()
        await until(lambda: watches(server) > before)  # whatever came before the end of the watch has been read
        server.write(POD, line("last"))
        *others, last = (await asyncio.to_thread(read_until, b"/last", pipe)).splitlines()
    assert len(others) == LINES
    assert b"pod-2" in last


async def test_ctrl_c_while_the_reader_pauses(tmp_path):
    async with FakeLogApi() as server, stuck_tail(server, tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 130


async def test_a_reader_that_goes_away_after_a_pause(tmp_path):
    async with FakeLogApi() as server, stuck_tail(server, tmp_path) as (process, pipe):
        pipe.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0


class _Stdout:
    """A stdout that takes lines when it is told to."""

    def __init__(self):
        self.written, self.reads = [], asyncio.Event()

    async def write(self, data):
        self.written.append(data)
        await self.reads.wait()


async def test_no_more_lines_are_asked_for_than_a_bound():
    stdout = _Stdout()
    writer = LineWriter(stdout)
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        chunk, accepted = b"x" * (MAX_WAITING // 8), 0

        async def put_all():
            nonlocal accepted
            for _ in range(100):
                await writer.wait_for_room()
                writer.put(chunk)
                accepted += 1
                await asyncio.sleep(0)
            writer.end()

        putting = group.create_task(put_all())
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not putting.done()
        assert 8 <= accepted <= 10  # one chunk is being written, and the others wait
        stdout.reads.set()
    assert b"".join(stdout.written) == chunk * 100
