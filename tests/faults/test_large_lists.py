"""A tenant's objects may be as many and as large as the API server takes: a list of them fits into the memory."""

import asyncio
import json
import time
import zlib
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from demo.fake_api import FakeApi, slice_of
from enricher.timestamps import format_rfc3339
from tests.support.controller_logs import access
from tests.support.processes import Process

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
LIMIT = 256
"""The limit of the daemon's memory in deploy/, in MiB. Here a kubeconfig takes 36 MiB of it."""
GOOD = slice_of("web", {"10.0.0.1": "web-1"}, namespace="shop", service="web", port=80)
UID = "0e9a1c5e-9a7b-4d0c-8c39-a2c0e6f0d0"


def raw(name, text):
    return b'{"metadata":{"name":"%b","namespace":"tenant","uid":"u","resourceVersion":"1"},%b}' % (name, text)


def slices_of_a_hundred(number):
    """Yield slices as a controller writes them, with a hundred pods each."""
    pods = {f"10.A.B.{k}": f"backend-878dbc76b-NUMBER-{k:03}" for k in range(100)}
    obj = slice_of("x", pods, namespace="tenant")
    del obj["metadata"]
    for k, endpoint in enumerate(obj["endpoints"]):
        endpoint["targetRef"]["uid"] = f"{UID}NUMBER{k:03}"
    text = orjson.dumps(obj)[1:-1]
    for n in range(number):
        address = b"%d.%d" % (100 + n // 250, n % 250)
        yield raw(b"backend-%05d" % n, text.replace(b"NUMBER", b"%05d" % n).replace(b"A.B", address))


def names(number, length, letter):
    """Yield slices with three pods each, whose names have this many bytes in JSON."""
    for n in range(number):
        target = b'{"kind":"Pod","namespace":"tenant","name":"%b"}' % (letter * (length // len(letter)))
        endpoints = b",".join(b'{"addresses":["10.1.%d.%d"],"targetRef":%b}' % (n % 250, k, target) for k in range(3))
        yield raw(b"names-%05d" % n, b'"endpoints":[%b]' % endpoints)


def nested(number):
    """Yield objects with field sets, whose mappings take twenty times the memory of their text."""
    for n in range(number):
        fields = b",".join(b'"f:%d":{}' % k for k in range(120_000))
        yield raw(b"fields-%05d" % n, b'"managedFields":[{"fieldsV1":{%b}}],"endpoints":[]' % fields)


def empty(number):
    for n in range(number):
        yield raw(b"empty-%06d" % n, b'"endpoints":[]')


LISTS = {
    "10,000 slices of 100 endpoints": lambda: slices_of_a_hundred(10_000),
    "200 objects of 1.4 MB": lambda: names(200, 466_000, b"a"),
    "40 objects of 8.4 MB": lambda: names(40, 2_800_000, rb"\u003c"),
    "100 objects of field sets": lambda: nested(100),
    "200,000 empty slices": lambda: empty(200_000),
}


class Large(FakeApi):
    """Its first list has the items, which are made while they are sent."""

    def __init__(self, items, encoding):
        super().__init__()
        self.items, self.encoding = items, encoding

    async def _list(self, request, plural, namespace):
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if self.encoding else {})
        await response.prepare(request)
        compressor = zlib.compressobj(1, wbits=31)
        pending = bytearray(b'{"metadata":{"resourceVersion":"%d"},"items":[' % self._version)
        for item in (*self.items(), orjson.dumps(GOOD)):
            pending += item + b","
            if len(pending) > 1 << 18:
                await response.write(compressor.compress(pending) if self.encoding else pending)
                pending = bytearray()
        pending = pending[:-1] + b"]}\n"
        await response.write(compressor.compress(pending) + compressor.flush() if self.encoding else pending)
        return response


@asynccontextmanager
async def followed(tmp_path, server):
    server.write_kubeconfig(tmp_path / "kubeconfig")
    process = await asyncio.to_thread(Process, tmp_path, "--kubeconfig", str(tmp_path / "kubeconfig"))
    try:
        yield process
        assert (await asyncio.to_thread(process.stop))[0] == 0
    finally:
        process.close()


def synced(process):
    try:
        return process.metric("enricher_watch_synced") == 1
    except TimeoutError:
        return False


def line(n):
    local = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime())
    return f"{format_rfc3339(time.time_ns())} stdout F {access(n).replace('22/Nov/2026:23:18:31', local)}\n"


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("content", LISTS)
async def test_memory_stays_below_the_limit(tmp_path, content, encoding):
    async with Large(LISTS[content], encoding) as server, followed(tmp_path, server) as process:
        path = process.log_dir / "a_ingress-nginx-controller-1_u" / "controller" / "0.log"
        path.parent.mkdir(parents=True)
        path.write_text("")

        async def until(condition):
            await asyncio.to_thread(process.until, condition, 300)

        await until(lambda: synced(process))
        await asyncio.sleep(0.2)  # for longer than the attempt takes
        with path.open("a") as log:
            log.write(line(1))
        await until(lambda: process.out.endswith(b"\n"))
        row = json.loads(process.out.splitlines()[-1])
        print(f"{content} {encoding}: {process.memory():.0f} MiB, {process.seconds():.1f} CPU s")
        assert (row["pod"], row["attribution"]) == ("web-1", "exact")
        assert process.peak < LIMIT
