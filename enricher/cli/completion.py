"""`enricher completion SHELL`: a script with which a shell completes the commands and options of the parser."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import shtab

from enricher.cli.commands import OBJECTS, build_parser
from enricher.cli.upstreams import Kind
from enricher.config.options import ALL_OPTIONS

COMPLETED_PATHS = {
    "FILE": shtab.FILE,
    OBJECTS: dict.fromkeys(("bash", "zsh"), "_enricher_objects_or_files") | {"fish": "(_enricher_objects_or_files)"},
    "OLD": shtab.FILE,
    "NEW": shtab.FILE,
    "DIR": shtab.DIRECTORY,
}
"""The way in which values are completed, by metavar."""
_KINDS = " ".join(f"{kind}/" for kind in Kind)
_OBJECTS_OR_FILES = {
    "bash": f"""
_enricher_objects_or_files() {{
  compgen -W "{_KINDS}" -- "$1"
  compgen -f -- "$1"
}}
""",
    "zsh": f"""
_enricher_objects_or_files() {{
  compadd -S '' -- {_KINDS}
  _files
}}
""",
    "fish": f"""
function _enricher_objects_or_files
  printf '%s\\n' {_KINDS}
  __fish_complete_path (commandline -ct)
end
""",
}
"""A function for each shell that offers kinds of objects, whose names only an API server knows, and files."""
_WITHOUT_SPACE = """
# After a kind comes the name: no space.
_enricher() {
  _shtab_enricher
  [[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o bashdefault -F _enricher enricher
"""
"""What follows shtab's script for bash, in place of its last line."""


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
    script: str = shtab.complete(parser, shell, preamble=_OBJECTS_OR_FILES[shell])
    if shell == "zsh":
        # The output of shtab means one file and nothing after it; the replacement means any number of files.
        return script.replace('"(*)::', '"*:')
    return script + _WITHOUT_SPACE if shell == "bash" else script


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # as shtab does
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
