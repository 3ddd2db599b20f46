"""One log does not starve the others: counted in turns, not in seconds."""

import asyncio

from tests.faults import virtual_time
from tests.faults.churn import ACCESS
from tests.faults.in_process import Daemon


def line(n, name):
    return f"2026-11-22T00:00:00.{n:09d}Z stdout F " + ACCESS % (f"GET /{name}/{n} HTTP/1.1", "10.0.0.1:80", n) + "\n"


def log(tmp_path, name):
    path = tmp_path / "pods" / f"a_ingress-nginx-controller-{name}_u" / "controller" / "0.log"
    path.parent.mkdir(parents=True)
    return path


async def started(tmp_path, until):
    daemon = Daemon(tmp_path / "pods", tmp_path / "state")
    while not until(daemon):
        await asyncio.sleep(0)
    return daemon


def test_a_line_without_an_end_leaves_turns(tmp_path):
    """Gigabytes without a newline, as a node's crash leaves them, are read in pieces."""
    endless, live = log(tmp_path, "endless"), log(tmp_path, "live")
    endless.write_text(line(0, "endless"))
    with endless.open("r+b") as file:
        file.truncate(200 << 20)
    live.write_text(line(0, "live"))

    async def main():
        daemon = await started(tmp_path, lambda daemon: b"GET /live/0 " in daemon.out)
        assert daemon.pipeline.lag()[0] > 100 << 20, "the other one was read first"
        for _ in range(20):
            before = daemon.pipeline.lag()[0]
            await asyncio.sleep(0)
            assert before - daemon.pipeline.lag()[0] <= 2 << 20
        await daemon.kill()

    virtual_time.run(main())
