"""As much of an API server as a list and a watch of pods take, for peers that ask for pods: nothing ever changes."""

import argparse
import asyncio
import json

from aiohttp import web
from generate import address, name

VERSION = "1000"


def pod(n: int) -> dict:
    metadata = {"name": name(n), "namespace": "shop", "uid": f"uid-{n:032x}", "resourceVersion": VERSION}
    status = {"phase": "Running", "podIP": address(n), "podIPs": [{"ip": address(n)}]}
    return {
        "metadata": metadata | {"creationTimestamp": "2026-11-22T11:00:00Z"},
        "spec": {"nodeName": f"node-{n % 50}", "containers": []},
        "status": status | {"startTime": "2026-11-22T11:00:00Z"},
    }


async def serve(port: int, pods: int) -> None:
    listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": VERSION}}
    body = json.dumps(listed | {"items": [pod(n) for n in range(pods)]}).encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("sendInitialEvents") == "true":
            raise web.HTTPUnprocessableEntity  # then the client lists
        if request.query.get("watch") not in {"1", "true"}:
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/api/v1/pods", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.pods))
