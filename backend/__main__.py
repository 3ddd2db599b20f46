"""`python -m backend [--port N]`: serves until SIGTERM or SIGINT, finishes what it has begun, exits 0."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from backend.app import Backend

GRACE = 25.0
"""Seconds for requests under way when the stop is asked for: less than the kubelet's 30 s, after which it kills."""

logger = logging.getLogger("backend")


def main() -> None:
    port = arguments().port
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        sockets = bind_sockets(port)
    except OSError as error:
        sys.exit(f"cannot listen on port {port}: {error}")
    # Kubernetes sets HOSTNAME to the pod's name; a shell usually does not export its own.
    asyncio.run(serve(sockets, os.environ.get("HOSTNAME") or socket.gethostname()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m backend", description="A service that says which pod it runs in.")
    default = os.environ.get("PORT") or "10000"
    parser.add_argument("--port", type=port_number, default=default, help="default: $PORT, else 10000; 0: any")
    return parser.parse_args()


def port_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


async def serve(sockets: list[socket.socket], hostname: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    application = Backend(hostname)
    server = HTTPServer(application)
    server.add_sockets(sockets)
    logger.info("listening on port %d as %s", sockets[0].getsockname()[1], hostname)
    await stop.wait()
    await finish(server, application)


async def finish(server: HTTPServer, application: Backend) -> None:
    server.stop()
    try:
        await asyncio.wait_for(application.drained(), GRACE)
    except TimeoutError:
        logger.warning("requests were still under way after %g s", GRACE)
    # What is left are idle connections that a client keeps open.
    await server.close_all_connections()
    logger.info("stopped")


if __name__ == "__main__":
    main()
