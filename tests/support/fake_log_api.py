"""A fake API server that has pods' logs, as the kubelet serves them, and can break off anywhere."""

import asyncio
import re

from aiohttp import web

from demo.fake_api import FakeApi, ReceivedRequest, status
from enricher.timestamps import SECOND, parse_rfc3339

LOG = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/log")


class FakeLogApi(FakeApi):
    """`logs` has the lines of each pod, with stamps; times are compared by whole seconds, as with sinceTime."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, list[bytes]] = {}
        self.log_requests: list[ReceivedRequest] = []
        self.log_faults: list[web.StreamResponse | object] = []
        self.readers = 0
        self._changed = asyncio.Event()
        self._cut: dict[str, str] = {}

    def pod(self, name, *, namespace="ingress-nginx", container="controller", node="node-1", phase="Running", **state):
        """Add or update a pod; `state` is its container's."""
        self.logs.setdefault(name, [])
        obj = {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
            "spec": {"nodeName": node, "containers": [{"name": container}]},
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": container, "restartCount": 0, "state": state or {"running": {}}}],
            },
        }
        exists = ("pods", namespace, name) in self.objects
        self.apply("MODIFIED" if exists else "ADDED", obj, plural="pods")

    def delete_pod(self, name, namespace="ingress-nginx"):
        self.apply("DELETED", self.objects["pods", namespace, name], plural="pods")

    def write(self, pod, *lines):
        self.logs[pod] += lines
        self._notify()

    def cut(self, pod, how):
        """End the pod's streams: `end` in good order, `abort` in the middle of a line."""
        self._cut[pod] = how
        self._notify()

    async def wait_for_readers(self, number):
        """Wait until so many streams are open."""
        while self.readers < number:
            await self._changed.wait()

    def _notify(self):
        self._changed.set()
        self._changed = asyncio.Event()

    async def _answer(self, request):
        match = LOG.fullmatch(request.path)
        if not match:
            return await super()._answer(request)
        self.log_requests.append(ReceivedRequest(request.path, dict(request.query), ""))
        if self.log_faults:
            return await self.log_faults.pop(0)(request)
        if ("pods", match["namespace"], match["pod"]) not in self.objects:
            return await status(404, f'pods "{match["pod"]}" not found')(request)
        self.readers += 1
        self._notify()
        try:
            return await self._stream(request, match["pod"])
        finally:
            self.readers -= 1

    async def _stream(self, request, pod):
        response = web.StreamResponse()
        await response.prepare(request)
        self._cut.pop(pod, None)
        since = parse_rfc3339(request.query.get("sinceTime", "2000-01-01T00:00:00Z").encode()) // SECOND
        sent = 0
        while True:
            for line in self.logs[pod][sent:]:
                sent += 1
                if parse_rfc3339(line.partition(b" ")[0]) // SECOND >= since:
                    await response.write(line + b"\n")
            if "follow" not in request.query:
                return response
            if how := self._cut.pop(pod, None):
                if how == "abort":
                    await response.write(b"2026-11-22T23:18:31.999999999Z half of a li")
                    request.transport.close()
                return response
            await self._changed.wait()
