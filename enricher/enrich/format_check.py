"""A judgement whether a log's lines fit its format, and whether it has access lines at all. Pure."""

import re
from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.limits import common_limits
from enricher.accesslog.misfits import explain_misfits
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.profiles import Formats
from enricher.accesslog.request_ids import id_with_more
from enricher.enrich.engine import Output
from enricher.enrich.try_advice import try_advice
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
SHARE_LINES = 1_000
"""Number of latest lines of which the share of misfits is judged: enough for a mixture that stays the same."""
MAX_SHARE = 0.1
"""Largest share of misfits among these that is not a problem: some lines are always broken, by clients or by cuts."""
ERROR_LINES = 100
"""Number of error lines about requests, without an access line between them, after which the access log is missed:
nginx writes a few of them for a request, and then its access line.
"""
ERROR_MINUTES = 5
"""Minutes after which a tenth of ERROR_LINES is enough."""
SAMPLE_LINES = 20
"""Largest number of lines that are kept to see what their format lacks."""
_KIND = re.compile(rb'"kind":"(access|try|parse_error)"')
"""The kind in a JSON line; a text that a client chose has its quotes escaped."""
_MISFIT = b'"kind":"parse_error"'

ADVICE = "see --profile and --log-format"
"""What is advised if no misfit is at hand."""
FITS_TEXT = "the latest lines fit the log format"
"""What is reported when a problem is over."""
NAMED_TEXT = "the latest lines name the upstream"
"""The same if they did not name it."""
_NO_UPSTREAM = "no upstream"
"""The kind of the problem that formats have no upstream."""


def is_about_a_request(line: Line) -> bool:
    """Return whether a line of nginx's error log is about a request, and not about nginx itself."""
    return b", client: " in line.text


