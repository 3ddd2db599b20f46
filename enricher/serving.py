"""HTTP for Prometheus and the kubelet: /metrics, /livez, /readyz."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from enricher.errors import ConfigurationError
from enricher.metrics import Collector
from enricher.settings import Listen

CONNECTIONS = 64
"""Connections at a time: Prometheus and the kubelet need a handful."""
LIFE = 60.0
"""Seconds after which a connection takes no more requests; who asks again connects again."""
ANSWER = 30.0
"""Seconds after that in which an answer must have been read."""
CONTENT_TYPE = "text/plain; version=0.0.4"


@asynccontextmanager
async def serving(
    listen: Listen,
    collector: Collector,
    problem: Callable[[], str | None],
    look: Callable[[], object] = lambda: None,
) -> AsyncIterator[int]:
    """Serves while the context lasts, and gives the port. `problem` says why the daemon is not ready, or None; `look`
    is called before each scrape, in the loop, for what must not be looked at from the thread that renders.

    Raises ConfigurationError if the address can't be listened on.
    """
    runner = web.AppRunner(_application(collector, problem, look), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None  # noqa: S101  # setup() makes it
    try:
        server = await asyncio.get_running_loop().create_server(_bounded(runner.server), listen.host, listen.port)
    except OSError as error:
        await runner.cleanup()
        where = f"{listen.host or ''}:{listen.port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror or error}") from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


def _bounded(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """Connections of a limited number and life: aiohttp itself would wait for ever for a client that sends nothing."""

    def connect() -> asyncio.BaseProtocol:
        if len(server.connections) >= CONNECTIONS:
            return _Refusal()
        handler = server()
        loop = asyncio.get_running_loop()
        loop.call_later(LIFE, handler.close)
        loop.call_later(LIFE + ANSWER, handler.force_close)
        return handler

    return connect


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # of a Protocol, it is
        transport.abort()


def _application(
    collector: Collector, problem: Callable[[], str | None], look: Callable[[], object]
) -> web.Application:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    async def metrics(_: web.Request) -> web.Response:
        look()
        # In a thread: rendering many series must not stop the tail.
        body = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        found = problem()
        return web.Response(status=503 if found else 200, text=f"{found or 'ok'}\n")

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    return application
