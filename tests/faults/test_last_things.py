"""Small things that would double or lose lines at the end, or end the daemon."""

import asyncio
import fcntl
import json
import os
import threading

from enricher import state_file as state
from enricher.cluster.endpoint_files import EndpointFiles
from enricher.daemon import checkpoint
from enricher.daemon.checkpoint import Checkpointer
from enricher.daemon.stdout import StdoutWriter


class Positions:
    """In place of LogPipeline."""

    def __init__(self) -> None:
        self.offset = 0

    def positions(self):
        return {"/log": {"offset": self.offset}}


async def test_the_last_save_is_not_overtaken(tmp_path, monkeypatch):
    """A save that is under way when the daemon ends may be as slow as a disk can be."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_INTERVAL", 0.001)
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        """The thread is held before it takes the lock."""

        @staticmethod
        def dumps(content, *, of=state.orjson.dumps):
            if threading.current_thread() is not threading.main_thread():
                begun.set()
                go_on.wait(10)
            return of(content)

    monkeypatch.setattr(state, "orjson", Slow)
    checkpointer, pipeline = Checkpointer(str(tmp_path)), Positions()
    (tmp_path / "endpoints.yaml").write_text("10.0.0.1:80: {pod: web-1, namespace: shop, service: web, node: n}\n")
    endpoints = EndpointFiles([str(tmp_path / "endpoints.yaml")])
    task = asyncio.create_task(checkpointer.run(pipeline, endpoints))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await asyncio.wait({task})
    pipeline.offset = 1
    checkpointer.save(pipeline, endpoints)
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert json.loads((tmp_path / "positions.json").read_bytes())["positions"]["/log"]["offset"] == 1


async def test_a_pipe_that_does_not_block():
    """Who shares the pipe may have made it so; it is waited for all the same."""
    reader, stdout = os.pipe()
    fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(stdout, False)
    writer, data = StdoutWriter(stdout), os.urandom(1 << 20)
    writing = asyncio.create_task(writer.write(data))
    await asyncio.sleep(0.05)
    assert not writing.done()
    got = b""
    while len(got) < len(data):
        got += await asyncio.to_thread(os.read, reader, 1 << 16)
    await writing
    assert got == data
    writer.close()
    os.close(reader)
    os.close(stdout)
