"""The HTTP server: /metrics, /livez and /readyz for Prometheus and the kubelet; a page, also as JSON, for people."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from enricher.config.settings import ListenAddress
from enricher.daemon.status.model import Status
from enricher.daemon.status.page import HEADERS, REFRESH, render
from enricher.errors import ConfigurationError
from enricher.metrics.exposition import Collector

MAX_CONNECTIONS = 64
"""Largest number of open connections: Prometheus and the kubelet need a handful."""
CONNECTION_LIFETIME = 60.0
"""Seconds after which a connection takes no more requests; its client connects again for the next one."""
ANSWER_TIMEOUT = 30.0
"""Seconds after the lifetime in which a running answer must have been read."""
AGE_INTERVAL = 5.0
"""Seconds between checks for connections that are too old."""
SEND_TIMEOUT = 10.0
"""Seconds in which a scrape or a page must have been read; Prometheus gives up after ten."""
MAX_RENDERINGS = 2
"""Largest number of scrapes and pages in progress: each holds its whole text in memory."""
CONTENT_TYPE = "text/plain; version=0.0.4"
JSON_HEADERS = HEADERS | {"Content-Type": "application/json"}

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve(
    listen: ListenAddress,
    collector: Collector,
    problem: Callable[[], str | None],
    update_gauges: Callable[[], object] = lambda: None,
    status: Callable[[], Status] | None = None,
) -> AsyncIterator[int]:
    """Serve while the context lasts, and yield the port.

    `problem` returns why the daemon is not ready, or None. `update_gauges` is called in the loop before each scrape: it
    reads what the thread that renders must not touch. With `status`, also called in the loop, there is a page for
    people.

    Raise ConfigurationError if the address cannot be listened on.
    """
    logger.addFilter(_is_own_error)
    application = _application(collector, problem, update_gauges, status)
    runner = web.AppRunner(application, access_log=None, logger=logger, shutdown_timeout=0.2)
    await runner.setup()
    assert runner.server is not None  # noqa: S101  # setup() makes it
    connections = _Connections(runner.server)
    try:
        server = await asyncio.get_running_loop().create_server(connections, listen.host, listen.port)
    except OSError as error:
        await runner.cleanup()
        address = f"{listen.host or ''}:{listen.port}"
        raise ConfigurationError(f"cannot listen on {address}: {error.strerror or error}") from error
    closing_task = asyncio.create_task(connections.close_old())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        closing_task.cancel()
        server.close()
        await runner.cleanup()


def _is_own_error(record: logging.LogRecord) -> bool:
    """Return whether an error is ours, and not that of a request that is not valid HTTP.

    The sender of such a request gets an answer, and nothing is logged: otherwise any client could fill the log with
    tracebacks.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, aiohttp.http_exceptions.HttpProcessingError)


class _Connections:
    """Connections of a limited number and lifetime: aiohttp itself never gives up a client that sends nothing.

    A new connection replaces the oldest, so that no client can keep the kubelet out.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._since: dict[asyncio.BaseProtocol, float] = {}
        self._closed: set[asyncio.BaseProtocol] = set()
        """Closed connections that the server still lists, until the loop gets to them; none is to be closed twice."""

    def __call__(self) -> asyncio.BaseProtocol:
        listed = self._server.connections
        self._closed.intersection_update(listed)
        open_ = [connection for connection in listed if connection not in self._closed]
        for oldest in open_[: max(0, len(open_) + 1 - MAX_CONNECTIONS)]:
            oldest.force_close()
            self._closed.add(oldest)
        handler = self._server()
        self._since[handler] = asyncio.get_running_loop().time()
        return handler

    async def close_old(self) -> None:
        """Close connections that are too old, until cancelled."""
        while True:
            await asyncio.sleep(AGE_INTERVAL)
            now, connections = asyncio.get_running_loop().time(), self._server.connections
            self._since = {handler: self._since.get(handler, now) for handler in connections}
            for handler in connections:
                if (age := now - self._since[handler]) > CONNECTION_LIFETIME + ANSWER_TIMEOUT:
                    handler.force_close()
                elif age > CONNECTION_LIFETIME:
                    handler.close()


def _application(
    collector: Collector,
    problem: Callable[[], str | None],
    update_gauges: Callable[[], object],
    status: Callable[[], Status] | None,
) -> web.Application:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    renderings = asyncio.Semaphore(MAX_RENDERINGS)

    async def metrics(request: web.Request) -> web.StreamResponse:
        async with renderings:
            update_gauges()
            # In a thread: rendering many series must not stop the reading of logs.
            body = await asyncio.to_thread(generate_latest, registry)
            return await _send(request, web.Response(body=body, headers={"Content-Type": CONTENT_TYPE}))

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = problem()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    if status:
        application.add_routes(_status_routes(status, renderings))
    return application


def _status_routes(status: Callable[[], Status], renderings: asyncio.Semaphore) -> list[web.RouteDef]:
    async def page(request: web.Request) -> web.StreamResponse:
        async with renderings:
            # Nothing else in the query matters, and none of it appears on the page.
            refreshing = request.query.get("refresh") == str(REFRESH)
            body = await asyncio.to_thread(render, status(), refreshing=refreshing)
            return await _send(request, web.Response(body=body, headers=HEADERS))

    async def status_json(request: web.Request) -> web.StreamResponse:
        async with renderings:
            return await _send(request, web.Response(body=orjson.dumps(status()) + b"\n", headers=JSON_HEADERS))

    return [web.get("/", page), web.get("/status.json", status_json)]


async def _send(request: web.Request, response: web.Response) -> web.Response:
    """Send a response and return it once it has been read; disconnect a client that does not read it in time."""
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport:
            request.transport.abort()
    return response
