"""HTTP for Prometheus and the kubelet: /metrics, /livez, /readyz; and for people: a page, and its data as JSON."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from enricher.config.settings import Listen
from enricher.daemon.status.model import Status
from enricher.daemon.status.page import HEADERS, REFRESH, render
from enricher.errors import ConfigurationError
from enricher.metrics.counters import Collector

CONNECTIONS = 64
"""Connections at a time: Prometheus and the kubelet need a handful."""
LIFE = 60.0
"""Seconds after which a connection takes no more requests; who asks again connects again."""
ANSWER = 30.0
"""Seconds after that in which an answer must have been read."""
LOOK = 5.0
"""Seconds between looks for connections that are too old."""
SENDING = 10.0
"""Seconds for a scrape, or a page, to be taken; Prometheus gives up after ten."""
RENDERINGS = 2
"""Scrapes and pages that are rendered and sent at a time: each holds its whole text in memory."""
CONTENT_TYPE = "text/plain; version=0.0.4"
logger = logging.getLogger("enricher.daemon.http")
JSON_HEADERS = HEADERS | {"Content-Type": "application/json"}


@asynccontextmanager
async def serving(
    listen: Listen,
    collector: Collector,
    problem: Callable[[], str | None],
    look: Callable[[], object] = lambda: None,
    status: Callable[[], Status] | None = None,
) -> AsyncIterator[int]:
    """Serves while the context lasts, and gives the port. `problem` says why the daemon is not ready, or None; `look`
    is called before each scrape, in the loop, for what must not be looked at from the thread that renders. With
    `status`, called in the loop too, there is a page for people.

    Raises ConfigurationError if the address can't be listened on.
    """
    logger.addFilter(_is_ours)
    application = _application(collector, problem, look, status)
    runner = web.AppRunner(application, access_log=None, logger=logger, shutdown_timeout=0.2)
    await runner.setup()
    assert runner.server is not None  # noqa: S101  # setup() makes it
    connections = _Connections(runner.server)
    try:
        server = await asyncio.get_running_loop().create_server(connections, listen.host, listen.port)
    except OSError as error:
        await runner.cleanup()
        where = f"{listen.host or ''}:{listen.port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror or error}") from error
    aging = asyncio.create_task(connections.age())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        aging.cancel()
        server.close()
        await runner.cleanup()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether what went wrong was in here: of a request that is no HTTP its sender is told, and nobody else. With a
    traceback for each anybody could fill the log.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, aiohttp.http_exceptions.HttpProcessingError)


class _Connections:
    """Connections of a limited number and life: aiohttp itself would wait for ever for a client that sends nothing.
    A new one takes the place of the oldest, so that nobody can keep the kubelet out.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._since: dict[asyncio.BaseProtocol, float] = {}
        self._ended: set[asyncio.BaseProtocol] = set()
        """They are connections until the loop comes to it; of a hundred new ones at once each has to end another."""

    def __call__(self) -> asyncio.BaseProtocol:
        known = self._server.connections
        self._ended.intersection_update(known)
        living = [one for one in known if one not in self._ended]
        for oldest in living[: max(0, len(living) + 1 - CONNECTIONS)]:
            oldest.force_close()
            self._ended.add(oldest)
        handler = self._server()
        self._since[handler] = asyncio.get_running_loop().time()
        return handler

    async def age(self) -> None:
        """Ends those that have lived long enough, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            now, living = asyncio.get_running_loop().time(), self._server.connections
            self._since = {handler: self._since.get(handler, now) for handler in living}
            for handler in living:
                if (age := now - self._since[handler]) > LIFE + ANSWER:
                    handler.force_close()
                elif age > LIFE:
                    handler.close()


def _application(
    collector: Collector,
    problem: Callable[[], str | None],
    look: Callable[[], object],
    status: Callable[[], Status] | None,
) -> web.Application:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    rendering = asyncio.Semaphore(RENDERINGS)

    async def metrics(request: web.Request) -> web.StreamResponse:
        async with rendering:
            look()
            # In a thread: rendering many series must not stop the tail.
            body = await asyncio.to_thread(generate_latest, registry)
            return await _sent(request, web.Response(body=body, headers={"Content-Type": CONTENT_TYPE}))

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        found = problem()
        return web.Response(status=503 if found else 200, text=f"{found or 'ok'}\n")

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    if status:
        application.add_routes(_for_people(status, rendering))
    return application


def _for_people(status: Callable[[], Status], rendering: asyncio.Semaphore) -> list[web.RouteDef]:
    async def page(request: web.Request) -> web.StreamResponse:
        async with rendering:
            # Nothing else of the query counts, and nothing of it is shown.
            refreshing = request.query.get("refresh") == str(REFRESH)
            body = await asyncio.to_thread(render, status(), refreshing=refreshing)
            return await _sent(request, web.Response(body=body, headers=HEADERS))

    async def data(request: web.Request) -> web.StreamResponse:
        async with rendering:
            return await _sent(request, web.Response(body=orjson.dumps(status()) + b"\n", headers=JSON_HEADERS))

    return [web.get("/", page), web.get("/status.json", data)]


async def _sent(request: web.Request, response: web.Response) -> web.Response:
    """The response, once it is taken; who does not take it in time is cut off."""
    try:
        async with asyncio.timeout(SENDING):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport:
            request.transport.abort()
    return response
