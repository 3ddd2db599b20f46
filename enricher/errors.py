"""Errors that end the program, and the exit code of each kind."""

EXIT_FAILURE = 1
"""The program failed while it ran."""
EXIT_USAGE = 2
"""An option, or its ENRICHER_* variable, is unknown or has a value that is not allowed."""
EXIT_CONFIGURATION = 3
"""Something that the options name is missing, unreadable or broken: a directory, a kubeconfig, an endpoints file, a log
none of whose lines fits the log format.
"""
EXIT_WORSE = 4
"""The new revision (`enricher rollout`) or proxy (`enricher compare`) is significantly worse than the old one."""
EXIT_TOO_FEW = 5
"""There are too few attempts (`enricher rollout`) or requests (`enricher compare`) to tell."""


class EnricherError(Exception):
    """An error whose message is one clear line for stderr; `exit_code` is the exit code of the process."""

    exit_code = EXIT_FAILURE


class UsageError(EnricherError):
    exit_code = EXIT_USAGE


class ConfigurationError(EnricherError):
    exit_code = EXIT_CONFIGURATION
