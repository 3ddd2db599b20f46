"""Output records of files: made of the lines of logs, or as a daemon wrote them."""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain

import orjson

from enricher.cli.common import read_histories, report_news
from enricher.cli.file_enricher import FileEnricher
from enricher.cli.progress import show_progress
from enricher.cli.roll_ups import workload_of_attempt
from enricher.config.settings import ClusterSettings, Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.format_check import FormatCheck
from enricher.report.findings.failures import PodFacts
from enricher.report.record_view import OutputRecord
from enricher.report.terminal import warn


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
        if self._settings.cluster.endpoints:
            self.histories  # noqa: B018  # a file that cannot be read is reported at once
        check = FormatCheck(1, self._settings.logs.expected_format)
        enricher = FileEnricher(self._settings, files, check, load=lambda: self.histories, report=self._report)
        with show_progress(enricher.paths) as progress, report_news(check, self._report):
            for lines in chain(enricher.read(progress=progress), enricher.finish()):
                for line in lines.splitlines():
                    consume(orjson.loads(line))
        for warning in enricher.warnings():
            self._report(warning)
        return check.nothing_fits
