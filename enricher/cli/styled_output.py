"""Reports for people on stdout, as wide as the terminal and with its styles."""

import os
from collections.abc import Callable, Iterable

from enricher.report.console import PipedConsole, one_line
from enricher.report.styled import Styled

MIN_WIDTH, MAX_WIDTH = 60, 100
"""Columns of the text: longer lines are hard to read."""


def print_styled(lines: Callable[[int], Iterable[Styled]]) -> None:
    """Print lines that are made for a width, with their styles on a terminal."""
    console = PipedConsole(no_color=_refuses_colours() or None)
    for line in lines(min(max(console.width, MIN_WIDTH), MAX_WIDTH)):
        console.print(one_line(line.text, style=line.style), soft_wrap=True)


def _refuses_colours() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
