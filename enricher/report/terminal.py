"""Lines for a terminal that nothing from outside can move the cursor of."""

import logging
import sys

from enricher.text import printable, printable_json


class PrintableFormatter(logging.Formatter):
    """A formatter of log records: one line for each, and one for each line of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        text = super().format(record)
        lines = text.split("\n") if record.exc_info else [text]
        return "\n".join(map(printable, lines))


def shown_json(lines: bytes) -> bytes:
    """Return JSON lines for stdout: as they are, or with nothing that a terminal would obey if it is one."""
    return printable_json(lines) if sys.stdout.isatty() else lines
