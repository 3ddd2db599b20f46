"""A stand-in for the API server that has pods' logs, as the kubelet gives them out, and can break off anywhere."""

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
        self._news = asyncio.Event()
        self._cut: dict[str, str] = {}

    def pod(self, name, *, namespace="ingress-nginx", container="controller", node="node-1", phase="Running", **state):
        """Tells of a pod as it is now; `state` is its container's."""
        self.logs.setdefault(name, [])
        found = {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
            "spec": {"nodeName": node, "containers": [{"name": container}]},
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": container, "restartCount": 0, "state": state or {"running": {}}}],
            },
        }
        known = ("pods", namespace, name) in self.objects
        self.apply("MODIFIED" if known else "ADDED", found, plural="pods")

    def delete_pod(self, name, namespace="ingress-nginx"):
        self.apply("DELETED", self.objects["pods", namespace, name], plural="pods")

    def write(self, pod, *lines):
        self.logs[pod] += lines
        self._stir()

    def cut(self, pod, how):
        """Ends the pod's streams: `end` in good order, `abort` in the middle of a line."""
        self._cut[pod] = how
        self._stir()

    def _stir(self):
        self._news.set()
        self._news = asyncio.Event()

    async def _answer(self, request):
        found = LOG.fullmatch(request.path)
        if not found:
            return await super()._answer(request)
        self.log_requests.append(ReceivedRequest(request.path, dict(request.query), ""))
        if self.log_faults:
            return await self.log_faults.pop(0)(request)
        if ("pods", found["namespace"], found["pod"]) not in self.objects:
            return await status(404, f'pods "{found["pod"]}" not found')(request)
        self.readers += 1
        try:
            return await self._stream(request, found["pod"])
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
            if how := self._cut.pop(pod, None):
                if how == "abort":
                    await response.write(b"2026-11-22T23:18:31.999999999Z half of a li")
                    request.transport.close()
                return response
            await self._news.wait()
