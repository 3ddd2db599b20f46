"""Lines of files, enriched with endpoints that are complete before the first of them is."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import orjson

from enricher.accesslog.detection import FormatDetector
from enricher.cli.common import result_warnings
from enricher.cli.log_lines import enrich_lines, fit_with, read_logs
from enricher.cli.output_lines import OutputLines, or_output
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Enricher, Output
from enricher.enrich.format_check import FormatCheck
from enricher.metrics.counters import Metrics
from enricher.tailer.log_paths import find_logs, has_several_files
from enricher.tailer.reader import open_stdin


class FileEnricher:
    """Enriches the lines of files, which are read one after the other from beginning to end; `-` is stdin.

    `load` returns the endpoints whenever lines need them, and `report` is called with what is wrong. `check` gets the
    judgement whether the lines fit their format. With `takes_output`, lines that a daemon has enriched are taken as
    they are, and need no endpoints.
    """

    def __init__(
        self,
        settings: Settings,
        files: Sequence[str],
        check: FormatCheck,
        *,
        load: Callable[[], Histories],
        report: Callable[[str], object],
        takes_output: bool = True,
    ) -> None:
        """Find the logs that the files are of. Raise ConfigurationError for a file that cannot be read."""
        self._settings, self._check, self._load, self._report = settings, check, load, report
        self._histories: Histories | None = None
        """The endpoints, if any line needed them."""
        self._metrics = Metrics(max_series=settings.server.max_series)
        self._detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
        node, pod_variable = settings.output.node, settings.output.pod_variable
        self._enricher = Enricher(self._detector, self._metrics, node=node, pod_variable=pod_variable)
        self._enriched = OutputLines() if takes_output else None
        self._logs = find_logs(files, settings.logs.is_proxy, report)

    @property
    def paths(self) -> list[str]:
        """Return the files, in the order in which they are read."""
        return [path for log in self._logs for path in log.paths]

    def read(
        self,
        open_input: Callable[[], BinaryIO] = open_stdin,
        progress: Callable[[str], Callable[[int], object] | None] = lambda _: None,
    ) -> Iterator[bytes]:
        """Yield JSON lines, some at a time."""
        name_files, fit_of = has_several_files(self._logs), fit_with(self._detector)
        if self._enriched:
            fit_of = or_output(fit_of)
        for batch in read_logs(self._logs, self._detector, open_input, self._report, progress, fit_of=fit_of):
            others = batch
            if self._enriched:
                records, others = self._enriched.take(batch)
                # Not as they are written: there may be white space between values, even a carriage return.
                yield from (orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
                if not others.lines:
                    continue
            self._histories, outputs = self._load(), list[Output]()
            for output in enrich_lines(self._enricher, others, self._histories):
                outputs.append(output)
                yield output.data
            formats, file = self._enricher.formats(others.source), others.source.path if name_files else ""
            self._check.add(outputs, others.lines, time.monotonic(), formats, file=file)

    def finish(self) -> Iterator[bytes]:
        """Yield the JSON lines of what has waited for lines that did not come."""
        yield from (output.data for output in self._enricher.release_all(self._load))
        self._enricher.update_counts()

    def warnings(self) -> Iterator[str]:
        """Yield what is to be known about the result, once all has been read."""
        if self._enriched and self._enriched.dropped:
            yield self._enriched.warning()
        if self._histories:
            yield from result_warnings(self._settings, self._metrics.grades, self._histories, self._check)
