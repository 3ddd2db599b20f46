"""Rich text for a terminal. Nothing in it is read as markup, and a terminal obeys nothing that came from outside."""

from typing import Any

from rich.console import Console
from rich.text import Text

from enricher.text import printable


class PipedConsole(Console):
    """A console for texts from outside, with colours on a terminal only.

    It lets the command handle a reader that is gone.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text that is printed as it is, or that is in a table, in one line; see `one_line`."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich itself would exit with 1."""
        raise BrokenPipeError


def as_written(text: str, console: Console) -> str:
    """Return a text as a console will write it, to measure it: what cannot be shown or encoded is escaped."""
    return printable(text).encode(console.encoding, "backslashreplace").decode(console.encoding)


def one_line(*parts: object | tuple[object, str], style: str = "", **options: Any) -> Text:
    """Return a line of parts, each a text or a text with its style. `options` are those of rich's Text."""
    line = Text(style=style, **options)
    for part in parts:
        text, part_style = part if isinstance(part, tuple) else (part, "")
        line.append(printable(text), part_style)
    return line
