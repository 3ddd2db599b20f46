"""Texts, JSON lines and log records for stdout and stderr. A terminal obeys nothing in them that came from outside.

Texts for people are written by these functions, by a console of `enricher.report.console`, or as log records. Each is
one line, whatever is in it, and characters that the stream cannot encode are escaped.
"""

import codecs
import io
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType

from enricher.text import printable, printable_json

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def print_lines(lines: Iterable[str]) -> None:
    """Write texts to stdout, each in one line of its own."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
    sys.stdout.flush()


def warn(text: object) -> None:
    """Write a message to stderr, in one line that begins with the program's name."""
    sys.stderr.write(f"enricher: {printable(text)}\n")


def json_encoder(*, for_terminal: bool) -> Callable[[bytes], bytes]:
    """Return a function that makes JSON lines fit for a terminal, or one that leaves them as they are.

    A JSON text may contain DEL, C1 controls and marks of writing direction as they are. Escaped, it has the same value.
    """
    if not for_terminal:
        return lambda lines: lines
    ascii_only = codecs.lookup(sys.stdout.encoding).name != "utf-8"
    return lambda lines: printable_json(lines, ascii_only=ascii_only)


class PrintableFormatter(logging.Formatter):
    """Formats a log record as one line. The lines of a stack follow it, indented, so that no text begins a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # its name in the standard library
        return printable(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802
        return _indent(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indent(super().formatStack(stack_info))


def prepare_streams() -> None:
    """Let stdout and stderr escape what they cannot encode, and stderr have log records for which there is no handler.

    The commands other than `run` and `top` have no handler.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if logging.lastResort:
        logging.lastResort.setFormatter(PrintableFormatter("enricher: %(message)s"))


def report_exceptions() -> None:
    """Write exceptions that nothing catches, which are faults of the program, in the same way as log records."""
    sys.excepthook = lambda kind, error, trace: _print_exception(error)
    threading.excepthook = lambda arguments: _print_exception(arguments.exc_value)


def _print_exception(error: BaseException | None) -> None:
    warn("failed")
    sys.stderr.write(f"{_indent(''.join(traceback.format_exception(error)))}\n")


def _indent(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in text.rstrip("\n").split("\n"))
