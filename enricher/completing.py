"""`enricher completion SHELL`: a shell's completion, made of what --help is made of."""

import argparse
from collections.abc import Iterator

import shtab

from enricher.settings import ALL

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
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # as shtab does it
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
