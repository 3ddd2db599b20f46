"""Lines with styles, as reports for a terminal are made of. Pure."""

import textwrap
from typing import NamedTuple

BOLD, BOLD_RED, BOLD_YELLOW, DIM, CYAN = "bold", "bold red", "bold yellow", "dim", "cyan"
"""Styles of headings, of those about what clients saw, of those about what they did not see, of details, and of what to
copy.
"""


class Styled(NamedTuple):
    """A line, and the style of all of it."""

    text: str
    style: str = ""


def wrap(text: str, width: int, first: str = "", other: str = "") -> list[str]:
    """Return the lines of a text with their indents. Names are not broken, so that they can be copied."""
    wrapper = textwrap.TextWrapper(width, first, other, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)
