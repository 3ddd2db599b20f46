"""The entry point of all commands: parses the command line, runs the command and turns errors into exit codes."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from enricher.cli.commands import build_parser
from enricher.errors import EXIT_CONFIGURATION, EXIT_FAILURE, EnricherError
from enricher.text import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        os.fstat(1)
    except OSError:
        sys.stderr.write("enricher: stdout is closed\n")
        return EXIT_CONFIGURATION
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal's encoding has every character
    try:
        arguments = vars(build_parser().parse_args(argv))
        # Each command imports only the modules that it needs.
        command = import_module(f"enricher.cli.{arguments['command']}")
        code: int = command.main(arguments)
    except EnricherError as error:
        sys.stderr.write(f"enricher: {printable(error)}\n")
        return error.exit_code
    except OSError as error:
        # Python must not flush into the broken pipe or the full disk once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # a reader that is gone, as in `| head`, ends the work and is not a failure
        sys.stderr.write(f"enricher: {printable(error.filename or 'stdout')}: {printable(error.strerror or error)}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code
