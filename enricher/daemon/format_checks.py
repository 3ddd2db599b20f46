"""Whether the lines of each source fit its format, as the daemon's log says it."""

import logging
import time
from collections.abc import Sequence

from enricher.config.settings import LogSettings
from enricher.enrich.engine import Enricher, Output
from enricher.enrich.format_check import FormatCheck
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.vocabulary import RequestMissing

logger = logging.getLogger(__name__)


class FormatChecks:
    """The FormatCheck of each source. What is wrong is logged once."""

    def __init__(self, settings: LogSettings, enricher: Enricher, metrics: Metrics) -> None:
        self._settings, self._enricher, self._metrics = settings, enricher, metrics
        self._checks: dict[Source, FormatCheck] = {}
        self._has_no_room = False

    def add(self, source: Source, outputs: Sequence[Output], lines: Sequence[Line]) -> None:
        """Log what is wrong with the latest lines of a source."""
        if not (check := self._checks.get(source)):
            check = self._checks[source] = FormatCheck(
                log_format=self._settings.expected_format,
                expects_access_lines=bool(source.container),  # a plain file may be an error log
                expects_upstreams=not self._settings.formats,  # what a given format lacks is logged at the start
            )
        check.add(outputs, lines, time.monotonic(), self._enricher.formats(source))
        for news in filter(None, (check.news(), check.advice())):
            logger.warning("%s: %s", source.path, news)
        if self._metrics.lone_tries[RequestMissing.NO_ROOM] and not self._has_no_room:
            self._has_no_room = True
            logger.warning(
                "%s: too many tries wait for the lines of their requests: those that have waited longest go out alone",
                source.path,
            )

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        self._checks.pop(source, None)
