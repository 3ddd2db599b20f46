"""A fake API server that has daemons' pods, and passes requests on to their ports, as a real one does."""

import re
from dataclasses import replace

import aiohttp
import orjson
from aiohttp import web

from demo.fake_api import FakeApi, status

PROXY = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/:]+):(?P<port>\d+)/proxy(?P<path>/.*)")

LABELS = {"app.kubernetes.io/name": "enricher", "app.kubernetes.io/component": "log-enricher"}


class FakeDaemonsApi(FakeApi):
    """`host` is the name that clients know it by, which it passes on."""

    def __init__(self, host="api.example.com:6443"):
        super().__init__()
        self.host = host
        self.answers = {}
        """What each pod answers: a port of this machine, a status, bytes, or a fault."""

    def daemon(self, node, answer=None, *, namespace="enricher", phase="Running", ports=(("metrics", 9464),)):
        """Add a daemon on a node, or change it."""
        pod = f"enricher-{node}"
        exists = ("pods", namespace, pod) in self.objects
        containers = [{"name": "enricher", "ports": [{"name": name, "containerPort": port} for name, port in ports]}]
        self.answers[pod] = replace(answer, node=node) if hasattr(answer, "failing") else answer
        self.apply(
            "MODIFIED" if exists else "ADDED",
            {
                "metadata": {"name": pod, "namespace": namespace, "uid": f"uid-{pod}", "labels": LABELS},
                "spec": {"nodeName": node, "containers": containers},
                "status": {"phase": phase},
            },
            plural="pods",
        )

    def other_pod(self, name, namespace="enricher"):
        """Add a pod that is no daemon."""
        self.apply("ADDED", {"metadata": {"name": name, "namespace": namespace, "uid": name}}, plural="pods")

    async def _answer(self, request):
        match = PROXY.fullmatch(request.path)
        if not match or self._faults:
            return await super()._answer(request)
        if ("get", "pods/proxy") in self.denied:
            return await status(403, 'pods "x" is forbidden')(request)
        answer = self.answers[match["pod"]]
        if callable(answer):
            return await answer(request)
        if isinstance(answer, int):
            return await self._pass_on(request, f"http://127.0.0.1:{answer}{match['path']}")
        return web.Response(body=answer if isinstance(answer, bytes) else orjson.dumps(answer))

    async def _pass_on(self, request, url):
        headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers | {"Host": self.host}) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())
