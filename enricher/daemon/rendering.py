"""Pages and metrics that are rendered once for all who ask at about the same time."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

KEEP = 1.0
"""Least seconds for which a rendering is given to all who ask."""
SHARE = 10
"""A rendering is kept at least this many times as long as it took: a thread that renders takes the reader of the logs
half of its time, so that all renderings together must be rare."""
PEER_INTERVAL = 0.25
"""Seconds between two answers to one peer: sending a large text often takes the loop's time as well."""


class Rendering:
    """A text that is rendered in a thread, one at a time, and kept for a while, also compressed."""

    def __init__(self, render: Callable[[], Awaitable[Callable[[], bytes]]], turn: asyncio.Lock) -> None:
        """`render` is called in the loop, and what it returns in a thread; `turn` is shared by all renderings."""
        self._render, self._turn = render, turn
        self._text, self._compressed = b"", b""
        self._fresh_until = 0.0

    async def get(self, *, compressed: bool) -> bytes:
        """Return the text, or its gzipped form."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if loop.time() >= self._fresh_until:
                began = loop.time()
                work = await self._render()
                self._text, self._compressed = await asyncio.to_thread(work), b""
                took = loop.time() - began
                self._fresh_until = loop.time() + max(KEEP, SHARE * took)
            if compressed and not self._compressed:
                self._compressed = await asyncio.to_thread(gzip.compress, self._text, 1)
            return self._compressed if compressed else self._text


class Pace:
    """Holds answers back so that no peer gets more than one in PEER_INTERVAL."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    async def wait(self, peer: str) -> None:
        """Wait for the peer's turn."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._next = {other: at for other, at in self._next.items() if at > now}
        at = self._next.get(peer, now)
        self._next[peer] = at + PEER_INTERVAL
        if at > now:
            await asyncio.sleep(at - now)
