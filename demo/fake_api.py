"""A fake Kubernetes API server on loopback: as much as a list, a watch, a look-up and `enricher check` need.

The demo uses it as its cluster, and the tests use it to provoke faults. It keeps everything in memory, and does not
validate anything. It serves any kind of object whose path has the usual form, without interpreting the objects. Of
label selectors it takes `name=value`, with commas between several.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import orjson
from aiohttp import web

from enricher.kube.client import ACCESS_REVIEWS

PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v\d(?:(?:alpha|beta)\d)?"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request in the server's place."""


class ReceivedRequest(NamedTuple):
    """One request as it arrived."""

    path: str
    query: dict[str, str]
    authorization: str

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query


class _Change(NamedTuple):
    """One change of an object, with the line that watchers receive."""

    version: int
    plural: str
    namespace: str
    labels: dict[str, str]
    line: bytes


@dataclass(slots=True)
class _Watcher:
    """One open watch; `namespace` is None for all namespaces."""

    plural: str
    namespace: str | None
    labels: dict[str, str]
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    """Lines to be sent; None ends the watch."""

    def matches(self, change: _Change) -> bool:
        is_in_scope = change.plural == self.plural and self.namespace in {None, change.namespace}
        return is_in_scope and self.labels.items() <= change.labels.items()


