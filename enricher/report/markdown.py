"""Texts in Markdown, for tickets. Nothing that came from outside is read as markup. Pure."""

import re
from collections.abc import Iterable

from enricher.text import printable

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$!@]")
"""Characters that may mean something within a line or a table; before them, a backslash makes them a text."""


def markdown_text(text: object) -> str:
    """Return a text that is shown as it is, in one line."""
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def markdown_row(values: Iterable[object], *, escape: bool = True) -> str:
    """Return a row of a table; the values are texts, or markup without `escape`."""
    return f"| {' | '.join(markdown_text(value) if escape else str(value) for value in values)} |"
