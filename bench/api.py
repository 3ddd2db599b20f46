"""A fake API server for the benchmarks: lists and watches of the pods and EndpointSlices of endpoints.py.

A POST to /roll?first=F&pods=N&seconds=S replaces N pods, from the Fth on, within S seconds, as a rolling update does:
first the new pod joins the old one, which is terminating, then the new one is alone; each time the whole slice is sent.
A GET of /counts returns the numbers so far of requests, bytes of lists and bytes of watches.
"""

import argparse
import asyncio
import json
import ssl

from aiohttp import web
from endpoints import PODS_PER_SERVICE, address, name, rolling_update, slices, uid

VERSION = "1000"
SLICE_LIST_TYPE = '"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1"'
CREATED = "2026-11-22T11:00:00Z"


def pod(n: int) -> dict:
    metadata = {"name": name(n), "namespace": "shop", "uid": uid(name(n)), "resourceVersion": VERSION}
    status = {"phase": "Running", "podIP": address(n), "podIPs": [{"ip": address(n)}], "startTime": CREATED}
    spec = {"nodeName": f"node-{n % 50}", "containers": []}
    return {"metadata": metadata | {"creationTimestamp": CREATED}, "spec": spec, "status": status}


def real_slice(obj: dict, version: int) -> dict:
    """Return a slice with the metadata of a real one, so that events are as large as real ones."""
    metadata = obj["metadata"] | {
        "uid": "0d7c8a52-3a3f-4c55-9a51-111111111111",
        "resourceVersion": str(version),
        "generation": 3,
        "creationTimestamp": CREATED,
        "labels": obj["metadata"]["labels"] | {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller"},
        "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": CREATED},
        "generateName": "web-",
    }
    return {"metadata": metadata, "addressType": "IPv4", **{k: obj[k] for k in ("endpoints", "ports")}}


class Api:
    def __init__(self, pods: int, size: int) -> None:
        self.pods, self.size, self.version = pods, size, int(VERSION)
        self.watchers: list[asyncio.Queue[bytes]] = []
        self.requests = self.list_bytes = self.watch_bytes = 0

    def list_body(self, kind: str) -> bytes:
        if kind == "pods":
            items, list_type = map(pod, range(self.pods)), '"kind":"PodList","apiVersion":"v1"'
        else:
            items = (real_slice(obj, 1) for obj in slices(self.pods, size=self.size))
            list_type = SLICE_LIST_TYPE
        body = b",".join(json.dumps(item, separators=(",", ":")).encode() for item in items)
        return f'{{{list_type},"metadata":{{"resourceVersion":"{VERSION}"}},"items":['.encode() + body + b"]}\n"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        self.requests += 1
        if request.query.get("sendInitialEvents") == "true":
            raise web.HTTPUnprocessableEntity  # then the client lists
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if request.query.get("watch") not in {"1", "true"}:
            body = self.list_body(kind)
            self.list_bytes += len(body)
            await response.write(body)
            return response
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.watchers.append(queue)
        while True:
            data = await queue.get()
            self.watch_bytes += len(data)
            await response.write(data)

    async def roll(self, request: web.Request) -> web.Response:
        first, pods = int(request.query["first"]), int(request.query["pods"])
        seconds = float(request.query["seconds"])
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for n, obj in rolling_update(self.pods, size=self.size, first=first, count=pods):
            await asyncio.sleep(max(0, begin + (n - first) * seconds / pods - loop.time()))
            self._send(obj)
        return web.json_response({"bytes": self.watch_bytes})

    async def counts(self, _: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests, "list": self.list_bytes, "watch": self.watch_bytes})

    def _send(self, obj: dict) -> None:
        self.version += 1
        event = {"type": "MODIFIED", "object": {"kind": "EndpointSlice", **real_slice(obj, self.version)}}
        for queue in self.watchers:
            queue.put_nowait(json.dumps(event, separators=(",", ":")).encode() + b"\n")


async def serve(port: int, api: Api, tls: ssl.SSLContext | None) -> None:
    app = web.Application()
    for path in ("/api/v1/pods", "/apis/discovery.k8s.io/v1/endpointslices"):
        app.router.add_get(path, api.answer)
    app.router.add_post("/roll", api.roll)
    app.router.add_get("/counts", api.counts)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--size", type=int, default=PODS_PER_SERVICE, help="endpoints in a slice")
    parser.add_argument("--certificate", help="a PEM file with a certificate and its key, to serve HTTPS")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
    asyncio.run(serve(arguments.port, Api(arguments.pods, arguments.size), context))