class FakeApi:
    """A server that runs as long as its asynchronous context lasts, at `url`.

    A watch can resume from the last `window` changes; older versions are 410 Gone. Unless `tokens` is None, only these
    bearer tokens are accepted. With `tls` it speaks HTTPS. `objects` holds the stored objects, by (plural, namespace,
    name). `requests` holds every request except the access reviews, which are in `reviews`; a review, and a list,
    is denied if its (verb, plural) is in `denied`.
    """

    def __init__(
        self, *, window: int = 1000, tokens: set[str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.tokens = tokens
        self.tls = tls
        self.requests: list[ReceivedRequest] = []
        self.reviews: list[dict[str, Any]] = []
        self.denied: set[tuple[str, str]] = set()
        self._version = 1
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._history: deque[_Change] = deque(maxlen=window)
        self._compacted = 1
        self._watchers: list[_Watcher] = []
        self._faults: deque[Fault] = deque()
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve on a free port; after a stop, on the same one as before."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        app.router.add_post(ACCESS_REVIEWS, self._review)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True, ssl_context=self.tls)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End every connection and refuse new ones, but keep the objects."""
        self.drop()
        if self._runner:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Return the address for clients, without a trailing slash."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def watch_count(self) -> int:
        """Return the number of open watches."""
        return len(self._watchers)

    def write_kubeconfig(self, path: Path, token: str = "stand-in") -> None:  # noqa: S107  # not a secret
        """Write a kubeconfig for this server, whose only context is "stand-in"."""
        name = "stand-in"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
        path.write_bytes(orjson.dumps(config))  # JSON is YAML

    def apply(
        self,
        event_type: Literal["ADDED", "MODIFIED", "DELETED"],
        obj: dict[str, Any],
        *,
        plural: str = "endpointslices",
    ) -> None:
        """Store or remove an object, with a new resourceVersion, and notify the watchers."""
        self._version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        namespace = obj["metadata"].get("namespace", "")
        key = (plural, namespace, obj["metadata"]["name"])
        if event_type == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj
        if len(self._history) == self._history.maxlen:
            self._compacted = self._history[0].version
        change = _Change(self._version, plural, namespace, _labels_of(obj), event_line(event_type, obj))
        self._history.append(change)
        for watcher in self._watchers:
            if watcher.matches(change):
                watcher.lines.put_nowait(change.line)

    def bookmark(self) -> None:
        """Send every watcher a bookmark with a new version."""
        self._version += 1
        for watcher in self._watchers:
            watcher.lines.put_nowait(event_line("BOOKMARK", {"metadata": {"resourceVersion": str(self._version)}}))

    def compact(self) -> None:
        """Forget all changes: a watch that resumes from an earlier version gets 410 Gone."""
        self._version += 1
        self._history.clear()
        self._compacted = self._version

    def rewind(self, version: int) -> None:
        """Set the version back, as a restored backup would."""
        self._version = self._compacted = version
        self._history.clear()

    def drop(self) -> None:
        """End all watches regularly, as a server does after timeoutSeconds."""
        for watcher in self._watchers:
            watcher.lines.put_nowait(None)

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests with these faults, one each."""
        self._faults.extend(faults)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        self.requests.append(ReceivedRequest(request.path, dict(request.query), authorization))
        if self._faults:
            return await self._faults.popleft()(request)
        if self.tokens is not None and authorization.removeprefix("Bearer ") not in self.tokens:
            return await status(401, "Unauthorized")(request)
        path = PATH.fullmatch(request.path)
        if path is None:
            return await status(404, "the server could not find the requested resource")(request)
        if path["name"]:
            return await self._get(request, path["plural"], path["namespace"], path["name"])
        if "watch" in request.query:
            return await self._watch(request, _Watcher(path["plural"], path["namespace"], _selected_labels(request)))
        return await self._list(request, path["plural"], path["namespace"])

    async def _review(self, request: web.Request) -> web.StreamResponse:
        if self._faults:
            return await self._faults.popleft()(request)
        review = await request.json()
        attributes = review["spec"]["resourceAttributes"]
        self.reviews.append(attributes)
        allowed = (attributes["verb"], attributes["resource"]) not in self.denied
        return web.json_response(review | {"status": {"allowed": allowed}}, status=201)

    async def _get(self, request: web.Request, plural: str, namespace: str, name: str) -> web.StreamResponse:
        obj = self.objects.get((plural, namespace, name))
        if obj is None:
            return await status(404, f'{plural} "{name}" not found')(request)
        return web.json_response(obj)

    async def _list(self, request: web.Request, plural: str, namespace: str | None) -> web.StreamResponse:
        if ("list", plural) in self.denied:
            return await status(403, f"{plural} is forbidden")(request)
        if int(request.query.get("resourceVersion") or 0) > self._version:
            return await status(504, f"Too large resource version, current: {self._version}")(request)
        objects = [obj for key, obj in self.objects.items() if key[0] == plural and namespace in {None, key[1]}]
        labels = _selected_labels(request)
        items = [obj for obj in objects if labels.items() <= _labels_of(obj).items()]
        return web.Response(body=list_body(items, str(self._version)), content_type="application/json")

    async def _watch(self, request: web.Request, watcher: _Watcher) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion") or 0)
        if version and version < self._compacted:
            return await stream(GONE)(request)
        for change in self._history:
            if change.version > version and watcher.matches(change):
                watcher.lines.put_nowait(change.line)
        self._watchers.append(watcher)
        try:
            return await self._send(request, watcher)
        finally:
            self._watchers.remove(watcher)

    async def _send(self, request: web.Request, watcher: _Watcher) -> web.StreamResponse:
        response = await _begin(request)
        while (line := await watcher.lines.get()) is not None:
            await response.write(line)
        return response


def _selected_labels(request: web.Request) -> dict[str, str]:
    """Return the labels of a request's selector. Raise HTTPBadRequest for anything but `name=value,name=value`."""
    requirements = [text.split("=") for text in request.query.get("labelSelector", "").split(",") if text]
    if any(len(parts) != 2 for parts in requirements):
        answer = orjson.dumps(_status(400, "unable to parse requirement: found '', expected: identifier"))
        raise web.HTTPBadRequest(text=answer.decode(), content_type="application/json")
    return dict(requirements)


def _labels_of(obj: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = obj["metadata"].get("labels") or {}
    return labels


def event_line(event_type: str, obj: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": event_type, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)


def list_body(items: list[dict[str, Any]], version: str, next_page: str = "") -> bytes:
    """Return a page of a list; `next_page` is the token with which the next one can be requested."""
    metadata = {"resourceVersion": version} | ({"continue": next_page} if next_page else {})
    return orjson.dumps({"kind": "List", "metadata": metadata, "items": items})


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


GONE = event_line("ERROR", _status(410, "too old resource version"))
"""410 Gone, as a server sends it once the response to a watch has begun."""


def status(code: int, message: str = "", retry_after: str | None = None) -> Fault:
    """Return a fault that answers with an HTTP status."""

    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Retry-After": retry_after} if retry_after else None
        return web.json_response(_status(code, message), status=code, headers=headers)

    return answer


def stream(*chunks: bytes, then: Literal["close", "abort", "hang"] = "close", pause: float = 0.0) -> Fault:
    """Return a fault that answers 200 with these bytes, waiting `pause` seconds before each chunk.

    After them it ends regularly (`close`), aborts the connection (`abort`) or stays silent (`hang`).
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begin(request)
        for chunk in chunks:
            await asyncio.sleep(pause)
            await response.write(chunk)
        if then == "hang":
            await asyncio.Event().wait()
        if then == "abort" and request.transport:
            request.transport.abort()
        return response

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    """Answer never: this is a fault."""
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


def slice_of(
    name: str, pods: dict[str, str], *, namespace: str = "default", service: str = "backend", port: int = 10000
) -> dict[str, Any]:
    """Return an EndpointSlice with ready endpoints; `pods` are the names of the pods by address."""
    endpoints = [
        {
            "addresses": [address],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": f"uid-{pod}"},
        }
        for address, pod in pods.items()
    ]
    metadata = {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}}
    ports = [{"name": "", "protocol": "TCP", "port": port}]
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports}
