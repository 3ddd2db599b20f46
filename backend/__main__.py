"""`python -m backend`: serve until SIGTERM or SIGINT, finish the requests under way, exit with 0."""

import argparse
import asyncio
import logging
import os
import re
import signal
import socket
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from backend.app import MAX_DELAY, Backend, parse_delay

STOP_GRACE = 25.0
"""Seconds that a stop waits for requests under way: less than the kubelet's 30 s, after which it kills."""

logger = logging.getLogger("backend")  # __name__ is "__main__" here


def main() -> None:
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        sockets = bind_sockets(arguments.port)
    except OSError as error:
        sys.exit(f"cannot listen on port {arguments.port}: {error}")
    # Kubernetes sets HOSTNAME to the pod's name; a shell usually does not export its own.
    hostname = os.environ.get("HOSTNAME") or socket.gethostname()
    asyncio.run(serve(sockets, hostname, arguments.greeting_status, arguments.idle_timeout))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="A service that names the pod in which it runs."
    )
    default = os.environ.get("PORT") or "10000"
    parser.add_argument("--port", type=parse_port, default=default, help="default: $PORT, else 10000; 0: any")
    parser.add_argument(
        "--greeting-status", type=parse_status, default=200, help="the status of / and /test (default: 200)"
    )
    parser.add_argument(
        "--idle-timeout", type=parse_seconds, help="close a connection that is idle for these seconds (default: 3600)"
    )
    return parser.parse_args()


def parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"invalid port {text!r}: a number from 0 to 65535 is expected")
    return int(text)


def parse_status(text: str) -> int:
    if not re.fullmatch("[2-5][0-9][0-9]", text):
        raise argparse.ArgumentTypeError(f"invalid status {text!r}: a number from 200 to 599 is expected")
    return int(text)


def parse_seconds(text: str) -> float:
    seconds = parse_delay(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"invalid time {text!r}: up to {MAX_DELAY:g} seconds are expected")
    return seconds


async def serve(sockets: list[socket.socket], hostname: str, greeting_status: int, idle_timeout: float | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    application = Backend(hostname, greeting_status)
    server = HTTPServer(application, idle_connection_timeout=idle_timeout)
    server.add_sockets(sockets)
    logger.info("listening on port %d as %s", sockets[0].getsockname()[1], hostname)
    await stop.wait()
    await stop_serving(server, application)


async def stop_serving(server: HTTPServer, application: Backend) -> None:
    server.stop()
    try:
        await asyncio.wait_for(application.drain(), STOP_GRACE)
    except TimeoutError:
        logger.warning("requests were still under way after %g s", STOP_GRACE)
    # Only idle connections are left, which clients keep open.
    await server.close_all_connections()
    logger.info("stopped")


if __name__ == "__main__":
    main()
