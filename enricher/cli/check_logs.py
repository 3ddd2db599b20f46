"""Checks of logs: whether they are there, and how many of their last lines fit the format the daemon would use."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.limits import limits_of
from enricher.accesslog.misfits import explain_misfit
from enricher.accesslog.missing_details import missing_details
from enricher.accesslog.profiles import PROFILES, Format, Formats, profile_formats
from enricher.accesslog.record import Record
from enricher.cli.check_result import MAX_LINE_LENGTH, CheckResult
from enricher.config.lookalikes import LOOKALIKE_SELECTORS, describe_lookalikes
from enricher.config.settings import DEFAULT_LOG_DIR, USUAL_SELECTORS, Settings, default_selectors, describe_selection
from enricher.enrich.format_check import is_about_a_request
from enricher.enrich.parsed_line import parse_line
from enricher.enrich.try_advice import advice_on
from enricher.errors import ConfigurationError
from enricher.line import Line, Source
from enricher.report.wording import amount
from enricher.tailer.discovery import check_log_dir, discover
from enricher.tailer.file_names import LogName, list_files
from enricher.tailer.framing import Framer
from enricher.tailer.plain_or_gzip import LogFile
from enricher.tailer.selector import Selector
from enricher.text import truncate
from enricher.vocabulary import LineKind

MAX_LINES = 200
"""Lines of a log that are checked."""
MAX_BYTES = 256 * 1024
"""Bytes at the end of a log that are read to find these lines."""


@dataclass(slots=True)
class LogSample:
    """The numbers of a log's last lines that are access lines, that fit no format, and that are of other kinds."""

    access: int = 0
    misfits: int = 0
    others: int = 0
    errors: int = 0
    """Those of the other lines that are error lines about a request."""
    attempts: int = 0
    """Attempts in the access lines."""
    advice: str = ""
    """What the format needs so that lines of attempts can be told from requests, and joined with them."""
    last_misfit: bytes = b""
    formats: Formats = ()
    """The formats with which the lines were parsed."""
    variables: dict[Format, set[str]] = field(default_factory=dict)
    """The variables that access lines had, by format."""
    valued: dict[Format, set[str]] = field(default_factory=dict)
    """Those that had values in lines with an answer; a line without one has nothing to say of some."""

    @property
    def profile(self) -> str:
        """Return the profile of the formats; empty for a format that the user gave."""
        return profile_name(self.formats)

    def add_variables(self, log_format: Format, record: Record) -> None:
        """Note which variables a line of a format had."""
        self.variables.setdefault(log_format, set()).update(record.fields)
        if any(attempt.answered for attempt in record.attempts):
            names = (name for name, value in record.fields.items() if value is not None)
            self.valued.setdefault(log_format, set()).update(names)

    def limits(self) -> tuple[str, ...]:
        """Return the facts that the lines lack, whichever of the formats they have."""
        all_limits = [limits_of(log_format, names) for log_format, names in (self.variables | self.valued).items()]
        return tuple(limit for limit in dict.fromkeys(chain(*all_limits)) if all(limit in some for some in all_limits))


def check_logs(settings: Settings, detector: FormatDetector) -> Iterator[CheckResult]:
    """Yield what is found of the logs that would be followed, and of their lines."""
    if any(selector.namespace for selector in settings.logs.select):
        try:
            check_log_dir(settings.logs.directory)
        except ConfigurationError as error:
            yield _missing_directory(settings, str(error))
            return
    sources = discover(settings.logs.directory, settings.logs.select, settings.logs.own_pod)
    yield from _check_selection(settings, len(sources))
    limits = dict[str, str]()
    """What lines lack, and the first log with such lines."""
    for source in sources:
        yield _check_log(settings, detector, source, limits)
    for limit, subject in limits.items():
        yield CheckResult("warning", subject, limit)


def _missing_directory(settings: Settings, error: str) -> CheckResult:
    if not _is_elsewhere(settings):
        return CheckResult("failed", "log directory", error)
    text = (
        f"there is no {DEFAULT_LOG_DIR} on this machine: to check a node's logs, run this in its daemon: "
        "kubectl -n enricher exec daemonset/enricher -- enricher check"
    )
    return CheckResult("skipped", "log directory", text)


def _is_elsewhere(settings: Settings) -> bool:
    """Return whether this is the machine of somebody who looks at a cluster, and no node of it."""
    is_pod = settings.logs.own_pod or "KUBERNETES_SERVICE_HOST" in os.environ
    is_default = settings.logs.directory == DEFAULT_LOG_DIR
    return is_default and not os.path.lexists(DEFAULT_LOG_DIR) and not is_pod and not settings.cluster.endpoints


def _check_selection(settings: Settings, followed: int) -> Iterator[CheckResult]:
    """Yield how many logs are followed, which selectors match nothing, and what may have been meant."""
    logs = settings.logs
    if followed:
        yield CheckResult("ok", "logs", f"to be followed: {followed}")
    for selectors in _alternatives(logs.select):
        if not discover(logs.directory, selectors, logs.own_pod):
            place = f" in {logs.directory}" if any(selector.namespace for selector in selectors) else ""
            yield CheckResult("warning", "logs", f"nothing matches {describe_selection(selectors)}{place} yet")
    if not followed:
        lookalikes = discover(logs.directory, LOOKALIKE_SELECTORS, logs.own_pod)
        if suggestion := describe_lookalikes(lookalikes):
            yield CheckResult("warning", "logs", suggestion)


