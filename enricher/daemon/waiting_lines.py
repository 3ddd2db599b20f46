"""The lines of tries that wait for the lines of their requests, as they are saved beside the position of their log."""

from collections.abc import Sequence
from typing import Any

from enricher.line import Line

WAITING = "waiting"
"""The name that they have in a saved position."""


def dump_lines(lines: Sequence[Line]) -> dict[str, Any]:
    """Return lines as JSON values, with a character for each byte; nothing for none."""
    rows = [[line.text.decode("latin-1"), line.stamp.decode("latin-1"), line.stream, line.cut] for line in lines]
    return {WAITING: rows} if rows else {}


def load_lines(position: dict[str, Any]) -> list[Line]:
    """Return the lines that `dump_lines` added to a position, without any that it cannot have written."""
    rows = position.get(WAITING)
    return list(filter(None, map(_load_line, rows))) if isinstance(rows, list) else []


def _load_line(row: object) -> Line | None:
    match row:
        case [str(text), str(stamp), str(stream), int(cut)] if (text + stamp).isascii() or max(text + stamp) <= "\xff":
            return Line(text.encode("latin-1"), stamp.encode("latin-1"), stream, cut)
    return None
