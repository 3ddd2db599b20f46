"""The daemon's own log: text on stderr, written in a thread of its own. A reader that is stuck stops nothing."""

import logging
import sys
from logging.handlers import QueueHandler
from queue import Full, Queue
from threading import Thread

WAITING = 1000
"""Lines that wait for a slow reader at most; what is more is dropped."""
PATIENCE = 0.2
"""Seconds at the end for the last lines to be taken."""


class StderrLog(QueueHandler):
    """Takes the root logger's records while the context lasts. `dropped` counts those that found no room."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: Queue[logging.LogRecord | None] = Queue(WAITING)
        super().__init__(self._lines)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        # A daemon may be stuck in a write for ever.
        self._thread = Thread(target=self._work, name="stderr", daemon=True)

    def __enter__(self) -> "StderrLog":
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.addHandler(self)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        try:
            self._lines.put(None, timeout=PATIENCE)
        except Full:
            return
        self._thread.join(PATIENCE)

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except Full:
            self.dropped += 1

    def _work(self) -> None:
        while record := self._lines.get():
            try:
                sys.stderr.write(f"{record.getMessage()}\n")
                sys.stderr.flush()
            except OSError:
                self.dropped += 1
