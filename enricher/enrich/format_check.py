"""Whether the log format looks like the wrong one. Pure."""

from collections.abc import Mapping

from enricher.labels import LineKind

WARNING_LINES = 20
"""Number of lines that do not fit the log format, with none that does, after which it looks wrong."""


class FormatCheck:
    """Reports once that lines do not fit the log format; after the first line that fits it reports nothing."""

    def __init__(self, warning_lines: int = WARNING_LINES) -> None:
        self._warning_lines, self._decided = warning_lines, False

    def warning(self, counts: Mapping[str, int]) -> str | None:
        """Return a warning, or None, given the number of lines of each kind so far."""
        misfits, fitting = counts.get(LineKind.PARSE_ERROR, 0), counts.get(LineKind.ACCESS, 0)
        if self._decided or not (fitting or misfits >= self._warning_lines):
            return None
        self._decided = True
        if fitting:
            return None
        return f"none of {sum(counts.values())} lines fits the log format: set --profile or --log-format"
