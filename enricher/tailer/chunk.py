"""Lines as a follower returns them."""

from collections.abc import Sequence
from dataclasses import dataclass

from enricher.line import Line
from enricher.tailer.position import Position


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of one file, and the number of bytes they were read from.

    `lines` may be empty; then the caller just reads on.
    """

    lines: Sequence[Line]
    size: int
    start: Position
    end: Position
