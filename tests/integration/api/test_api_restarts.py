"""An API server that is killed, restarted, and restored from a backup: one of our own, so that no other test suffers.

Its programs (etcd, kube-apiserver) are looked for in `bin` beside $KUBECONFIG, then in $PATH.
"""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import yaml

from demo.fake_api import slice_of
from enricher.kube.watcher import WatchTiming

pytestmark = pytest.mark.api

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
TOKEN = "administrator"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class OwnServer:
    """etcd and kube-apiserver as processes of the test; all their files are in `folder`."""

    def __init__(self, folder: Path, programs: str) -> None:
        self.folder, self.path = folder, programs
        self.etcd_port, self.peer_port, self.port = free_port(), free_port(), free_port()
        self.running: list[subprocess.Popen[bytes]] = []
        (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        subprocess.run(
            ["openssl", "genrsa", "-out", folder / "service-accounts.key", "2048"], check=True, capture_output=True
        )
        cluster = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
        config = {
            "current-context": "own",
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": "own", "user": {"token": TOKEN}}],
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
        }
        self.kubeconfig = str(folder / "kubeconfig")
        Path(self.kubeconfig).write_text(yaml.safe_dump(config))

    def launch(self, name: str, *options: str) -> None:
        program = shutil.which(name, path=self.path)
        assert program, f"{name} is neither beside KUBECONFIG nor in PATH"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running.append(subprocess.Popen([program, *options], stdout=log, stderr=log))

    async def start(self) -> None:
        key, etcd = self.folder / "service-accounts.key", f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self.launch(
            "etcd", "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync",
            "--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        self.launch(
            "kube-apiserver", "--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", f"{self.port}",
            "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
            "--cert-dir", str(self.folder / "certs"), "--token-auth-file", str(self.folder / "tokens.csv"),
            "--authorization-mode", "RBAC", "--disable-admission-plugins", "ServiceAccount",
            "--service-account-issuer", "https://own", "--service-account-key-file", str(key),
            "--service-account-signing-key-file", str(key), "--service-cluster-ip-range", "10.0.0.0/24",
        )  # fmt: skip
        async with asyncio.timeout(60):
            while True:
                with suppress(AssertionError, aiohttp.ClientError):
                    await self.request("GET", "/readyz")
                    await self.request("GET", "/api/v1/namespaces/default")
                    return
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        """kill -9: nobody says goodbye."""
        for process in self.running:
            process.kill()
            process.wait()
        self.running.clear()

    async def request(self, method: str, path: str, body: object = None) -> None:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        url, headers = f"https://127.0.0.1:{self.port}{path}", {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, headers=headers, ssl=tls) as answer,
        ):
            assert answer.status < 300, await answer.text()

    async def add(self, name: str) -> None:
        await self.request("POST", SLICES, slice_of(name, {"10.0.0.1": "pod"}))


@pytest.fixture
def own_server(administrator, tmp_path):
    @asynccontextmanager
    async def running() -> AsyncIterator[OwnServer]:
        server = OwnServer(tmp_path, f"{Path(administrator).parent / 'bin'}:{os.environ['PATH']}")
        try:
            await server.start()
            yield server
        finally:
            server.kill()

    return running


async def test_killed_and_started_again_nothing_is_told_twice_or_missed(own_server, watched):
    async with own_server() as server, watched(server.kubeconfig, "default") as watch:
        await watch.synced()
        await server.add("before")
        await watch.until(lambda: watch.changes == [("ADDED", "before")])
        server.kill()
        await watch.until(lambda: not watch.status.synced)
        assert list(watch.held()) == ["before"]
        await server.start()
        await server.add("after")
        await watch.until(lambda: "after" in watch.held())
        await watch.synced()
        assert list(watch.held()) == ["before", "after"]
        # an event twice would be told as a change; a list is the consumer's to compare
        assert watch.changes in ([("ADDED", "before"), ("ADDED", "after")], [("ADDED", "before")])


async def test_a_version_that_is_gone_lists_again_but_no_older_state(own_server, watched):
    """A server knows no changes from before its start."""
    async with own_server() as server:
        await server.add("a")
        server.kill()
        await server.start()
        async with watched(server.kubeconfig, "default", WatchTiming(watch_timeout=3, stable_after=1)) as watch:
            await watch.synced()
            watch.versions["watch"] = "1"
            await watch.until(lambda: watch.lists == 2)
            assert watch.status.restarts["gone"] == 1
            last = [asked for asked in watch.asked if asked.startswith("list")][-1]
            assert last.split()[1:] not in ([], ["0"])
            await server.add("b")
            await watch.until(lambda: list(watch.held()) == ["a", "b"])
            assert watch.status.synced


async def test_restored_from_a_backup_with_versions_behind_ours(own_server, watched):
    """The watch from a version that the server has not reached is answered 200 and then silence, not an error."""
    async with own_server() as server:
        await server.add("kept")
        server.kill()
        shutil.copytree(server.folder / "etcd", server.folder / "backup")
        await server.start()
        async with watched(server.kubeconfig, "default", WatchTiming(idle_timeout=4)) as watch:
            await watch.synced()
            for i in range(100):
                await server.add(f"lost-{i}")
            await watch.until(lambda: len(watch.held()) == 101)
            server.kill()
            shutil.rmtree(server.folder / "etcd")
            (server.folder / "backup").rename(server.folder / "etcd")
            await server.start()
            await watch.until(lambda: list(watch.held()) == ["kept"], seconds=40)
            assert "list " in watch.asked
            await server.add("new")
            await watch.until(lambda: list(watch.held()) == ["kept", "new"])
            await watch.synced()
