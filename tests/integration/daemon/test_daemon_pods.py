"""The daemon with `--pods`: it looks up the pods at which attempts fail, and no others."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.timestamps import format_rfc3339
from tests.support.controller_logs import access
from tests.support.daemons import Node, until


@pytest.fixture
def watching(tmp_path: Path):
    node = Node(tmp_path)
    yield node
    for daemon in node.daemons:
        daemon.kill()


def written_now(number: int, addr: str, status: str) -> str:
    moment = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime())
    text = access(number, f"{addr}:10000", status).replace("22/Nov/2026:23:18:31", moment)
    return f"{format_rfc3339(time.time_ns())} stdout F {text}\n"


def pods_api() -> FakeApi:
    api = FakeApi()
    api.apply("ADDED", slice_of("web", {"10.0.0.1": "web-1", "10.0.0.2": "web-2"}))
    for name in ("web-1", "web-2"):
        metadata = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
        api.apply("ADDED", {"metadata": metadata, "status": {"reason": "Evicted"}}, plural="pods")
    return api


def looked_up(api: FakeApi) -> set[str]:
    return {request.path for request in api.requests if "/pods/" in request.path}


async def test_only_the_pod_that_failed_is_looked_up(watching) -> None:
    async with pods_api() as api:
        api.write_kubeconfig(watching.path / "kubeconfig")
        watching.write(written_now(0, "10.0.0.1", "502"), written_now(1, "10.0.0.2", "200"))
        options = "--kubeconfig", str(watching.path / "kubeconfig"), "--pods"
        daemon = await asyncio.to_thread(watching.start, *options)
        await asyncio.to_thread(until, lambda: re.search(r'result="read"} [1-9]', daemon.get("/metrics")[1]))
        assert looked_up(api) == {"/api/v1/namespaces/default/pods/web-1"}
        code, _ = await asyncio.to_thread(daemon.stop)
        assert code == 0
        assert b"Traceback" not in b"".join(daemon.stderr_lines)


async def test_without_the_option_nobody_is(watching) -> None:
    async with pods_api() as api:
        api.write_kubeconfig(watching.path / "kubeconfig")
        watching.write(written_now(0, "10.0.0.1", "502"))
        daemon = await asyncio.to_thread(watching.start, "--kubeconfig", str(watching.path / "kubeconfig"))
        await asyncio.to_thread(until, daemon.rows)
        _, metrics = await asyncio.to_thread(daemon.get, "/metrics")
        assert "enricher_pod_lookups" not in metrics
        assert looked_up(api) == set()
