"""The entry point of all commands: parses the command line, runs the command and turns errors into exit codes."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from enricher.cli.commands import build_parser
from enricher.errors import EXIT_CONFIGURATION, EXIT_FAILURE, ConfigurationError, EnricherError
from enricher.report.terminal import prepare_streams, report_exceptions, warn


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    prepare_streams()
    if argv is None:  # this process is the program's own
        report_exceptions()
    try:
        os.fstat(1)
    except OSError:
        warn("stdout is closed")
        return EXIT_CONFIGURATION
    try:
        arguments = vars(build_parser().parse_args(argv))
        code: int = _command_module(arguments["command"]).main(arguments)
    except EnricherError as error:
        warn(error)
        return error.exit_code
    except OSError as error:
        # Python must not flush into the broken pipe or the full disk once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # a reader that is gone, as in `| head`, ends the work and is not a failure
        warn(f"{error.filename or 'stdout'}: {error.strerror or error}")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


def _command_module(name: str) -> ModuleType:
    """Import the module of a command, and only the modules that this command needs.

    Raise ConfigurationError if a package of somebody else is missing; a missing module of our own is a bug.
    """
    try:
        return import_module(f"enricher.cli.{name}")
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == "enricher":
            raise
        raise ConfigurationError(
            f"{name} needs the Python package {error.name}, which is not installed here, as in the daemon's image: "
            f"run {name} on your own machine, where `pipx install ingress-enricher` installs it"
        ) from error
