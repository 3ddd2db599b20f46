"""The lines of log files as people have them, with their sources, and what is made of them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.own_lines import is_other_line
from enricher.config.options import STDIN
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Enricher, Output
from enricher.line import Source
from enricher.report.wording import amount
from enricher.tailer.log_paths import LogPaths
from enricher.tailer.reader import LogReader
from enricher.tailer.unwrapping import MAX_SOURCES, Fit, FitOf, SourcedLines, Unwrapper
from enricher.vocabulary import LineKind


def read_logs(
    logs: Sequence[LogPaths],
    detector: FormatDetector,
    open_stdin: Callable[[], BinaryIO],
    report: Callable[[str], object],
    progress: Callable[[str], Callable[[int], object] | None] = lambda _: None,
    *,
    fit_of: FitOf | None = None,
) -> Iterator[SourcedLines]:
    """Yield the lines of the logs without what tools put around them. Raise ConfigurationError.

    `report` is called with what is wrong with a file, and `progress` returns a callback for the bytes read of it.
    `fit_of` classifies a line's text, by the detector's formats unless it is given.
    """
    fit_of = fit_of or fit_with(detector)
    for log in logs:
        reader, source = LogReader(), Source("")
        for path in log.paths:
            source = log.source_of(path)
            unwrapper = Unwrapper(source, fit_of)
            for lines in reader.read(open_stdin() if path == STDIN else path, progress(path)):
                yield unwrapper.unwrap(lines)
            yield unwrapper.flush()
            if lines_left := unwrapper.unnamed_lines:
                report(
                    f"{path}: more than {MAX_SOURCES} containers: the source of {amount(lines_left, 'line')} names none"
                )
        yield SourcedLines(reader.flush(), source)


def fit_with(detector: FormatDetector) -> FitOf:
    """Return a function that classifies a line's text by the formats that its log may have."""

    def fit_of(text: bytes) -> Fit:
        if detector.fits(text) or parse_error_line(text):
            return Fit.REQUEST
        return Fit.OTHER if is_other_line(text, detector.possible_formats()) else Fit.NOTHING

    return fit_of


def enrich_lines(enricher: Enricher, batch: SourcedLines, histories: Histories) -> Iterator[Output]:
    """Yield what is made of the lines, in their order; those of each source are enriched together."""
    if not batch.sources:
        steps = enricher.enrich(batch.source, batch.lines, histories)
        yield from (step for step in steps if isinstance(step, Output))
        return
    numbers = defaultdict[Source, list[int]](list)
    for number, source in enumerate(batch.sources):
        numbers[source].append(number)
    rows, kinds = [b""] * len(batch.lines), Counter[LineKind]()
    for source, places in numbers.items():
        lines = [batch.lines[place] for place in places]
        outputs = [step for step in enricher.enrich(source, lines, histories) if isinstance(step, Output)]
        made = b"".join(output.data for output in outputs).splitlines(keepends=True)
        if len(made) != len(places):  # some lines wait, or have waited
            made = [*[b""] * (len(places) - 1), b"".join(made)]
        for place, row in zip(places, made, strict=True):
            rows[place] = row
        for output in outputs:
            kinds.update(output.kinds)
    yield Output(b"".join(rows), len(rows), kinds)
