"""A console for stdout: colours on a terminal only."""

from rich.console import Console


class PipedConsole(Console):
    """A console that lets the command handle a reader that is gone."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich itself would exit with 1."""
        raise BrokenPipeError
