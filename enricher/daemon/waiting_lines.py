"""The lines of tries that wait for the lines of their requests, as they are saved beside the position of their log."""

import logging
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from enricher.line import Line
from enricher.text import escape_bytes

logger = logging.getLogger(__name__)

WAITING = "waiting"
"""The name that they have in a saved position."""


def dump_lines(lines: Sequence[Line]) -> dict[str, Any]:
    """Return lines as JSON values, nothing for none.

    They are in base64, in which control characters do not take six times as much room.
    """
    rows = [[_dump(line.text), _dump(line.stamp), line.stream, line.cut] for line in lines]
    return {WAITING: rows} if rows else {}


def load_lines(path: str, position: dict[str, Any]) -> list[Line]:
    """Return the lines that `dump_lines` added to the position of a log, without any that it cannot have written."""
    rows = position.get(WAITING, [])
    lines = [line for row in rows if (line := _load_line(row))] if isinstance(rows, list) else []
    if not isinstance(rows, list) or len(lines) < len(rows):
        logger.warning("%s: saved lines of tries are malformed: they are left out", escape_bytes(path))
    return lines


def _dump(data: bytes) -> str:
    return b64encode(data).decode()


def _load_line(row: object) -> Line | None:
    match row:
        case [str(text), str(stamp), "stdout" | "stderr" | "" as stream, int(cut)] if cut >= 0:
            try:
                return Line(b64decode(text, validate=True), b64decode(stamp, validate=True), stream, cut)
            except ValueError:
                return None
    return None
