"""Lines that are streamed from a cluster's controllers, enriched as the daemon on the node of each log would."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from enricher.accesslog.detection import FormatDetector
from enricher.cli.hindsight import OnFailure
from enricher.cluster.endpoint_source import EndpointWatch
from enricher.cluster.pod_source import FAILURE_INTERVAL
from enricher.cluster.pods import PodLog
from enricher.config.settings import Settings
from enricher.enrich.engine import Enricher, Hold, Output
from enricher.enrich.format_check import FormatCheck
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND

QUIET = 5.0
"""Seconds without a new line after which a log counts as read to its present end."""


class StreamEnricher:
    """Enriches streamed lines, and passes what is made of them to `consume`.

    `checks` get the judgement whether the lines of each log fit their format. With `count_only` no JSON is made.
    `wait_for_room` returns when `consume` may be called with more lines.
    """

    def __init__(
        self,
        settings: Settings,
        detector: FormatDetector,
        endpoints: EndpointWatch,
        consume: Callable[[bytes], None],
        *,
        checks: dict[Source, FormatCheck],
        on_failure: OnFailure | None,
        count_only: bool = False,
        wait_for_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._settings, self._detector, self._endpoints, self._consume = settings, detector, endpoints, consume
        self._on_failure, self._count_only, self._wait_for_room = on_failure, count_only, wait_for_room
        self._metrics, self._checks = Metrics(max_series=settings.server.max_series), checks
        self._enrichers: dict[str, Enricher] = {}
        self._delivered: dict[PodLog, float] = {}
        """When the latest lines of each log came, in seconds."""

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None:
        """Enrich lines; one that waits for the watch holds up the rest of its log for a moment."""
        if self._wait_for_room:
            await self._wait_for_room()
        enricher = self._enricher_of(log)
        self._delivered[log] = time.monotonic()
        outputs = list[Output]()
        for step in enricher.enrich(log.source, lines, self._endpoints.histories, time.time_ns):
            match step:
                case Output(data):
                    outputs.append(step)
                    self._consume(data)
                case Hold(until):
                    await self._endpoints.changed.wait((until - time.time_ns()) / SECOND)
        if not (check := self._checks.get(log.source)):
            logs = self._settings.logs
            check = FormatCheck(1, logs.expected_format, expects_access_lines=True, expects_upstreams=not logs.formats)
            self._checks[log.source] = check
        check.add(outputs, lines, time.monotonic(), enricher.formats(log.source))

    def enrich_at_once(self, log: PodLog, lines: Sequence[Line]) -> None:
        """Enrich lines by the histories as they are; none of them waits, and none is judged."""
        for step in self._enricher_of(log).enrich(log.source, lines, self._endpoints.histories):
            if isinstance(step, Output):
                self._consume(step.data)

    def release_late(self) -> None:
        """Pass on the lines of tries that have waited for the line of their request for too long.

        While lines of a log still come, they may be old ones, and the line of the request may be among the next.
        """
        for log, delivered in list(self._delivered.items()):
            if time.monotonic() - delivered >= QUIET:
                output = self._enricher_of(log).release(log.source, self._endpoints.histories, time.time_ns())
                self._consume(output.data)

    def release_all(self) -> None:
        """Pass on all lines of tries that wait: the logs have been read."""
        for enricher in self._enrichers.values():
            for output in enricher.release_all(lambda: self._endpoints.histories):
                self._consume(output.data)

    def _enricher_of(self, log: PodLog) -> Enricher:
        if log.node not in self._enrichers:
            self._enrichers[log.node] = Enricher(
                self._detector,
                self._metrics,
                node=log.node,
                pod_variable=self._settings.output.pod_variable,
                count_only=self._count_only,
                on_failure=self._on_failure,
            )
        return self._enrichers[log.node]

    def update_counts(self) -> None:
        """Count what has been enriched, so that the pods that failed are reported."""
        for enricher in list(self._enrichers.values()):
            enricher.update_counts(time.time_ns())

    async def report_failures(self) -> None:
        """Report the pods that failed every FAILURE_INTERVAL until cancelled."""
        while True:
            await asyncio.sleep(FAILURE_INTERVAL)
            self.update_counts()

    def forget(self, log: PodLog) -> None:
        """Forget a log that has ended."""
        self._checks.pop(log.source, None)
        self._delivered.pop(log, None)
        if enricher := self._enrichers.get(log.node):
            self._consume(enricher.release(log.source, self._endpoints.histories).data)
            enricher.forget(log.source)
