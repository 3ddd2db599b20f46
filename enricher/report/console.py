"""A console for stdout: colours on a terminal only."""

from rich.console import Console


class PipedConsole(Console):
    def on_broken_pipe(self) -> None:
        """Leaves to the command what a reader that went away means; rich's own way is to exit with 1."""
        raise BrokenPipeError
