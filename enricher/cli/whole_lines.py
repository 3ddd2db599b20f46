"""Lines that Ctrl-C does not cut."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any, BinaryIO


class WholeLines:
    """Writes lines to a stream. Ctrl-C waits until those that are being written are out, however slow the reader is.

    A second one does not. Nothing else tells how much of a write that is interrupted has reached the reader.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._is_writing = self._is_interrupted = False

    @contextmanager
    def delaying_interrupts(self) -> Iterator[None]:
        """Delay Ctrl-C while lines are being written; outside the main thread it does not arrive anyway."""
        if current_thread() is not main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _interrupt(self, *_: Any) -> None:
        if not self._is_writing or self._is_interrupted:
            raise KeyboardInterrupt
        self._is_interrupted = True

    def write(self, lines: bytes) -> None:
        """Write whole lines. Raise KeyboardInterrupt after Ctrl-C."""
        self._is_writing = True
        try:
            rest = memoryview(lines)
            while rest:  # without a buffer (PYTHONUNBUFFERED), a write that a signal interrupts writes a part
                rest = rest[self._out.write(rest) :]
        finally:
            self._is_writing = False
        if self._is_interrupted:
            self._out.flush()
            raise KeyboardInterrupt
