"""The HTTP server: /metrics, /livez and /readyz for Prometheus and the kubelet; a page, also as JSON, for people."""

import asyncio
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from enricher.config.settings import ListenAddress
from enricher.daemon.acceptor import Acceptor
from enricher.daemon.rendering import Pace, Rendering
from enricher.daemon.status.model import Status
from enricher.daemon.status.page import HEADERS, REFRESH, render
from enricher.endpoints.slices import canonical_ip
from enricher.errors import ConfigurationError
from enricher.metrics.exposition import Collector
from enricher.report.daemon_status import COMMAND_HEADER

SEND_TIMEOUT = 10.0
"""Seconds in which a scrape or a page must have been read; Prometheus gives up after ten."""
PIECE = 64 * 1024
"""Bytes of an answer that are passed on at a time."""
MAX_BODY = 1024
"""Largest size of a request's body in bytes; no request needs one."""
PROBES = frozenset(("/livez", "/readyz"))
CONTENT_TYPE = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text"
"""The type that a client names in Accept if it takes metrics in the format of OpenMetrics, as Prometheus does."""
JSON_HEADERS = HEADERS | {"Content-Type": "application/json"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

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
    loop = asyncio.get_running_loop()
    try:
        # asyncio's own accepting takes as many connections in a row as it has been told to queue.
        bound = await loop.create_server(runner.server, listen.host, listen.port, start_serving=False)
    except OSError as error:
        await runner.cleanup()
        address = f"{listen.host or ''}:{listen.port}"
        raise ConfigurationError(f"cannot listen on {address}: {error.strerror or error}") from error
    acceptors = [Acceptor(socket.socket(fileno=os.dup(bound_.fileno())), runner.server) for bound_ in bound.sockets]
    try:
        yield bound.sockets[0].getsockname()[1]
    finally:
        for acceptor in acceptors:
            acceptor.close()
        bound.close()
        await runner.cleanup()


def _is_own_error(record: logging.LogRecord) -> bool:
    """Return whether an error is ours, and not that of a request that is not valid HTTP, or of a client that has gone.

    Nothing is logged of these: otherwise any client could fill the log with tracebacks.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, aiohttp.http_exceptions.HttpProcessingError | ConnectionError)


def _application(
    collector: Collector,
    problem: Callable[[], str | None],
    update_gauges: Callable[[], object],
    status: Callable[[], Status] | None,
) -> web.Application:
    turn, pace = asyncio.Lock(), Pace()

    def metrics_in(generate: Callable[[CollectorRegistry], bytes], collector: Collector) -> Rendering:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        ProcessCollector(registry=registry)

        async def prepare() -> Callable[[], bytes]:
            update_gauges()
            return lambda: generate(registry)

        return Rendering(prepare, turn)

    def answer(rendering: Rendering, headers: Mapping[str, str]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            await pace.wait(request.remote or "")
            is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
            body = await rendering.get(compressed=is_compressed)
            encoding = {"Content-Encoding": "gzip"} if is_compressed else {}
            return await _send(request, body, {**headers, **encoding})

        return handle

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = problem()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    application = web.Application(middlewares=[_check_host], client_max_size=MAX_BODY)
    application.add_routes([web.get("/livez", livez), web.get("/readyz", readyz)])
    as_text = answer(metrics_in(generate_latest, collector), {"Content-Type": CONTENT_TYPE, "Vary": "Accept"})
    as_openmetrics = answer(
        metrics_in(openmetrics.generate_latest, collector.for_openmetrics()),
        {"Content-Type": openmetrics.CONTENT_TYPE_LATEST, "Vary": "Accept"},
    )

    async def metrics(request: web.Request) -> web.StreamResponse:
        return await (as_openmetrics if OPENMETRICS in request.headers.get("Accept", "") else as_text)(request)

    application.add_routes([web.get("/metrics", metrics)])
    if status:
        # Nothing else in a query matters, and none of it appears on the page.
        pages = [answer(Rendering(_page_of(status, refreshing=each), turn), HEADERS) for each in (False, True)]
        as_json = answer(Rendering(_json_of(status), turn), JSON_HEADERS)

        async def page(request: web.Request) -> web.StreamResponse:
            return await pages[request.query.get("refresh") == str(REFRESH)](request)

        application.add_routes([web.get("/", page), web.get("/status.json", as_json)])
    return application


def _page_of(status: Callable[[], Status], *, refreshing: bool) -> Callable[[], Awaitable[Callable[[], bytes]]]:
    async def prepare() -> Callable[[], bytes]:
        return partial(render, status(), refreshing=refreshing)

    return prepare


def _json_of(status: Callable[[], Status]) -> Callable[[], Awaitable[Callable[[], bytes]]]:
    async def prepare() -> Callable[[], bytes]:
        present = status()
        return lambda: orjson.dumps(present) + b"\n"

    return prepare


@web.middleware
async def _check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a page or metrics to a browser that was led here by a foreign name (DNS rebinding)."""
    host = request.headers.get("Host", "")
    if request.path in PROBES or is_own_host(host) or COMMAND_HEADER in request.headers:
        return await handler(request)
    text = "This name is not one of a node, a pod or a Service: use an IP address or localhost.\n"
    return web.Response(status=421, text=text)


def is_own_host(host: str) -> bool:
    """Return whether nobody but the operator can have made a browser use the host of a request for this port.

    That is an IP address, localhost, a name without a dot, and one of a Service in the cluster.
    """
    name = host.rpartition(":")[0] if re.search(r":[0-9]*$", host) and not host.endswith("]") else host
    if "." not in name or name.endswith((".svc", ".cluster.local", ".localhost")):
        return True
    return bool(canonical_ip(name))


async def _send(request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send a text in pieces, as the client reads it; disconnect a client that does not read it in time.

    A whole text would be copied for each client that is slow to read.
    """
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await response.prepare(request)
            if request.method != "HEAD":
                for begin in range(0, len(body), PIECE):
                    await response.write(body[begin : begin + PIECE])
            await response.write_eof()
    except TimeoutError:
        if request.transport:
            request.transport.abort()
    return response