class _Latest:
    """The numbers of fitting lines and of misfits among the latest lines, about `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._batches: deque[tuple[int, int]] = deque()
        self.misfits = self.total = 0

    def add(self, fitting: int, misfits: int) -> None:
        """Add the numbers of a batch, and drop batches that are not needed to have `size` lines."""
        self._batches.append((fitting, misfits))
        self.misfits += misfits
        self.total += fitting + misfits
        while self.total - sum(self._batches[0]) >= self.size:
            oldest = self._batches.popleft()
            self.misfits -= oldest[1]
            self.total -= sum(oldest)


class FormatCheck:
    """The state of one log, judged by its latest lines; `news` returns each change of it once."""

    def __init__(
        self,
        warning_lines: int = WARNING_LINES,
        log_format: str = "the log format",
        *,
        expects_access_lines: bool = False,
        expects_upstreams: bool = False,
    ) -> None:
        """Judge after `warning_lines` lines; `log_format` is what messages call the format.

        `expects_access_lines` says that a log with nothing but error lines is a problem: it is not one in a file of
        error lines. `expects_upstreams` says that a format without the upstream's address is one.
        """
        self._warning_lines, self._log_format = warning_lines, log_format
        self._expects_access_lines, self._expects_upstreams = expects_access_lines, expects_upstreams
        self._missing_upstream = ""
        """That the formats of the lines name no upstream; empty if they do, or if nothing is known of that."""
        self._latest, self._share = _Latest(max(LATEST_LINES, warning_lines)), _Latest(SHARE_LINES)
        self._fitting = self._misfits = self._errors = 0
        self._error_lines = 0
        """Those of the error lines that are about requests and were read since the last access line or misfit."""
        self._errors_since = 0.0
        self._misfit_lines: Sequence[bytes] = ()
        """Misfits of the batch with which the present problem began; without one, of the latest batch that had some."""
        self._formats: Formats = ()
        """The formats with which these were parsed."""
        self._file = ""
        """The file that has them; empty if there is only one."""
        self.sample: tuple[Sequence[Line], Formats] = (), ()
        """The first lines of the first batch with an access line, and the formats with which they were parsed."""
        self._advice = ""
        self._explained: tuple[Sequence[bytes], str] = ((), "")
        """Some misfits, and why they do not fit: it takes long to find out."""
        self._kind = self._last_kind = self._reported_kind = ""
        self.problem: str | None = None
        """What is wrong with the log, in one line for people; None if nothing is."""

    @property
    def nothing_fits(self) -> bool:
        """Return whether no line fits, in a log that is not an error log with some odd lines."""
        return not self._fitting and self._misfits > FITS_AGAIN * self._errors

    def add(
        self,
        outputs: Sequence[Output],
        lines: Sequence[Line] = (),
        now: float = 0.0,
        formats: Formats = (),
        *,
        file: str = "",
    ) -> None:
        """Take a batch of lines into account, by what was made of it; `now` is in seconds.

        `formats` are those with which the lines were parsed, and `file` is the one they are in, if messages are to name
        it. The lines themselves are only looked at if none of them is
        an access line or a misfit, or to explain a misfit; and the JSON lines if some are misfits and some are not.
        """
        kinds = sum((Counter(output.kinds) for output in outputs), Counter[LineKind]())
        fitting, misfits = kinds[LineKind.ACCESS] + kinds[LineKind.TRY], kinds[LineKind.PARSE_ERROR]
        self._errors += kinds[LineKind.ERROR]
        if fitting and not self._fitting:
            self.sample = lines[:SAMPLE_LINES], formats
            self._advice = try_advice(*self.sample)
        if fitting and self._expects_upstreams:
            self._look_for_upstreams(lines, formats)
        if fitting or misfits:
            self._error_lines = 0
            self._add_lines(fitting, misfits, outputs)
        elif self._expects_access_lines and kinds[LineKind.ERROR]:
            if not self._error_lines:
                self._errors_since = now
            self._error_lines += sum(map(is_about_a_request, lines))
        if misfits and not self._kind:
            self._misfit_lines, self._formats = _first_and_last_misfit(outputs, lines, formats), formats
            self._file = file
        self._judge(now)

    def _look_for_upstreams(self, lines: Sequence[Line], formats: Formats) -> None:
        """Look for a format that names the upstream, until some lines have one."""
        used = formats_of(lines[:SAMPLE_LINES], formats)
        if used:
            self._missing_upstream = missing_upstream(used) or ""
            self._expects_upstreams = bool(self._missing_upstream)

    def _add_lines(self, fitting: int, misfits: int, outputs: Sequence[Output]) -> None:
        self._fitting += fitting
        self._misfits += misfits
        self._share.add(fitting, misfits)
        output = b"".join(output.data for output in outputs) if fitting and misfits else b""
        kinds = _KIND.findall(output)[-self._latest.size :]
        for kind in kinds:
            self._latest.add(int(kind != b"parse_error"), int(kind == b"parse_error"))
        if not kinds:
            self._latest.add(fitting, misfits)

    def _judge(self, now: float) -> None:
        latest, share = self._latest, self._share
        is_slow = now - self._errors_since >= 60 * ERROR_MINUTES
        if self._error_lines >= (ERROR_LINES // 10 if is_slow else ERROR_LINES):
            text = (
                f"no access line among {self._error_lines} error lines about requests: "
                "the proxy does not write its access log here"
            )
            self._kind, self.problem = "no access lines", text
        elif not self._fitting and self._misfits >= self._warning_lines:
            self._report("never", f"no line of {self._misfits} fits {self._log_format}")
        elif self._fitting and latest.total >= latest.size and 2 * latest.misfits >= latest.total:
            text = f"{latest.misfits} of the latest {latest.total} lines do not fit {self._log_format}"
            self._report("no longer", f"{text}, as earlier lines did")
        elif latest.misfits <= FITS_AGAIN * latest.total or self._kind in {"", "some", _NO_UPSTREAM}:
            if share.misfits >= WARNING_LINES and share.misfits > MAX_SHARE * share.total and self._fitting:
                self._report("some", f"{share.misfits} of {share.total} lines do not fit {self._log_format}")
            elif self._missing_upstream:
                self._kind, self.problem = _NO_UPSTREAM, self._missing_upstream
            else:
                self._kind, self.problem = "", None

    def _report(self, kind: str, text: str) -> None:
        self._kind, self.problem = kind, f"{text}: {self._explanation()}"

    def _explanation(self) -> str:
        """Return why a misfit does not fit and what to do."""
        if not self._misfit_lines:
            return ADVICE
        if self._explained[0] is not self._misfit_lines:
            place = f", in {self._file}," if self._file else ""
            text = f"one of them{place} {explain_misfits(self._misfit_lines, self._formats)}"
            self._explained = self._misfit_lines, text
        return self._explained[1]

    def news(self, *, at_once: bool = True) -> str | None:
        """Return the problem if another one was returned before, or a word that it is over; else None.

        Unless `at_once`, it must have been the same at the last call: the first line of a log may be an unusual one.
        """
        kind, last, problem = self._kind, self._last_kind, self.problem
        self._last_kind = kind
        if kind == self._reported_kind or not (at_once or kind == last):
            return None
        is_named_now = self._reported_kind == _NO_UPSTREAM
        self._reported_kind = kind
        return problem or (NAMED_TEXT if is_named_now else FITS_TEXT)

    def advice(self) -> str:
        """Return once what the format should have, if the first lines show that; else nothing."""
        advice, self._advice = self._advice, ""
        return advice

    def share(self) -> str | None:
        """Return how many lines of the whole log do not fit, and why; None if all fit, or none does."""
        if not self._fitting or not self._misfits:
            return None
        lines = self._fitting + self._misfits
        return f"{self._misfits} of {lines} lines do not fit {self._log_format}: {self._explanation()}"


def formats_of(lines: Sequence[Line], formats: Formats) -> Formats:
    """Return the formats that some lines have; a line may have several."""
    return tuple(log_format for line in lines for log_format in formats if log_format.parse(line.text))


def missing_upstream(used: Formats) -> str | None:
    """Return that none of the formats that lines have names the upstream, and what follows from it; else None."""
    if not used or any(name in each.names for each in used for name in each.dialect.facts.addr.variables):
        return None
    return common_limits(used)[0]


def _first_and_last_misfit(outputs: Sequence[Output], lines: Sequence[Line], formats: Formats) -> tuple[bytes, ...]:
    """Return the texts of a batch's first and last misfit; nothing if they are not at hand."""
    numbers, begin = list[int](), 0
    in_order = not any(output.waiting or output.kinds.get(LineKind.TRY) for output in outputs)
    for output in outputs if in_order else ():
        places = [output.data.find(_MISFIT), output.data.rfind(_MISFIT)]
        numbers += [begin + output.data.count(b"\n", 0, place) for place in places if place >= 0]
        begin = output.lines
    if not in_order or (not numbers and not any(output.data for output in outputs)):  # or no JSON is made
        return tuple(islice((line.text for line in lines if _is_misfit(line, formats)), 1))
    ends = {numbers[0]: None, numbers[-1]: None} if numbers else {}
    return tuple(lines[number].text for number in ends if number < len(lines))


def _is_misfit(line: Line, formats: Formats) -> bool:
    """Return whether a line is probably a misfit, without knowing what was made of it."""
    if line.stream == "stderr" or parse_error_line(line.text) or is_other_line(line.text, formats):
        return False
    records = ((log_format, log_format.parse(line.text)) for log_format in formats)
    return not any(record and not id_with_more(log_format, record)[1] for log_format, record in records)
