"""`enricher tail` and what `top` is fed with, against a cluster: the user's way."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import orjson
import pytest

from demo.fake_api import slice_of, status
from tests.support.fake_log_api import FakeLogApi

POD = "ingress-nginx-controller-1"
LINE = (
    b'2026-11-22T23:18:31.%09dZ 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET /%d HTTP/1.1" 200 1 "-" "-" 1 0.002 '
    b"[shop-web-80] [] 10.0.0.1:8080, 10.0.0.2:8080 0, 1 0.001, 0.001 502, 200 abc"
)


@asynccontextmanager
async def tail(server, tmp_path, *arguments, stdout=asyncio.subprocess.PIPE):
    server.write_kubeconfig(tmp_path / "config")
    command = ["-m", "enricher", "tail", "--kubeconfig", str(tmp_path / "config"), *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=stdout, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_lines_come_as_they_are_written_and_survive_a_break(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1", "10.0.0.2": "pod-2"}, port=8080))
        server.pod(POD, node="node-7")
        server.write(POD, LINE % (1, 1))
        async with tail(server, tmp_path, "-o", "json", "--since", "10m") as process:
            for n in range(2, 12):
                record = orjson.loads(await process.stdout.readline())
                assert record["request"] == f"GET /{n - 1} HTTP/1.1"
                server.write(POD, LINE % (n, n))
                if n % 3 == 0:
                    server.cut(POD, "abort")
        assert [one["pod"] for one in record["attempts"]] == ["pod-1", "pod-2"]
        assert record["attribution"] == "assumed"
        assert record["logged_by"] == {
            "namespace": "ingress-nginx",
            "pod": POD,
            "node": "node-7",
            "container": "controller",
        }
        assert int(server.log_requests[0].query["sinceSeconds"]) >= 600


async def test_one_service_of_one_namespace(tmp_path):
    """`-n` watches that namespace's slices alone, and a name that nothing has is reported before any line comes."""
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.2": "pod-2"}, port=8080, namespace="shop", service="cart"))
        server.pod(POD)
        server.write(POD, LINE % (1, 1))
        options = ("-n", "shop", "--no-follow")
        async with tail(server, tmp_path, "service/cart", *options) as process:
            out, err = await process.communicate()
        assert b"GET /1  pod-2 (assumed)" in out
        assert err == b""
        async with tail(server, tmp_path, "service/crat", *options) as process:
            out, err = await process.communicate()
        assert out == b""
        first, second = err.decode().splitlines()
        assert first.endswith(
            "service/crat: the cluster's endpoints have no service of this name in namespace 'shop': "
            "did you mean service/cart?"
        )
        assert second == "enricher: no line of 1 matches service/crat, --namespace shop"


async def test_a_reader_that_goes_away_ends_it(tmp_path):
    async with FakeLogApi() as server:
        server.pod(POD)
        server.write(POD, LINE % (1, 1))
        async with tail(server, tmp_path) as process:
            assert await process.stdout.readline()
            process._transport.get_pipe_transport(1).close()
            server.write(POD, LINE % (2, 2))
            assert await asyncio.wait_for(process.wait(), 20) == 0
            assert await process.stderr.read() == b""


async def test_a_full_disk_is_told(tmp_path):
    async with FakeLogApi() as server:
        server.pod(POD)
        server.write(POD, LINE % (1, 1))
        full = os.open("/dev/full", os.O_WRONLY)
        async with tail(server, tmp_path, stdout=full) as process:
            os.close(full)
            message = await asyncio.wait_for(process.stderr.read(), 20)
            code = await asyncio.wait_for(process.wait(), 20)
        assert (code, message) == (1, b"enricher: stdout: No space left on device\n")


async def test_who_may_not_list_pods_is_told_so(tmp_path):
    class Refusing(FakeLogApi):
        async def _answer(self, request):
            return await (status(403)(request) if request.path == "/api/v1/pods" else super()._answer(request))

    async with Refusing() as server:
        async with tail(server, tmp_path) as process:
            message = await process.stderr.readline()
        assert message == b"enricher: the watch of pods is out of sync: cannot list pods at the cluster scope: " + (
            b"grant the verb list\n"
        )


async def test_addresses_outside_the_cluster_are_named_beside_its_own(tmp_path):
    (path := tmp_path / "extra.yaml").write_text("10.0.0.2: vm-1")
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}, port=8080))
        server.pod(POD)
        server.write(POD, LINE % (1, 1))
        async with tail(server, tmp_path, "-o", "json", "--since", "10m", "--extra-endpoints", str(path)) as process:
            record = orjson.loads(await process.stdout.readline())
        assert [one["pod"] for one in record["attempts"]] == ["pod-1", "vm-1"]
        assert record["attribution"] == "exact"


@pytest.mark.parametrize("duration", [["--for", "5s"], []])
async def test_two_revisions_are_compared(tmp_path, duration):
    """Both have a pod when it begins, so the new one has to be named."""
    old, new = "web-5d4bc8f7d6-x2x2x", "web-7f9c6d5b48-x2x2x"
    line = LINE.replace(b"502, 200", b"%d, 200")
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.1": new, "10.0.0.2": old}, port=8080))
        server.pod(POD)
        for n in range(30):
            server.write(POD, line % (n, n, 502))
        server.write_kubeconfig(tmp_path / "config")
        options = [*duration, "--kubeconfig", str(tmp_path / "config"), "-o", "json"]
        command = [sys.executable, "-m", "enricher", "rollout", "web", *options, "--new", "7f9c6d5b48"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert (process.returncode, err) == (4, b"")
        document = orjson.loads(out)
        assert [document[name]["attempts"] for name in ("new", "old")] == [30, 30]
        assert document["new"]["errors"] == 30
        assert int(server.log_requests[0].query["sinceSeconds"]) >= 600
        assert ("follow" in server.log_requests[0].query) == bool(duration)
