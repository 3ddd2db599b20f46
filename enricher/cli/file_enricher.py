"""Lines of files, enriched with endpoints that are read before the first line is enriched."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

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

    `load` returns the endpoints, always the same: it is called for each batch of lines that need them. `report` is
    called with what is wrong, and `check` judges whether the lines fit their format. With `takes_output`, lines that a
    daemon has enriched are taken as they are, and need no endpoints.
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
        """Yield JSON lines, some at a time. Raise ConfigurationError for what cannot be read."""
        name_files = has_several_files(self._logs)
        fit_of = fit_with(self._detector)
        if self._enriched:
            fit_of = or_output(fit_of)
        for batch in read_logs(self._logs, self._detector, open_input, self._report, progress, fit_of=fit_of):
            others = batch
            if self._enriched:
                texts, others = self._enriched.take(batch)
                # The white space between values may hold a carriage return, at which `splitlines` would split.
                yield from (text.replace(b"\r", b" ") + b"\n" for text in texts)
                if not others.lines:
                    continue
            self._histories = self._load()
            outputs = list[Output]()
            for output in enrich_lines(self._enricher, others, self._histories):
                outputs.append(output)
                yield output.data
            formats = self._enricher.formats(others.source)
            file = others.source.path if name_files else ""
            self._check.add(outputs, others.lines, time.monotonic(), formats, file=file)

    def finish(self) -> Iterator[bytes]:
        """Yield the JSON lines of what has waited for lines that did not come."""
        yield from (output.data for output in self._enricher.release_all(self._load))
        self._enricher.update_counts()

    def warnings(self) -> Iterator[str]:
        """Yield what is to be known about the result, once all has been read."""
        if self._enriched and self._enriched.dropped:
            yield self._enriched.warning()
        if self._enriched and self._enriched.has_any and not self._histories and self._settings.cluster.endpoints:
            yield (
                "--endpoints is not used: the lines are a daemon's output, which is attributed already; "
                "to attribute them anew, give the proxy's own log"
            )
        if self._histories:
            yield from result_warnings(self._settings, self._metrics.grades, self._histories, self._check)
