"""The HTTP service. Every response, an error included, names the pod in `X-Pod-Name`."""

import asyncio
import logging
import re
from typing import Any

import tornado.web

MAX_DELAY = 300.0
"""Longest delay, in seconds, that a client can request: well above the 60 s of nginx's default `proxy_read_timeout`, so
that a 504 can be provoked.
"""

MAX_ALLOCATION = 1024
"""Most memory, in MiB, that one request can take: more than the limits of a small container."""

PATHS = "/, /test, /healthz, /status/<code>, /delay/<seconds>, /allocate/<MiB>"

logger = logging.getLogger(__name__)


class Backend(tornado.web.Application):
    """The routes and the number of active requests, for which a clean stop waits."""

    def __init__(self, hostname: str, greeting_status: int = 200) -> None:
        self.hostname = hostname
        self.greeting_status = greeting_status
        self.allocated: list[bytes] = []
        self.stopping = False
        self._active_requests = 0
        self._idle = asyncio.Event()
        self._idle.set()
        super().__init__(
            [
                ("/", GreetingHandler),
                ("/test", GreetingHandler),
                ("/healthz", HealthHandler),
                ("/status/(.*)", StatusHandler),
                ("/delay/(.*)", DelayHandler),
                ("/allocate/(.*)", AllocationHandler),
            ],
            default_handler_class=UnknownPathHandler,
        )

    def begin_request(self) -> None:
        self._active_requests += 1
        self._idle.clear()

    def end_request(self) -> None:
        self._active_requests -= 1
        if not self._active_requests:
            self._idle.set()

    async def drain(self) -> None:
        """Wait until no request is active. Responses from now on ask clients to close their connections."""
        self.stopping = True
        await self._idle.wait()


class BaseHandler(tornado.web.RequestHandler):
    application: Backend

    def initialize(self) -> None:
        # Not in prepare(): it is not called for a request with an unknown method, but on_finish() is.
        self.application.begin_request()

    def on_finish(self) -> None:
        self.application.end_request()

    def set_default_headers(self) -> None:
        self.set_header("X-Pod-Name", self.application.hostname)
        # Error texts quote the request: as text/html, tornado's default, they could carry a script.
        self.set_header("Content-Type", "text/plain; charset=UTF-8")

    def write_error(self, status_code: int, **_: Any) -> None:
        self.send(status_code, f"{status_code} {self._reason}")

    def send(self, status: int, text: str) -> None:
        self.set_status(status)
        if self.application.stopping:
            self.set_header("Connection", "close")
        # A 204 or 304 must not have a body; tornado asserts it.
        self.finish(None if status in (204, 304) else text)

    def send_greeting(self, status: int = 200) -> None:
        self.send(status, f"i am backend in {self.application.hostname}")


class GreetingHandler(BaseHandler):
    def get(self) -> None:
        self.send_greeting(self.application.greeting_status)

    head = get

    def post(self) -> None:
        # repr: a line break in the body must not look like a line of this log.
        logger.info("POST %s: %r", self.request.path, self.request.body.decode("utf-8", "backslashreplace"))
        self.send_greeting(self.application.greeting_status)


class HealthHandler(BaseHandler):
    def get(self) -> None:
        if self.application.stopping:
            self.send(503, "stopping")
        else:
            self.send(200, "ok")

    head = get


class StatusHandler(BaseHandler):
    def get(self, code: str) -> None:
        if re.fullmatch("[2-5][0-9][0-9]", code):
            self.send_greeting(int(code))
        else:
            self.send(400, f"the status must be a number from 200 to 599, not {code!r}")

    head = get
    post = get


class DelayHandler(BaseHandler):
    async def get(self, seconds: str) -> None:
        delay = parse_delay(seconds)
        if delay is None:
            self.send(400, f"the delay must be a number of seconds from 0 to {MAX_DELAY:g}, not {seconds!r}")
            return
        await asyncio.sleep(delay)
        self.send_greeting()

    head = get
    post = get


class AllocationHandler(BaseHandler):
    """Keeps memory until the process ends, so that a container exceeds its limit."""

    def post(self, mebibytes: str) -> None:
        if mebibytes.isascii() and mebibytes.isdigit() and int(mebibytes) <= MAX_ALLOCATION:
            # Not zeros: the kernel would give no memory for pages that nobody has written.
            self.application.allocated.append(b"x" * (int(mebibytes) << 20))
            self.send_greeting()
        else:
            self.send(400, f"the memory must be a number of MiB from 0 to {MAX_ALLOCATION}, not {mebibytes!r}")


class UnknownPathHandler(BaseHandler):
    def prepare(self) -> None:
        self.send(404, f"no such path; there are {PATHS}")


def parse_delay(text: str) -> float | None:
    """Parse a number of seconds. Return None for other texts and for numbers out of bounds, NaN included."""
    try:
        delay = float(text)
    except ValueError:
        return None
    return delay if 0 <= delay <= MAX_DELAY else None  # NaN compares false with both
