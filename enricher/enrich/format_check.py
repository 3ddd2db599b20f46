"""A judgement whether a log's lines fit its format, and whether it has access lines at all. Pure."""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from enricher.enrich.engine import Output
from enricher.line import Line
from enricher.vocabulary import LineKind

WARNING_LINES = 20
"""Number of lines that do not fit the log format, while none fits it, after which a daemon calls it the wrong one."""
LATEST_LINES = 10
"""Smallest number of latest lines by which a format that earlier lines fitted is judged; a single burst of broken lines
is not a change of the format.
"""
FITS_AGAIN = 0.1
"""Largest share of misfits among the latest lines that ends a problem. Far below a half, so that a log in which two
formats are mixed does not change sides with every few lines.
"""
ERROR_LINES = 100
"""Number of error lines about requests, without an access line between them, after which the access log is missed:
nginx writes a few of them for a request, and then its access line.
"""
ERROR_MINUTES = 5
"""Minutes after which a tenth of ERROR_LINES is enough."""
_KIND = re.compile(rb'"kind":"(access|parse_error)"')
"""The kind in a JSON line; a text that a client chose has its quotes escaped."""

FITS_TEXT = "the latest lines fit the log format"
"""What is reported when a problem is over."""


def is_about_a_request(line: Line) -> bool:
    """Return whether a line of nginx's error log is about a request, and not about nginx itself."""
    return b", client: " in line.text


class FormatCheck:
    """The state of one log, judged by its latest lines; `news` returns each change of it once."""

    def __init__(
        self,
        warning_lines: int = WARNING_LINES,
        log_format: str = "the log format",
        *,
        expects_access_lines: bool = False,
    ) -> None:
        """Judge after `warning_lines` lines; `log_format` is what messages call the format.

        `expects_access_lines` says that a log with nothing but error lines is a problem: it is not one in a file of
        error lines.
        """
        self._warning_lines, self._log_format = warning_lines, log_format
        self._expects_access_lines = expects_access_lines
        self._window = max(LATEST_LINES, warning_lines)
        self._latest: deque[tuple[int, int]] = deque()
        """The numbers of fitting lines and of misfits in the latest batches."""
        self._has_fitted = False
        self._misfits = self._error_lines = 0
        self._errors_since = 0.0
        self._kind = self._last_kind = self._reported_kind = ""
        self.problem: str | None = None
        """What is wrong with the log, in one line for people; None if nothing is."""

    def add(self, outputs: Sequence[Output], lines: Iterable[Line] = (), now: float = 0.0) -> None:
        """Take a batch of lines into account, by what was made of it; `now` is in seconds.

        The lines themselves are only looked at if none of them is an access line or a misfit, and the JSON lines if
        some are misfits and some are not.
        """
        kinds = sum((Counter(output.kinds) for output in outputs), Counter[LineKind]())
        fitting, misfits = kinds[LineKind.ACCESS], kinds[LineKind.PARSE_ERROR]
        if fitting or misfits:
            self._error_lines = 0
            self._add_lines(fitting, misfits, [output.data for output in outputs] if fitting and misfits else ())
        elif self._expects_access_lines and kinds[LineKind.ERROR]:
            if not self._error_lines:
                self._errors_since = now
            self._error_lines += sum(map(is_about_a_request, lines))
        self._judge(now)

    def _add_lines(self, fitting: int, misfits: int, output: Iterable[bytes]) -> None:
        self._has_fitted |= fitting > 0
        self._misfits += misfits
        latest = [(int(kind == b"access"), int(kind != b"access")) for kind in _KIND.findall(b"".join(output))]
        self._latest.extend(latest[-self._window :] or [(fitting, misfits)])
        total = sum(map(sum, self._latest))
        while total - sum(self._latest[0]) >= self._window:
            total -= sum(self._latest.popleft())

    def _judge(self, now: float) -> None:
        misfits = sum(number for _, number in self._latest)
        total = sum(map(sum, self._latest))
        advice = "see --profile and --log-format"
        is_slow = now - self._errors_since >= 60 * ERROR_MINUTES
        if self._error_lines >= (ERROR_LINES // 10 if is_slow else ERROR_LINES):
            text = (
                f"no access line among {self._error_lines} error lines about requests: "
                "the proxy does not write its access log here"
            )
            self._kind, self.problem = "no access lines", text
        elif not self._has_fitted and self._misfits >= self._warning_lines:
            text = f"no line of {self._misfits} fits {self._log_format}: {advice}"
            self._kind, self.problem = "never", text
        elif self._has_fitted and total >= self._window and 2 * misfits >= total:
            text = f"{misfits} of the latest {total} lines do not fit {self._log_format}, as earlier lines did"
            self._kind, self.problem = "no longer", f"{text}: {advice}"
        elif misfits <= FITS_AGAIN * total:
            self._kind, self.problem = "", None

    def news(self, *, at_once: bool = True) -> str | None:
        """Return the problem if another one was returned before, or a word that it is over; else None.

        Unless `at_once`, it must have been the same at the last call: the first line of a log may be an unusual one.
        """
        kind, last, problem = self._kind, self._last_kind, self.problem
        self._last_kind = kind
        if kind == self._reported_kind or not (at_once or kind == last):
            return None
        self._reported_kind = kind
        return problem or FITS_TEXT
