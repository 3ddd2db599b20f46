"""The parser of the command line: its errors are UsageErrors that name what was probably meant."""

import argparse
import sys
from collections import deque
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from enricher.errors import UsageError

MIN_LIKENESS = 0.65
"""How alike, from 0 to 1, a mistyped name and the one that was probably meant are."""


class _HelpFormatter(argparse.HelpFormatter):
    """Formats paragraphs, and leaves those with indented lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        paragraphs = text.split("\n\n")
        return "\n\n".join(each if "\n  " in each else fill(each, width, indent) for each in paragraphs)


class Parser(argparse.ArgumentParser):
    """A parser that reports errors as UsageError, and does not accept abbreviated options.

    Each command's refuses what it does not know itself: the parser of all commands has none of its options.
    """

    commands: Collection[str] = ()
    """The names of the commands, in the parser of all of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.allow_abbrev, self.formatter_class = False, _HelpFormatter

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError for a value that is no choice, with the choice that it probably stands for.

        An empty value is refused too: `--status "$STATUS"` without that variable would be no condition. `resolve` does
        so for the options that can also be in variables and files.
        """
        if value == "" and action.option_strings and action.dest not in action.option_strings:
            raise argparse.ArgumentError(action, "expected text that is not empty")
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = _suggestion(str(value), choices) or f"expected one of {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"invalid choice {value!r}: {hint}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse arguments; raise UsageError if some are unknown, with the name that the first probably stands for.

        `help` is the same as `--help`, and `help COMMAND` as `COMMAND --help`.
        """
        args = list(sys.argv[1:] if args is None else args)
        if self.commands and args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        if self.commands and args and not args[0].startswith("-") and args[0] not in self.commands:
            hint = _suggestion(args[0], self.commands) or f"expected one of {', '.join(self.commands)}"
            self.error(f"unknown command {args[0]!r}: {hint}")
        parsed, unknown = super().parse_known_args(args if self.commands else self._options_first(args), namespace)
        if unknown:
            noun = "option" if unknown[0].startswith("-") else "argument"
            hint = _suggestion(unknown[0], self._option_string_actions)
            self.error(f"unknown {noun} {unknown[0]!r}" + (f": {hint}" if hint else ""))
        return parsed, []

    def _options_first(self, args: Sequence[str]) -> list[str]:
        """Return a command's arguments with the options before the others.

        argparse by itself takes a FILE that may be missing to be missing as soon as an option comes.
        """
        options, others, remaining = list[str](), list[str](), deque(args)
        while remaining:
            arg = remaining.popleft()
            if arg == "--":
                return [*options, "--", *others, *remaining]
            if arg == "-" or not arg.startswith("-"):
                others.append(arg)
                continue
            action = self._option_string_actions.get(arg)
            if action and action.nargs == "?":  # its value may be missing, and is a name: KIND/NAME and paths are not
                is_value = remaining and "/" not in remaining[0] and not remaining[0].startswith("-")
                options.append(f"{arg}={remaining.popleft() if is_value else action.const}")
                continue
            options.append(arg)
            if action and action.nargs is None:  # it takes one value
                value = remaining.popleft() if remaining else "--"
                if value.startswith("-") and value != "-":
                    return list(args)  # the value is missing: argparse says so
                options.append(value)
        return [*options, *others]


def _suggestion(text: str, names: Collection[str]) -> str:
    """Return a question for the name that a mistyped one is the closest to; empty if none is close."""
    bare = {name.lstrip("-"): name for name in names}
    closest = get_close_matches(text.partition("=")[0].lstrip("-"), bare, n=1, cutoff=MIN_LIKENESS)
    return f"did you mean {bare[closest[0]]}?" if closest else ""
