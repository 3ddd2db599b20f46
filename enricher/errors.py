"""What can be wrong before the work starts, and the exit code that says which kind it was."""

EXIT_FAILURE = 1
"""The program failed while it ran."""
EXIT_USAGE = 2
"""An option (or its ENRICHER_* variable) is unknown or has a value that is not allowed."""
EXIT_CONFIGURATION = 3
"""What the options point to is missing, unreadable or broken: a directory, a kubeconfig, an endpoints file."""


class EnricherError(Exception):
    """One clear line for stderr; `exit_code` is the process's."""

    exit_code = EXIT_FAILURE


class UsageError(EnricherError):
    exit_code = EXIT_USAGE


class ConfigurationError(EnricherError):
    exit_code = EXIT_CONFIGURATION
