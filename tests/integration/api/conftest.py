"""A real API server ($KUBECONFIG, an administrator's), a namespace of one's own in it, and a faulty way to it."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from enricher.kube import client as connecting
from enricher.kube.client import ApiClient, connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Changed, Listed, WatchTiming, watch


@pytest.fixture(scope="session")
def administrator() -> str:
    """The path of the administrator's kubeconfig."""
    path = os.environ.get("KUBECONFIG")
    if not path:
        pytest.fail("KUBECONFIG must name an administrator's kubeconfig of a real API server", pytrace=False)
    return path


class Kube:
    """Plain HTTP to the API server, and a namespace that goes with it. `server` is its URL."""

    def __init__(self, api: ApiClient, session: aiohttp.ClientSession, credentials: connecting.Credentials) -> None:
        self.server = credentials.server
        self.namespace = f"watch-{uuid.uuid4().hex[:8]}"
        self.path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        self._session = session
        self._tls = api.tls_context(credentials)
        self._headers = {"Authorization": credentials.authorization} if credentials.authorization else {}
        self._made: list[str] = []

    async def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        headers = self._headers | {"Content-Type": kind}
        async with self._session.request(
            method, self.server + path, json=body, headers=headers, ssl=self._tls
        ) as answer:
            told = await answer.json()
            assert answer.status < 300, (method, path, told)
            return told

    async def make(self, path: str, body: dict[str, Any]) -> Any:
        """Creates an object that is deleted when the test ends."""
        made = await self.request("POST", path, body)
        self._made.append(f"{path}/{made['metadata']['name']}")
        return made

    async def add(self, found: dict[str, Any]) -> Any:
        metadata = {**found["metadata"], "namespace": self.namespace}
        return await self.request("POST", self.path, found | {"metadata": metadata})

    async def label(self, name: str, value: str) -> Any:
        body = {"metadata": {"labels": {"changed": value}}}
        return await self.request("PATCH", f"{self.path}/{name}", body, "application/merge-patch+json")

    async def delete(self, name: str) -> Any:
        return await self.request("DELETE", f"{self.path}/{name}")

    async def until_service_account(self) -> None:
        """Pods are refused until a controller has made the namespace's default account."""
        async with asyncio.timeout(10):
            while True:
                with suppress(AssertionError):
                    await self.request("GET", f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default")
                    return
                await asyncio.sleep(0.05)

    async def clean(self) -> None:
        for path in reversed(self._made):
            with suppress(AssertionError):
                await self.request("DELETE", path)


@asynccontextmanager
async def administering(kubeconfig: str) -> AsyncIterator[Kube]:
    credentials = await connecting._load_credentials(kubeconfig, None)
    async with connect(kubeconfig) as api, aiohttp.ClientSession() as session:
        kube = Kube(api, session, credentials)
        await kube.make("/api/v1/namespaces", {"metadata": {"name": kube.namespace}})
        try:
            yield kube
        finally:
            await kube.clean()


@pytest.fixture
def kube(administrator: str) -> Callable[[], Any]:
    return lambda: administering(administrator)


class Gate:
    """A TCP proxy in front of the API server that can fail in a network's ways; TLS goes through it untouched."""

    def __init__(self, server: str) -> None:
        url = urlsplit(server)
        self._target = url.hostname, url.port
        self._server: asyncio.Server | None = None
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._flowing = asyncio.Event()
        self._port = 0

    async def __aenter__(self) -> Self:
        self._flowing.set()
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, reuse_address=True)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """New connections are refused, the old ones cut."""
        assert self._server
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in (writer for pair in self._pairs for writer in pair):
            writer.transport.abort()
        self._pairs.clear()

    def freeze(self) -> None:
        """Connections stay, or are even accepted, but nothing passes: the other end is gone and nobody said so."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def write_kubeconfig(self, administrator: str, path: Path, user: dict[str, Any] | None = None) -> str:
        """The administrator's kubeconfig, but through the gate; with `user` as somebody else."""
        config = yaml.safe_load(Path(administrator).read_text())
        for cluster in config["clusters"]:
            cluster["cluster"]["server"] = f"https://127.0.0.1:{self._port}"
            cluster["cluster"]["tls-server-name"] = self._target[0]
        if user:
            for entry in config["users"]:
                entry["user"] = user
        path.write_text(yaml.safe_dump(config))
        return str(path)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection(*self._target)
        self._pairs.append((writer, upstream))
        async with asyncio.TaskGroup() as pipes:
            pipes.create_task(self._pipe(reader, upstream))
            pipes.create_task(self._pipe(upstream_reader, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()


IMPATIENT = WatchTiming(idle_timeout=2)


class Watched:
    """A watch of the test's namespace; pauses are real but a twentieth as long."""

    def __init__(self, kubeconfig: str, namespace: str | None, timing: WatchTiming) -> None:
        self.status = WatchStatus()
        self.news: list[Listed | Changed] = []
        self._kubeconfig, self._namespace, self._timing = kubeconfig, namespace, timing
        self.versions: dict[str, str] = {}
        """Sent in place of the version that the watch asks for, by "list" and "watch", once."""
        self.asked: list[str] = []

    async def run(self) -> None:
        async with connect(self._kubeconfig) as api:
            plain = api.get

            def get(path: str, params: dict[str, str], **limits: Any) -> Any:
                kind = "watch" if "watch" in params else "list"
                if kind in self.versions:
                    params = params | {"resourceVersion": self.versions.pop(kind)}
                self.asked.append(f"{kind} {params['resourceVersion']}")
                return plain(path, params, **limits)

            api.get = get  # type: ignore[method-assign]
            news = watch(
                api,
                namespace=self._namespace,
                status=self.status,
                timing=self._timing,
                sleep=lambda seconds: asyncio.sleep(seconds / 20),
            )
            async for item in news:
                self.news.append(item)

    @property
    def lists(self) -> int:
        return sum(isinstance(item, Listed) for item in self.news)

    @property
    def changes(self) -> list[tuple[str, str]]:
        changed = [it for it in self.news if isinstance(it, Changed) and it.type != "BOOKMARK"]
        return [(it.type, it.object["metadata"]["name"]) for it in changed]

    def held(self) -> dict[str, str]:
        """What a consumer of the news has in the end: name → version."""
        held: dict[str, str] = {}
        for item in self.news:
            if isinstance(item, Listed):
                held = {it["metadata"]["name"]: it["metadata"]["resourceVersion"] for it in item.items}
            elif item.type == "DELETED":
                held.pop(item.object["metadata"]["name"], None)
            elif item.type != "BOOKMARK":
                held[item.object["metadata"]["name"]] = item.object["metadata"]["resourceVersion"]
        return held

    async def until(self, true: Callable[[], object], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not true():  # what it waits for is outside
                await asyncio.sleep(0.01)

    async def synced(self) -> None:
        await self.until(lambda: self.status.synced)


@asynccontextmanager
async def watching(kubeconfig: str, namespace: str | None, timing: WatchTiming = IMPATIENT) -> AsyncIterator[Watched]:
    made = Watched(kubeconfig, namespace, timing)
    task = asyncio.create_task(made.run())
    try:
        yield made
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def watched() -> Callable[..., Any]:
    return watching


@pytest.fixture
def gate() -> type[Gate]:
    return Gate
