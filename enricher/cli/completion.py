"""`enricher completion SHELL`: a script with which a shell completes the commands and options of the parser."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import shtab

from enricher.cli.commands import OBJECTS, build_parser
from enricher.config.options import ALL_OPTIONS

COMPLETED_PATHS = {
    "FILE": shtab.FILE,
    OBJECTS: shtab.FILE,
    "OLD": shtab.FILE,
    "NEW": shtab.FILE,
    "DIR": shtab.DIRECTORY,
}
"""The way in which values are completed, by metavar."""


def main(arguments: dict[str, Any]) -> int:
    """Print the script; return the exit code."""
    sys.stdout.write(completion_script(build_parser(), arguments["shell"]))
    sys.stdout.flush()
    return 0


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for "bash", "zsh" or "fish". This changes the parser: do not use it for anything else."""
    options = {option.flag: option for option in ALL_OPTIONS}
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in COMPLETED_PATHS:
            action.complete = COMPLETED_PATHS[action.metavar]  # type: ignore[attr-defined]  # shtab's own attribute
        # Set here only: argparse must not check choices, which `resolve` checks wherever an option comes from.
        if (option := options.get(action.dest)) and option.choices:
            action.choices = option.choices
        if shell == "zsh" and isinstance(action.metavar, str):
            # After a bare colon, zsh expects a command to run.
            action.metavar = action.metavar.replace(":", r"\:")
    script: str = shtab.complete(parser, shell)
    # To zsh, the output of shtab means one file and nothing after it; the replacement means any number of files.
    return script.replace('"(*)::', '"*:') if shell == "zsh" else script


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # as shtab does
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
