"""The controller's log format changes while it runs: a real API server holds its ConfigMap, a real nginx is reloaded,
and each line is read as it was written, by the old workers too.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from enricher.accesslog.nginx import INGRESS_NGINX

pytestmark = [pytest.mark.api, pytest.mark.timeout(90)]

LONGER = f"{INGRESS_NGINX} $connection"
"""The text at the end of the usual format could take this one's last value, too."""
JSON = '{"id": "$req_id", "status": $status, "up": "$upstream_addr", "ups": "$upstream_status", "t": "$time_iso8601"}'
NGINX = """
daemon off; pid nginx.pid; error_log stderr notice; worker_processes 1; worker_shutdown_timeout 20s;
events {{ }}
http {{
  log_format upstreaminfo {escape} '{text}';
  access_log /dev/stdout upstreaminfo;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  map $http_x_request_id $req_id {{ default $http_x_request_id; }}
  server {{
    listen 127.0.0.1:{port};
    set $proxy_upstream_name "shop-web-80"; set $proxy_alternative_upstream_name "";
    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
  }}
}}
"""


class Controller:
    """nginx, and what a container runtime does with its stdout."""

    def __init__(self, folder: Path, upstream: int) -> None:
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "there is no nginx; apt-get install nginx-light"
        self.folder, self.upstream, self.port = folder, upstream, free_port()
        self.log = folder / "0.log"
        self.write(INGRESS_NGINX)
        command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self._frame)
        self.thread.start()

    def write(self, text: str, escape: str = "") -> None:
        conf = NGINX.format(text=text, escape=escape, port=self.port, upstream=self.upstream)
        (self.folder / "nginx.conf").write_text(conf)

    def reload(self, text: str, escape: str = "") -> None:
        self.write(text, escape)
        self.process.send_signal(signal.SIGHUP)

    def _frame(self) -> None:
        assert self.process.stdout
        with self.log.open("ab", buffering=0) as log:
            for line in self.process.stdout:
                log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z stdout F ".encode() + line)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def backend() -> AsyncIterator[int]:
    """Answers at once, or with `/slow` after three seconds: long enough for a reload in between."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(3 if b"/slow" in head else 0)
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


class Daemon:
    def __init__(self, kubeconfig: str, log: Path, configmap: str) -> None:
        command = [sys.executable, "-m", "enricher", "run", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0"]
        command += ["--select", str(log), "--controller-configmap", configmap]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.rows: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        self.threads = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            row = json.loads(line)
            self.rows[row.get("req_id", "")] = row

    def _listen(self) -> None:
        self.said.extend(line.decode() for line in self.process.stderr or ())

    async def until(self, *ids: str) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while not set(ids) <= self.rows.keys():
                await asyncio.sleep(0.05)
        return [self.rows[one] for one in ids]

    async def until_said(self, text: str) -> None:
        async with asyncio.timeout(20):
            while not any(text in line for line in self.said):
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        for thread in self.threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


async def test_each_line_is_read_as_it_was_written(kube: Any, administrator: str, tmp_path: Path) -> None:
    async with kube() as cluster, backend() as upstream, aiohttp.ClientSession() as session:
        path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
        await cluster.make(path, {"metadata": {"name": "controller"}, "data": {"unrelated": "x"}})
        controller = Controller(tmp_path, upstream)
        daemon = Daemon(administrator, controller.log, f"{cluster.namespace}/controller")

        async def ask(*ids: str, where: str = "/") -> None:
            for one in ids:
                async with asyncio.timeout(10):
                    while True:
                        try:
                            url = f"http://127.0.0.1:{controller.port}{where}"
                            async with session.get(url, headers={"X-Request-Id": one, "User-Agent": 'a"b\\c'}) as got:
                                assert got.status == 200
                                break
                        except aiohttp.ClientConnectionError:
                            await asyncio.sleep(0.05)

        async def configure(data: dict[str, Any]) -> None:
            await cluster.request("PATCH", f"{path}/controller", {"data": data}, "application/merge-patch+json")

        async def ask_until(variable: str, prefix: str) -> list[str]:
            """Until the reload is done: the lines in between have either format."""
            async with asyncio.timeout(20):
                for n in range(1000):
                    await ask(f"{prefix}-{n}")
                    (row,) = await daemon.until(f"{prefix}-{n}")
                    assert row["kind"] == "access"
                    assert row["attempts"][0]["addr"] == f"127.0.0.1:{upstream}"
                    if variable in row:
                        return [f"{prefix}-{m}" for m in range(n)]
            raise AssertionError

        try:
            await ask("first")
            (row,) = await daemon.until("first")
            assert "connection" not in row
            slow = asyncio.create_task(ask("slow", where="/slow"))
            await asyncio.sleep(0.2)
            await configure({"log-format-upstream": LONGER})
            await ask("told, not reloaded")
            controller.reload(LONGER)
            await ask_until("connection", "longer")
            await slow  # of an old worker, in the old format
            told, late = await daemon.until("told, not reloaded", "slow")
            assert "connection" not in told
            assert "connection" not in late
            assert late["http_user_agent"] == 'a"b\\c'

            await configure({"log-format-upstream": JSON, "log-format-escape-json": "true"})
            controller.reload(JSON, "escape=json")
            await ask_until("time_iso8601", "json")

            await configure({"log-format-upstream": "$no way ${", "log-format-escape-json": None})
            await daemon.until_said("cannot use the controller's log format")
            await ask("still JSON")
            await daemon.until("still JSON")

            await cluster.request("DELETE", f"{path}/controller")
            controller.reload(INGRESS_NGINX)
            await ask_until("http_referer", "default")
            assert all(row["kind"] == "access" for row in daemon.rows.values())
            print(f"{len(daemon.rows)} lines of three formats, each read as it was written")
        finally:
            daemon.stop()
            controller.stop()
