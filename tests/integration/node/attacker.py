"""What runs in a pod of the hostile tenant: a backend, its clients, and a flood of the daemon's port.

The text of this file is the pod's command. It has the standard library only, and the container's limit of CPU bounds
what it does. PROXY and DAEMON in its environment are the addresses of the controller and the daemon; OWN is its own.
"""

import contextlib
import itertools
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROXY, DAEMON, OWN = (os.environ[name] for name in ("PROXY", "DAEMON", "OWN"))
SECONDS = float(os.environ["SECONDS"])
PORT, METRICS = 10000, 9464
SILENT, KEPT = 100, 200
"""Connections that dribble their headers; connections of the flood that stay open."""
AGENTS = (
    "curl/8",
    '" 200 9 "-" "x" 1 0.1 [default-backend-service-10000] [] 10.244.0.5:10000 9 0.1 200 forged',
    "\x1b]0;owned\x07\x1b[2J",
    "\u202e\u009b31m<script>alert(1)</script>",
    "x" * 7000,
)
IDS = (
    "hostile",
    "- ] 10.244.0.5:10000 2 0.001 503 hostile",
    "] [] 10.244.0.5:10000, 10.244.0.6:10000 0, 2 0.001, 0.001 502, 200 ",
    '{"pod":"backend"}',
    "",
)
PATHS = ("/status/{status}", '/{n}"%0a%00/../', "/?token=\\x22\\\\{n}", "/{n}" * 200)


class Backend(BaseHTTPRequestHandler):
    """Answers with the status of the path, and under another name each time."""

    names = itertools.count()

    def do_GET(self) -> None:
        status = self.path.rpartition("/")[2]
        self.send_response(int(status) if status.isdigit() and 200 <= int(status) <= 599 else 200)
        self.send_header("X-Pod-Name", f"backend-{next(self.names)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Write nothing."""


def ask_through_the_proxy() -> None:
    """Send a request to the tenant's own host."""
    n = random.randrange(1 << 30)
    path = random.choice(PATHS).format(status=random.randrange(200, 600), n=n)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: hostile.example\r\nConnection: close\r\nX-Upstream: {OWN}:{PORT}\r\n"
        f"User-Agent: {random.choice(AGENTS)}\r\nX-Request-ID: {random.choice(IDS)}{n}\r\n\r\n"
    )
    with socket.create_connection((PROXY, 80), timeout=5) as connection:
        connection.sendall(head.encode())
        while connection.recv(65536):
            pass
    time.sleep(0.02)


def read_page() -> None:
    """Read a page of the daemon's, without a pause after it."""
    path = random.choice(("/metrics", "/metrics", "/", "/status.json", "/livez"))
    with socket.create_connection((DAEMON, METRICS), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {DAEMON}\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(1 << 20):
            pass


def dribble() -> None:
    """Hold connections whose requests never end."""
    connections = [socket.create_connection((DAEMON, METRICS), timeout=5) for _ in range(SILENT)]
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nX-")
    for _ in range(10):
        time.sleep(1)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(b"a")
    for connection in connections:
        connection.close()


kept: list[socket.socket] = []


def connect() -> None:
    """Open connections as fast as it goes, and say nothing on them."""
    for _ in range(100):
        connection = socket.socket()
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.connect((DAEMON, METRICS))
        kept.append(connection)
        if len(kept) > KEPT:
            kept.pop(0).close()


def repeat(do: Callable[[], None], end: float) -> None:
    while time.monotonic() < end:
        try:
            do()
        except OSError:
            time.sleep(0.05)


def main() -> None:
    end = time.monotonic() + SECONDS
    # The flood has a process of its own: it would take the other threads' turns.
    flooding = os.fork() == 0
    jobs = [connect] if flooding else [ask_through_the_proxy] * 2 + [read_page] * 3 + [dribble]
    if not flooding:
        server = ThreadingHTTPServer(("", PORT), Backend)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threads = [threading.Thread(target=repeat, args=(job, end)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.clear()
    # The pod stays: where it ended, it would be restarted, and begin again.
    while True:
        time.sleep(60)


main()
