"""The result of one check of `enricher check`."""

from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "failed", "skipped"]
MAX_LINE_LENGTH = 120
"""Characters of a log line or a log format that are printed."""


class CheckResult(NamedTuple):
    """The result of one check; `details` are printed on a line of their own.

    What was `skipped` is no failure: it could not be looked at from here.
    """

    verdict: Verdict
    subject: str
    text: str
    details: str = ""
