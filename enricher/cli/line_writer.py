"""Lines on their way to a stdout whose reader may pause, as in `enricher tail | less`."""

import asyncio

from enricher.daemon.stdout import StdoutWriter

MAX_WAITING = 1 << 20
"""Bytes of lines that wait to be written, after which no logs are read until stdout has taken them."""


class LineWriter:
    """Writes lines while the event loop goes on: a pause of the reader must not keep the watch of endpoints waiting.

    What the watch brings late counts as having happened late, and lines would be attributed by what held before.
    """

    def __init__(self, stdout: StdoutWriter) -> None:
        self._stdout, self._waiting, self._has_ended = stdout, bytearray(), False
        self._has_news, self._has_room = asyncio.Event(), asyncio.Event()
        self._has_room.set()

    def put(self, lines: bytes) -> None:
        """Add lines, which are written soon."""
        self._waiting += lines
        self._has_news.set()
        if len(self._waiting) > MAX_WAITING:
            self._has_room.clear()

    async def wait_for_room(self) -> None:
        """Wait while more than MAX_WAITING bytes are to be written."""
        await self._has_room.wait()

    async def run(self) -> None:
        """Write the lines until `end` was called and none is left. Raise OSError if stdout does not take them."""
        while self._waiting or not self._has_ended:
            await self._has_news.wait()
            self._has_news.clear()
            lines, self._waiting = bytes(self._waiting), bytearray()
            self._has_room.set()
            await self._stdout.write(lines)

    def end(self) -> None:
        """Let `run` return once the lines so far are written."""
        self._has_ended = True
        self._has_news.set()
