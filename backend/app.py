"""The HTTP service: what it answers. Every response, an error too, names the pod in `X-Pod-Name`."""

import asyncio
import logging
import re
from typing import Any

import tornado.web

LONGEST_DELAY = 300.0
"""Seconds. Well beyond nginx's default `proxy_read_timeout` of 60 s, so that a 504 can be provoked; not endless."""

PATHS = "/, /test, /healthz, /status/<code>, /delay/<seconds>"

logger = logging.getLogger(__name__)


class Backend(tornado.web.Application):
    """The routes, and how many requests are under way: a clean stop waits for those."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname
        self.stopping = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        super().__init__(
            [
                ("/", Greeting),
                ("/test", Greeting),
                ("/healthz", Health),
                ("/status/(.*)", Status),
                ("/delay/(.*)", Delay),
            ],
            default_handler_class=NoSuchPath,
        )

    def begin(self) -> None:
        self._running += 1
        self._idle.clear()

    def end(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def drained(self) -> None:
        """Returns once no request is under way; from the call on, clients are told not to reuse their connection."""
        self.stopping = True
        await self._idle.wait()


class Handler(tornado.web.RequestHandler):
    application: Backend

    def initialize(self) -> None:
        # Not in prepare(): a request with an unknown method never gets there, but ends in on_finish() all the same.
        self.application.begin()

    def on_finish(self) -> None:
        self.application.end()

    def set_default_headers(self) -> None:
        self.set_header("X-Pod-Name", self.application.hostname)
        # Error texts quote the request: as text/html, tornado's default, they could carry a script.
        self.set_header("Content-Type", "text/plain; charset=UTF-8")

    def write_error(self, status_code: int, **_: Any) -> None:
        self.answer(status_code, f"{status_code} {self._reason}")

    def answer(self, status: int, text: str) -> None:
        self.set_status(status)
        if self.application.stopping:
            self.set_header("Connection", "close")
        # 204 and 304 have no body: tornado asserts it.
        self.finish(None if status in (204, 304) else text)

    def greet(self, status: int = 200) -> None:
        self.answer(status, f"i am backend in {self.application.hostname}")


class Greeting(Handler):
    def get(self) -> None:
        self.greet()

    head = get

    def post(self) -> None:
        # repr: a line break in the body must not look like a line of this log.
        logger.info("POST %s: %r", self.request.path, self.request.body.decode("utf-8", "backslashreplace"))
        self.greet()


class Health(Handler):
    def get(self) -> None:
        if self.application.stopping:
            self.answer(503, "stopping")
        else:
            self.answer(200, "ok")

    head = get


class Status(Handler):
    def get(self, code: str) -> None:
        if re.fullmatch("[2-5][0-9][0-9]", code):
            self.greet(int(code))
        else:
            self.answer(400, f"the status must be a number from 200 to 599, not {code!r}")

    head = get
    post = get


class Delay(Handler):
    async def get(self, seconds: str) -> None:
        delay = delay_of(seconds)
        if delay is None:
            self.answer(400, f"the delay must be a number of seconds from 0 to {LONGEST_DELAY:g}, not {seconds!r}")
            return
        await asyncio.sleep(delay)
        self.greet()

    head = get
    post = get


class NoSuchPath(Handler):
    def prepare(self) -> None:
        self.answer(404, f"no such path; there are {PATHS}")


def delay_of(text: str) -> float | None:
    """Seconds, or None where the text is no number, or one out of bounds; NaN compares false with both."""
    try:
        delay = float(text)
    except ValueError:
        return None
    return delay if 0 <= delay <= LONGEST_DELAY else None
