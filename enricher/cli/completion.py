"""`enricher completion SHELL`: a shell's completion, made of what --help is made of."""

import argparse
from collections.abc import Iterator

import shtab

from enricher.config.settings import ALL

_PATHS = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
"""What values called so are completed with."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """For "bash", "zsh" or "fish". The parser is of no other use afterwards."""
    options = {option.flag: option for option in ALL}
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in _PATHS:
            action.complete = _PATHS[action.metavar]  # type: ignore[attr-defined]  # shtab's way to be told
        # These are checked elsewhere, together with variables and the configuration file.
        if (option := options.get(action.dest)) and option.choices:
            action.choices = option.choices
        if shell == "zsh" and isinstance(action.metavar, str):
            # Behind a bare colon zsh expects a command that it is to run.
            action.metavar = action.metavar.replace(":", r"\:")
    made: str = shtab.complete(parser, shell)
    # To zsh this is one file, and nothing after it; the other is any number of them.
    return made.replace('"(*)::', '"*:') if shell == "zsh" else made


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # as shtab does it
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
