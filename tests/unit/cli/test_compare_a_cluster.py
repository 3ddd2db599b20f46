"""`enricher compare` of containers in a cluster: the user's way, while both proxies serve."""

import asyncio
import json
import re
import signal
import sys

import pytest

from demo.fake_api import slice_of
from tests.support.fake_log_api import FakeLogApi
from tests.support.terminals import terminal

NGINX, ENVOY = "ingress-nginx-controller-1", "envoy-shop-1"
NGINX_LINE = (
    b'2026-11-22T23:18:31.%09dZ 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET /%d HTTP/1.1" 200 1 "-" "-" 1 0.002 '
    b"[shop-web-80] [] 10.0.0.1:8080 1 0.001 200 abc"
)
ENVOY_LINE = (
    b'2026-11-22T23:18:31.%09dZ [2026-11-22T23:18:31.000Z] "GET /%d HTTP/1.1" %d - 0 31 2 1 "10.1.2.3" "-" "r" '
    b'"shop.example" "10.0.0.1:8080"'
)
NEW = "envoy-gateway-system/envoy-*/envoy"


@pytest.fixture
async def server():
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}, port=8080))
        server.pod(NGINX)
        server.pod(ENVOY, namespace="envoy-gateway-system", container="envoy")
        for n in range(200):
            server.write(NGINX, NGINX_LINE % (n, n))
            server.write(ENVOY, ENVOY_LINE % (n, n, 503 if n % 10 == 0 else 200))
        yield server


async def start(*arguments):
    command = [sys.executable, "-m", "enricher", "compare", "-o", "json", *arguments]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    return await asyncio.create_subprocess_exec(*command, **pipes)


@pytest.fixture
def kubeconfig(server, tmp_path):
    server.write_kubeconfig(tmp_path / "config")
    return ["--kubeconfig", str(tmp_path / "config")]


@pytest.mark.parametrize("duration", [[], ["--for", "5s"]], ids=["read", "followed"])
async def test_two_selections_are_compared(server, kubeconfig, duration):
    process = await start("ingress-nginx:", f"envoy:{NEW}", *duration, *kubeconfig)
    out, err = await process.communicate()
    assert (process.returncode, err) == (4, b"")
    document = json.loads(out)
    (row,) = document["rows"]
    assert (row["service"], row["old"]["requests"], row["new"]["requests"], row["new"]["failed"]) == (
        "backend",
        200,
        200,
        20,
    )
    assert all(("follow" in request.query) == bool(duration) for request in server.log_requests)
    assert len(server.log_requests) == 2


async def test_without_a_profile_the_lines_show_the_proxy(kubeconfig):
    process = await start("ingress-nginx/*/controller", NEW, *kubeconfig)
    out, err = await process.communicate()
    assert process.returncode == 4
    assert [json.loads(out)[side]["lines"] for side in ("old", "new")] == [{"access": 200}] * 2
    assert err.decode().splitlines() == [
        f"enricher: {name} {text!r} is not a file: the containers of a cluster with such names are read"
        for name, text in (("OLD", "ingress-nginx/*/controller"), ("NEW", NEW))
    ]


async def test_ctrl_c_ends_it_with_what_was_read(server, kubeconfig):
    process = await start("ingress-nginx:", f"envoy:{NEW}", "--for", "1h", *kubeconfig)
    await server.wait_for_readers(2)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == 130
    assert err == b"enricher: interrupted: this is the comparison of what was read until then\n"
    assert all(0 <= json.loads(out)[side]["requests"] <= 200 for side in ("old", "new"))  # SIGINT comes at any moment


async def test_a_container_on_both_sides_is_reported(kubeconfig):
    process = await start(f"envoy:{NEW}", "envoy:*/envoy-shop-*/envoy", *kubeconfig)
    out, err = await process.communicate()
    assert process.returncode == 0
    assert err == (
        b"enricher: OLD and NEW both select envoy-gateway-system/envoy-shop-1/envoy: it is compared with itself\n"
    )
    assert [json.loads(out)[side]["requests"] for side in ("old", "new")] == [200, 200]


async def test_a_file_beside_a_cluster(server, tmp_path, monkeypatch):
    """The endpoints of the log of before are in a file, those of the new proxy are the cluster's."""
    (tmp_path / "map.yaml").write_text("10.0.0.1:8080: {pod: pod-0, namespace: default, service: backend}\n")
    lines = (NGINX_LINE.partition(b" ")[2] % n + b"\n" for n in range(200))
    (tmp_path / "old.log").write_bytes(b"".join(lines))
    server.write_kubeconfig(tmp_path / "config")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    process = await start(str(tmp_path / "old.log"), f"envoy:{NEW}", "--endpoints", str(tmp_path / "map.yaml"))
    out, err = await process.communicate()
    assert (process.returncode, err) == (4, b"")
    (row,) = json.loads(out)["rows"]
    assert (row["service"], row["old"]["requests"], row["new"]["requests"]) == ("backend", 200, 200)


async def test_a_terminal_shows_how_far_it_is(server, kubeconfig):
    with terminal("compare", "ingress-nginx:", f"envoy:{NEW}", "--for", "1h", *kubeconfig, columns=80) as shown:
        await asyncio.to_thread(shown.read, lambda: b"OLD 200 requests, NEW 200 requests" in shown.output)
        shown.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(shown.read)
        assert shown.process.wait() == 130
    assert re.search(rb"\x1b\[1;31mdefault/backend: worse\x1b\[0m", shown.output)
    assert "worse: 1 service (default/backend)" in shown.text()
