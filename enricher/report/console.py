"""A console for stdout: colours on a terminal only."""

from typing import Any

from rich.console import Console


class PipedConsole(Console):
    """A console that takes no text for markup, and lets the command handle a reader that is gone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich itself would exit with 1."""
        raise BrokenPipeError
