"""A console for stdout: colours on a terminal only."""

from rich.console import Console


class PipedConsole(Console):
    """A console that leaves it to the command how to end when its reader is gone."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich itself would exit with 1."""
        raise BrokenPipeError
