"""The daemon's own log: text on stderr, written in a thread of its own, so that a stuck reader stops nothing.

When the program ends, the standard library's QueueListener would wait for that reader without a limit.
"""

import logging
import sys
from logging.handlers import QueueHandler
from queue import Full, Queue
from threading import Thread

from enricher.report.terminal import PrintableFormatter

MAX_QUEUED = 1000
"""Largest number of records that wait for a slow reader; further ones are dropped and counted."""
CLOSE_TIMEOUT = 0.2
"""Seconds that closing waits for the last records to be written."""


class StderrLog(QueueHandler):
    """Writes the root logger's records while the context lasts; `dropped` counts those that could not be written."""

    def __init__(self) -> None:
        self.dropped = 0
        self._records: Queue[logging.LogRecord | None] = Queue(MAX_QUEUED)
        super().__init__(self._records)
        self.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        # A daemon thread: it may never return from a write.
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
            self._records.put(None, timeout=CLOSE_TIMEOUT)
        except Full:
            return
        self._thread.join(CLOSE_TIMEOUT)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a formatted record, or drop it if the queue is full."""
        try:
            self._records.put_nowait(record)
        except Full:
            self.dropped += 1

    def _work(self) -> None:
        while record := self._records.get():
            try:
                sys.stderr.write(f"{record.getMessage()}\n")
                sys.stderr.flush()
            except OSError:
                self.dropped += 1