def _alternatives(selectors: Sequence[Selector]) -> list[Sequence[Selector]]:
    """Return the selectors in groups, of each of which one must match.

    Those of a profile are names that charts give to one proxy; each that was given is meant to match.
    """
    is_default = selectors in (USUAL_SELECTORS, *map(default_selectors, PROFILES))
    return [selectors] if is_default else [[selector] for selector in selectors]


def _check_log(settings: Settings, detector: FormatDetector, source: Source, limits: dict[str, str]) -> CheckResult:
    subject = f"{source.namespace}/{source.pod}/{source.container}" if source.container else source.path
    try:
        lines = read_last_lines(source.path, settings.logs.roots)
    except OSError as error:
        text = f"{error.filename or source.path}: {error.strerror or error}"
        return CheckResult("failed", subject, text)
    if not lines:
        return CheckResult("warning", subject, "no lines yet")
    sample = read_sample(detector, source, lines)
    if sample.advice:
        limits.setdefault(sample.advice, subject)
    is_reported = settings.logs.formats or (settings.logs.controller_configmap and not source.profile)
    if sample.attempts and not is_reported:
        for limit in sample.limits():
            limits.setdefault(limit, subject)
    return _judge_sample(subject, sample, _format_text(settings, source, sample))


def _format_text(settings: Settings, source: Source, sample: LogSample) -> str:
    """Return the name of the format that the lines were parsed with, and its origin."""
    if profile := source.profile or settings.logs.profile:
        return f"the profile {profile}"
    if settings.logs.controller_configmap:
        return "the controller's format"
    if not sample.profile:
        return "the given format"
    origin = "detected from its lines" if sample.access else "guessed by its name" if source.guess else "the default"
    return f"the profile {sample.profile}, {origin}"


def _judge_sample(subject: str, sample: LogSample, format_text: str) -> CheckResult:
    lines = sample.access + sample.misfits
    if not lines:
        text = f"no access line among the last {amount(sample.others, 'line')}"
        if sample.errors:
            errors = amount(sample.errors, "error line")
            text += f", but {errors} about requests: the proxy does not write its access log here"
        return CheckResult("warning", subject, text)
    others = f"; lines of other kinds: {sample.others}" if sample.others else ""
    fitting = f"{sample.access} of the last {lines} access lines fit" if sample.access else f"no line of {lines} fits"
    text = f"{fitting} {format_text}{others}"
    if sample.misfits:
        misfit = "one of the others" if sample.access else "the last"
        text += f"; {misfit} {explain_misfit(sample.last_misfit, sample.formats)}"
        example = truncate(sample.last_misfit.decode("utf-8", "backslashreplace"), MAX_LINE_LENGTH)
        return CheckResult("warning" if sample.access else "failed", subject, text, f"does not fit: {example}")
    if not sample.attempts:
        return CheckResult("warning", subject, f"{text}, but none names an upstream: nothing can be attributed")
    details = missing_details(tuple(sample.variables))
    return CheckResult("ok", subject, text, f"lines also lack {', '.join(details)}" if details else "")


# --- the last lines of a log ------------------------------------------------------------------------------------------


def read_last_lines(path: str, roots: Sequence[str]) -> Sequence[Line]:
    """Return the last whole lines of a log, at most MAX_LINES, ignoring gzipped files. Raise OSError."""
    ends, size = list[_FileEnd](), 0
    names = list_files(path)
    for name in reversed(names):
        if name.is_gzipped or name.restart_count != names[-1].restart_count or size >= MAX_BYTES:
            break
        ends.insert(0, _read_end(name, roots, MAX_BYTES - size))
        size += len(ends[0].data)
    lines, framer = list[Line](), Framer()
    for end in ends:
        lines += framer.end_file()
        framer.detect(end.head)
        lines += framer.feed(end.data)
    # The first line of each of the two streams may be the rest of a line that the runtime had cut.
    return lines[2:][-MAX_LINES:] if ends and ends[0].has_earlier_lines else lines[-MAX_LINES:]


def read_sample(detector: FormatDetector, source: Source, lines: Sequence[Line]) -> LogSample:
    """Parse the lines as the daemon would if it started with the first of them."""
    texts = (line.text for line in lines if line.stream != "stderr")
    timeline = detector.timeline_for(source, source.profile, texts, source.guess)
    sample = LogSample(formats=timeline.formats_at(None))
    for line in lines:
        parsed = parse_line(timeline, line)
        if parsed.record:
            sample.access += 1
            if parsed.format:
                sample.add_variables(parsed.format, parsed.record)
                sample.advice = sample.advice or advice_on(parsed.format, parsed.record)
            sample.attempts += len(parsed.record.attempts)
        elif parsed.kind == LineKind.PARSE_ERROR:
            sample.misfits += 1
            sample.last_misfit = line.text
        else:
            sample.others += 1
            sample.errors += parsed.kind == LineKind.ERROR and is_about_a_request(line)
    return sample


def profile_name(log_formats: Formats | None) -> str:
    """Return the profile that these formats belong to; empty for other formats."""
    return next((profile for profile in PROFILES if log_formats == profile_formats(profile)), "")


class _FileEnd(NamedTuple):
    """The first and the last bytes of a file."""

    head: bytes
    data: bytes
    has_earlier_lines: bool


def _read_end(name: LogName, roots: Sequence[str], max_bytes: int) -> _FileEnd:
    """Read the end of a file, from the beginning of a line on."""
    file = LogFile(name.path, gzipped=False, roots=roots)
    try:
        start = max(0, file.stat().st_size - max_bytes)
        data = file.read(start, max_bytes)
        return _FileEnd(file.head, data.partition(b"\n")[2] if start else data, start > 0)
    finally:
        file.close()
