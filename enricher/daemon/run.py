"""`enricher run`: the daemon's parts, started in order, supervised together and stopped in order."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from threading import Thread

from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.cluster.endpoint_files import EndpointFiles
from enricher.cluster.endpoint_source import EndpointSource, EndpointWatch
from enricher.cluster.pod_source import FAILURE_INTERVAL
from enricher.config.settings import Settings
from enricher.daemon.checkpoint import Checkpointer
from enricher.daemon.http import serve
from enricher.daemon.overflow_log import OverflowLog
from enricher.daemon.pipeline import LogPipeline
from enricher.daemon.status.monitor import GaugeSnapshot, StatusMonitor
from enricher.daemon.stderr import StderrLog
from enricher.daemon.stdout import StdoutWriter
from enricher.endpoints.tenure import FOREVER
from enricher.enrich.engine import Enricher
from enricher.kube.client import connect
from enricher.metrics.counters import Metrics
from enricher.metrics.exposition import Collector
from enricher.state_file import lock_state_dir
from enricher.tailer.discovery import check_log_dir

logger = logging.getLogger(__name__)

GC_THRESHOLDS = (50_000, 20, 50)
"""Numbers of new objects, and of collections, after which cyclic garbage is collected; by default 700, 10 and 10.

There is little of it. But changes of a large history make many objects, and with the default they take 40 % longer: all
of the history is searched again and again.
"""
EXPIRY_INTERVAL = 60.0
"""Seconds between checks for series that are too old to keep."""
SHUTDOWN_GRACE = 3.5
"""Seconds to write what was read after a signal; stdout may be blocked."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop the daemon.

They must be blocked before the first thread starts. Then they stay pending until the daemon waits for them, even in the
first process of a container, and a second signal does no harm.
"""


class Daemon:
    """One run of the daemon, until a signal, or until the process that reads its stdout ends."""

    def __init__(self, settings: Settings, stdout: StdoutWriter, own_log: StderrLog) -> None:
        self._settings, self._stdout, self._own_log = settings, stdout, own_log

    async def run(self) -> None:
        """Start, supervise and stop the parts. Raise EnricherError, alone or in an exception group."""
        gc.set_threshold(*GC_THRESHOLDS)
        async with AsyncExitStack() as stack:
            await self._start(stack)
            try:
                await self._supervise()
            finally:
                if self._checkpointer:
                    self._checkpointer.save(self._pipeline, self._endpoints)

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        if any(selector.namespace for selector in settings.logs.select):
            check_log_dir(settings.logs.directory)
        self._checkpointer = Checkpointer(settings.state_dir) if settings.state_dir else None
        if settings.state_dir:
            stack.enter_context(lock_state_dir(settings.state_dir))
        detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
        self._metrics = Metrics(max_series=settings.server.max_series)
        self._endpoints = await stack.enter_async_context(_endpoint_source(settings, detector.default))
        self._pipeline = LogPipeline(
            settings.logs,
            enricher=Enricher(
                detector,
                self._metrics,
                node=settings.output.node,
                pod_variable=settings.output.pod_variable,
                count_only=settings.output.mode == "none",
                on_failure=self._endpoints.failed_pods.report_failure if self._endpoints.failed_pods else None,
            ),
            endpoints=self._endpoints,
            stdout=self._stdout,
            metrics=self._metrics,
            positions=self._checkpointer.load(self._endpoints) if self._checkpointer else None,
            are_saved=self._checkpointer is not None,
        )
        await self._serve(stack)

    async def _serve(self, stack: AsyncExitStack) -> None:
        snapshot = GaugeSnapshot(self._pipeline, self._endpoints, self._checkpointer, self._own_log, self._metrics)
        self._monitor = None
        if self._settings.server.status_page == "on":
            node = self._settings.output.node
            self._monitor = StatusMonitor(node, snapshot, self._pipeline, self._endpoints, self._metrics)
        port = await stack.enter_async_context(
            serve(
                self._settings.server.listen,
                Collector(self._metrics, lambda: snapshot.gauges),
                self._endpoints.problem,
                snapshot.update,
                self._monitor.status if self._monitor else None,
            )
        )
        page = ", and a page at /," if self._monitor else ""
        logger.info("serving /metrics, /livez and /readyz%s on port %d", page, port)

    async def _supervise(self) -> None:
        """Run the parts in one group; the first that fails takes the rest down."""
        stop = asyncio.Event()
        Thread(target=_wait_for_signal, args=(asyncio.get_running_loop(), stop), name="signals", daemon=True).start()
        async with asyncio.TaskGroup() as group:
            pipeline = group.create_task(self._pipeline.run())
            others = [group.create_task(self._endpoints.run()), group.create_task(self._expire_periodically())]
            if self._endpoints.failed_pods:
                others.append(group.create_task(self._report_failures()))
            if self._checkpointer:
                others.append(group.create_task(self._checkpointer.run(self._pipeline, self._endpoints)))
            if self._monitor:
                others.append(group.create_task(self._monitor.run()))
            stopped = group.create_task(stop.wait())
            await asyncio.wait((pipeline, stopped), return_when=asyncio.FIRST_COMPLETED)
            logger.info("stopping")
            self._pipeline.stop()
            await asyncio.wait((pipeline,), timeout=SHUTDOWN_GRACE)
            for task in (pipeline, stopped, *others):
                task.cancel()

    async def _report_failures(self) -> None:
        while True:
            await asyncio.sleep(FAILURE_INTERVAL)
            self._pipeline.update_counts()

    async def _expire_periodically(self) -> None:
        overflow_log = OverflowLog(self._metrics.overflow)
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL)
            self._pipeline.update_counts()
            tenures = self._endpoints.histories.pods.tenures()
            owners = (tenure.owner for tenure in tenures if tenure.until == FOREVER)
            self._metrics.expire({(owner.namespace, owner.pod) for owner in owners})
            overflow_log.update(asyncio.get_running_loop().time())


@asynccontextmanager
async def _endpoint_source(settings: Settings, default_formats: FormatTimeline) -> AsyncIterator[EndpointSource]:
    if settings.cluster.endpoints:
        yield EndpointFiles(settings.cluster.endpoints, settings.cluster.extra_endpoints)
        return
    async with connect(settings.cluster.kubeconfig, settings.cluster.context) as api:
        yield EndpointWatch(api, settings.cluster, settings.logs, default_formats)


def _wait_for_signal(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    signal.sigwait(STOP_SIGNALS)
    with suppress(RuntimeError):  # the loop is closed: the daemon ended without a signal
        loop.call_soon_threadsafe(stop.set)
