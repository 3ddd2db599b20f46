"""A warning if the log format looks like the wrong one. Pure."""

from collections.abc import Mapping

from enricher.vocabulary import LineKind

WARNING_LINES = 20
"""Number of lines that do not fit the log format, while none fits it, after which it looks wrong."""


class FormatCheck:
    """Warns once that no line fits the log format; after the first line that fits, it never warns."""

    def __init__(self, warning_lines: int = WARNING_LINES, log_format: str = "the log format") -> None:
        """Warn after `warning_lines` lines; `log_format` is what the warning calls the format."""
        self._warning_lines, self._log_format = warning_lines, log_format
        self._decided = False

    def warning(self, counts: Mapping[str, int]) -> str | None:
        """Return a warning, or None, given the number of lines of each kind so far."""
        misfits, fitting = counts.get(LineKind.PARSE_ERROR, 0), counts.get(LineKind.ACCESS, 0)
        if self._decided or not (fitting or misfits >= self._warning_lines):
            return None
        self._decided = True
        if fitting:
            return None
        return f"none of {sum(counts.values())} lines fits {self._log_format}: set --profile or --log-format"
