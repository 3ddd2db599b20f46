"""Output records of files: made of the lines of logs, or as a daemon wrote them."""

from collections.abc import Callable, Sequence
from functools import cached_property

import orjson

from enricher.accesslog.detection import FormatDetector
from enricher.cli.common import read_histories, report_news, result_warnings
from enricher.cli.log_lines import enrich_lines, fit_with, read_logs
from enricher.cli.output_lines import OutputLines, or_output
from enricher.cli.progress import show_progress
from enricher.cli.roll_ups import workload_of_attempt
from enricher.config.settings import ClusterSettings, Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Enricher, Output
from enricher.enrich.format_check import FormatCheck
from enricher.metrics.counters import Metrics
from enricher.report.findings.failures import PodFacts
from enricher.report.record_view import OutputRecord
from enricher.report.terminal import warn
from enricher.tailer.log_paths import find_logs, has_several_files
from enricher.tailer.reader import open_stdin


class RecordReader:
    """Reads files into output records. Lines that a daemon has enriched are taken as they are.

    `load` returns the endpoints when the first line needs them, and `report` is called with what is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        load: Callable[[ClusterSettings], Histories] = read_histories,
        report: Callable[[str], object] = warn,
    ) -> None:
        self._settings, self._load, self._report = settings, load, report
        self._has_histories = False
        self._enriched = OutputLines()

    @cached_property
    def histories(self) -> Histories:
        """Return the endpoints: only lines that a daemon has not enriched need them. Raise ConfigurationError."""
        histories = self._load(self._settings.cluster)
        self._has_histories = True
        return histories

    @property
    def histories_read(self) -> Histories | None:
        """Return the endpoints, if any line needed them."""
        return self.histories if self._has_histories else None

    @cached_property
    def _zones(self) -> dict[str, str]:
        """Return the zones of pods, by uid."""
        owners = (tenure.owner for tenure in self.histories.pods.tenures())
        return {owner.uid: owner.zone for owner in owners if owner.uid and owner.zone}

    def facts_of(self, attempt: OutputRecord) -> PodFacts:
        """Return the workload and the zone of an attempt's pod."""
        zone = self._zones.get(attempt.get("uid") or "", "") if self._has_histories else ""
        return PodFacts(*workload_of_attempt(attempt), zone)

    def read(self, files: Sequence[str], consume: Callable[[OutputRecord], None]) -> bool:
        """Pass the records of the files on; return whether no line fits the log format. Raise ConfigurationError."""
        settings, logs = self._settings, self._settings.logs
        if settings.cluster.endpoints:
            self.histories  # noqa: B018  # a file that cannot be read is reported at once
        metrics, detector = (
            Metrics(max_series=settings.server.max_series),
            FormatDetector(logs.formats, logs.given_profile),
        )
        enricher = Enricher(detector, metrics, node=settings.output.node, pod_variable=settings.output.pod_variable)
        check = FormatCheck(1, logs.expected_format)
        paths = find_logs(files, logs.is_proxy, self._report)
        name_files = has_several_files(paths)
        with show_progress([path for log in paths for path in log.paths]) as progress, report_news(check, self._report):
            for batch in read_logs(
                paths, detector, open_stdin, self._report, progress, fit_of=or_output(fit_with(detector))
            ):
                records, others = self._enriched.take(batch)
                for record in records:
                    consume(record)
                if not others.lines:
                    continue
                outputs = list[Output]()
                for output in enrich_lines(enricher, others, self.histories):
                    outputs.append(output)
                    _consume_all(output, consume)
                file = others.source.path if name_files else ""
                check.add(outputs, others.lines, formats=enricher.formats(others.source), file=file)
            for output in enricher.release_all(lambda: self.histories):
                _consume_all(output, consume)
        enricher.update_counts()
        self._warn_of_results(metrics, check)
        return check.nothing_fits

    def _warn_of_results(self, metrics: Metrics, check: FormatCheck) -> None:
        if self._enriched.dropped:
            self._report(self._enriched.warning())
        if self._has_histories:
            for warning in result_warnings(self._settings, metrics.grades, self.histories, check):
                self._report(warning)


def _consume_all(output: Output, consume: Callable[[OutputRecord], None]) -> None:
    for record in output.data.splitlines():
        consume(orjson.loads(record))
