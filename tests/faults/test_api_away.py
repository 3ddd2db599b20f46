"""The API server fails, the daemon does not: lines go on, graded honestly, and the log says once what is wrong."""

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager

import pytest

from demo.fake_api import GONE, FakeApi, slice_of, status, stream
from enricher.cluster.endpoint_source import FIRST_LIST_TIMEOUT
from enricher.timestamps import format_rfc3339
from tests.support.controller_logs import access
from tests.support.processes import Process

pytestmark = pytest.mark.faults
PODS = {"10.0.0.1": "web-1", "10.0.0.2": "web-2"}


class Faulty(FakeApi):
    """`fault` answers in its place for as long as it is set; `watches_only`: lists are answered."""

    fault = None
    watches_only = False

    async def _answer(self, request):
        if self.fault and not (self.watches_only and "watch" not in request.query):
            return await self.fault(request)
        return await super()._answer(request)


def line(n, ip="10.0.0.1"):
    """One that was written just now."""
    now = time.gmtime()
    text = access(n, f"{ip}:10000").replace("22/Nov/2026:23:18:31", time.strftime("%d/%b/%Y:%H:%M:%S", now))
    return f"{format_rfc3339(time.time_ns())} stdout F {text}\n"


class Followed:
    def __init__(self, process, server):
        self.process, self.server = process, server
        self.path = process.log_dir / "a_ingress-nginx-controller-1_u" / "controller" / "0.log"
        self.path.parent.mkdir(parents=True)

    def write(self, n, ip="10.0.0.1"):
        with self.path.open("a") as log:
            log.write(line(n, ip))

    def rows(self):
        return [json.loads(line) for line in self.process.out.splitlines(keepends=True) if line.endswith(b"\n")]

    async def line(self, n, ip="10.0.0.1", seconds=5):
        """Writes one; what comes out."""
        self.write(n, ip)
        await self.until(lambda: len(self.rows()) > n, seconds)
        row = self.rows()[n]
        assert row["req_id"] == f"request-{n}"
        return row

    async def until(self, condition, seconds=40):
        await asyncio.to_thread(self.process.until, condition, seconds)

    async def wait_until_in_sync(self):
        """In sync, for longer than an attempt takes."""
        await self.until(self.ready)
        await asyncio.sleep(0.2)

    def ready(self):
        return self.process.get("/readyz")[0] == 200

    def log_lines(self, text):
        """Lines of the daemon's log that match."""
        return [line for line in self.process.log().splitlines() if re.search(text, line)]


@asynccontextmanager
async def followed(tmp_path, server):
    server.apply("ADDED", slice_of("web", PODS))
    server.write_kubeconfig(tmp_path / "kubeconfig")
    process = await asyncio.to_thread(Process, tmp_path, "--kubeconfig", str(tmp_path / "kubeconfig"))
    try:
        yield Followed(process, server)
        assert (await asyncio.to_thread(process.stop))[0] == 0
        assert "Traceback" not in process.log()
    finally:
        process.close()


async def test_away_at_the_start(tmp_path):
    async with Faulty() as server:
        await server.stop()
        async with followed(tmp_path, server) as it:
            row = await it.line(0, seconds=FIRST_LIST_TIMEOUT + 5)
            assert row["attribution"] == "unknown"
            assert "pod" not in row
            assert not it.ready()
            # A log that appears now does not wait as long again.
            other = it.process.log_dir / "b_ingress-nginx-controller-2_u" / "controller" / "0.log"
            other.parent.mkdir(parents=True)
            other.write_text(line(1))
            await it.until(lambda: len(it.rows()) == 2, 8)
            await server.start()
            await it.wait_until_in_sync()
            assert (await it.line(2))["pod"] == "web-1"
            assert len(it.log_lines("no list of endpoints")) == 1
            assert len(it.log_lines("out of sync")) == 1
            assert len(it.log_lines("is in sync")) == 1


async def test_away_in_the_middle(tmp_path):
    async with Faulty() as server, followed(tmp_path, server) as it:
        assert (await it.line(0))["pod"] == "web-1"  # it began the watch, so it is older than all that is known
        await it.wait_until_in_sync()
        row = await it.line(1)
        assert (row["pod"], row["attribution"]) == ("web-1", "exact")
        await server.stop()
        await it.until(lambda: not it.ready())
        row = await it.line(2)
        assert (row["pod"], row["attribution"]) == ("web-1", "assumed")
        assert it.process.metric("enricher_watch_synced") == 0
        server.apply("ADDED", slice_of("more", {"10.0.0.3": "web-3"}))
        await asyncio.sleep(5)  # some attempts, of which the log does not speak
        await server.start()
        await it.wait_until_in_sync()
        assert (await it.line(3, "10.0.0.3"))["pod"] == "web-3"
        assert (await it.line(4))["attribution"] == "exact"
        assert len(it.log_lines("out of sync")) == 1
        assert len(it.log_lines("is in sync")) == 2


async def test_forbidden(tmp_path):
    async with Faulty() as server:
        server.fault = status(403, "no")
        async with followed(tmp_path, server) as it:
            it.write(0)
            await it.until(lambda: it.log_lines("out of sync"))
            await asyncio.sleep(6)  # it is asked again, and says no more
            (log_lines,) = it.log_lines("out of sync")
            assert "cannot list endpointslices.discovery.k8s.io at the cluster scope: grant the verb list" in log_lines
            assert "grant the verb list" in it.process.get("/readyz")[1]
            server.fault = None
            await it.until(lambda: it.ready() and len(it.rows()) == 1)
            assert it.rows()[0]["pod"] == "web-1"


async def test_gone_again_and_again(tmp_path):
    async with Faulty() as server:
        server.fault, server.watches_only = stream(GONE), True
        async with followed(tmp_path, server) as it:
            assert (await it.line(0))["pod"] == "web-1"
            await it.until(lambda: it.process.metric('enricher_watch_restarts_total{reason="gone"}') >= 4)
            assert (await it.line(1))["pod"] == "web-1"
            requests_before = len(server.requests)
            await asyncio.sleep(3)
            assert len(server.requests) - requests_before < 8, "no pause between"
            server.fault = None
            watches = server.watch_count
            await it.until(lambda: server.watch_count > watches)
            server.bookmark()  # as a server sends one each minute: only then can it be told from the loop
            await it.wait_until_in_sync()
            assert (await it.line(2))["attribution"] == "exact"
            assert len(it.log_lines("out of sync")) <= 1
