"""The state of the daemon: gauges for a scrape, and the data of the status page, gathered in the event loop."""

import asyncio
import time
from collections import Counter

from enricher import __version__
from enricher.cluster.endpoint_source import EndpointSource
from enricher.daemon.checkpoint import Checkpointer
from enricher.daemon.pipeline import LogPipeline
from enricher.daemon.status.error_rates import worst_first
from enricher.daemon.status.failures import failing_pods, service_causes, untried_requests
from enricher.daemon.status.model import Status, Watch, furthest_behind
from enricher.daemon.stderr import StderrLog
from enricher.kube.watch_status import WatchSummary
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.pods import PodKey
from enricher.text import escape_bytes
from enricher.timestamps import MINUTE, SECOND, format_rfc3339

COUNTING_INTERVAL = 60.0
"""Seconds after which the attempts that wait to be counted are, though nobody looks at the page or the metrics."""


class GaugeSnapshot:
    """The gauges as of the last `update`, which runs in the loop: a follower must not be queried while it reads."""

    def __init__(
        self,
        pipeline: LogPipeline,
        endpoints: EndpointSource,
        checkpointer: Checkpointer | None,
        own_log: StderrLog,
        metrics: Metrics,
    ) -> None:
        self._pipeline, self._endpoints = pipeline, endpoints
        self._checkpointer, self._own_log, self._metrics = checkpointer, own_log, metrics
        self.gauges = Gauges()

    def update(self) -> None:
        """Take a new snapshot, and bring the metrics up to date."""
        self._pipeline.update_counts()
        self._metrics.mark_complete()
        lag_bytes, lag_seconds = self._pipeline.lag()
        watch = self._endpoints.watch_summary()
        self.gauges = Gauges(
            sources=self._pipeline.source_count,
            endpoints=self._endpoints.histories.pods.open_tenures,
            refused_endpoints=self._endpoints.histories.pods.refusals.snapshot(),
            lag_bytes=lag_bytes,
            lag_seconds=lag_seconds,
            watch=watch,
            pod_lookups=self._endpoints.failed_pods.results() if self._endpoints.failed_pods else {},
            problems=self._pipeline.problems()
            | {
                "endpoints": self._endpoints.reload_failures,
                "object": watch.unusable_objects if watch else 0,
                "state": self._checkpointer.failures if self._checkpointer else 0,
                "own_log": self._own_log.dropped,
            },
        )


class StatusMonitor:
    """Gathers the data of the status page."""

    def __init__(
        self, node: str, snapshot: GaugeSnapshot, pipeline: LogPipeline, endpoints: EndpointSource, metrics: Metrics
    ) -> None:
        self._node, self._snapshot = node, snapshot
        self._pipeline, self._endpoints, self._metrics = pipeline, endpoints, metrics
        self._started = format_rfc3339(time.time_ns() // SECOND * SECOND)

    async def run(self) -> None:
        """Bring the counters up to date each minute until cancelled."""
        while True:
            await asyncio.sleep(COUNTING_INTERVAL)
            self._pipeline.update_counts()

    def _errors_per_minute(self, now: int) -> dict[PodKey, tuple[int, ...]]:
        """Return the errors of pods in each minute of the last hour, the running one `now`, the worst pods first."""
        metrics = self._metrics
        errors = {key: series.error_minutes for key, series in metrics.pods.items()}
        return worst_first(errors, now, lambda key: metrics.group(key[0]))

    def status(self) -> Status:
        """Return the status as of now."""
        self._snapshot.update()
        gauges, problem, metrics = self._snapshot.gauges, self._endpoints.problem(), self._metrics
        at = time.time_ns()
        now = at // MINUTE
        problems = Counter(metrics.problems)
        problems.update(gauges.problems)
        return Status(
            version=__version__,
            node=escape_bytes(self._node),
            at=format_rfc3339(at // SECOND * SECOND),
            since=self._started,
            problem=problem and escape_bytes(problem),
            watch=_watch(gauges.watch, problem),
            endpoints=gauges.endpoints,
            sources=gauges.sources,
            suggestion=escape_bytes(self._pipeline.suggestion),
            lag_bytes=gauges.lag_bytes,
            lag_seconds=gauges.lag_seconds,
            followed=furthest_behind(self._pipeline.followed_sources()),
            lines={str(kind): lines for kind, lines in metrics.lines.items()},
            attributions={str(grade): attempts for grade, attempts in metrics.grades.items()},
            problems=dict(problems),
            failing=failing_pods(self._errors_per_minute(now), metrics.pods, now),
            untried=untried_requests(metrics.requests, now, metrics.group),
            causes=service_causes(metrics.causes, metrics.group),
        )


def _watch(summary: WatchSummary | None, problem: str | None) -> Watch:
    if summary is None:
        return Watch("none", {}, None)
    state = "in_sync" if summary.synced else "out_of_sync" if problem else "not_needed"
    return Watch(state, dict(summary.restarts), summary.last_event_age)
