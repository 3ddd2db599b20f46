"""`kubectl_complete-enricher`, which kubectl runs to complete `kubectl enricher …`.

It gets the words after `enricher`, the last of which is to be completed, and prints one candidate a line, which may
have a description after a tab. The last line says whether files are candidates as well: kubectl's plugins have cobra's
directives, see "Extend kubectl with plugins" in Kubernetes' documentation.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from enricher.cli.commands import OBJECTS, build_parser
from enricher.cli.completion import COMPLETED_PATHS
from enricher.cli.upstreams import Kind
from enricher.config.options import ALL_OPTIONS

FILES, NO_SPACE, NO_FILES = ":0", ":2", ":4"
"""The directives: files are candidates if no others are given, or more of the word follows, or none are."""


def main() -> int:
    """Print the candidates for the last word of the command line; return the exit code."""
    *before, word = sys.argv[1:] or [""]
    sys.stdout.writelines(f"{candidate}\n" for candidate in completions(before, word))
    return 0


def completions(before: Sequence[str], word: str) -> Iterator[str]:
    """Yield the candidates for a word after others, and the directive."""
    parser: Any = build_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    command = next((commands.choices[name] for name in before if name in commands.choices), None)
    if command is None:
        helps = {action.dest: action.help or "" for action in commands._choices_actions}
        yield from (f"{name}\t{helps[name]}" for name in commands.choices if name.startswith(word))
        yield from _options(parser, word)
        yield NO_FILES
        return
    option = command._option_string_actions.get(before[-1])
    if option and option.nargs is None:
        yield from _values(option, word)
        return
    yield from _options(command, word)
    kinds = [f"{kind}/" for kind in Kind] if any(action.metavar == OBJECTS for action in command._actions) else []
    if word and (candidates := [kind for kind in kinds if kind.startswith(word) and kind != word]):
        yield from candidates
        yield NO_SPACE
        return
    yield NO_FILES if word.startswith("-") else FILES


def _options(parser: argparse.ArgumentParser, word: str) -> Iterator[str]:
    for flag in parser._option_string_actions if word.startswith("-") else ():
        if flag.startswith(word) and flag.startswith("--"):
            yield flag


def _values(option: argparse.Action, word: str) -> Iterator[str]:
    """Yield the values of an option that begin with a word, and the directive."""
    known = {each.flag: each.choices for each in ALL_OPTIONS}
    choices = option.choices or known.get(option.option_strings[-1]) or known.get(option.dest) or ()
    yield from (choice for choice in map(str, choices) if choice.startswith(word))
    yield FILES if option.metavar in COMPLETED_PATHS else NO_FILES
