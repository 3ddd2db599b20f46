"""`enricher run`: wires the parts and supervises them."""

import asyncio
import itertools
import logging
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from threading import Thread
from typing import Any

from enricher import __version__
from enricher.accesslog.detection import FormatTimeline
from enricher.cluster.endpoint_source import EndpointFiles, EndpointWatch, Knowledge
from enricher.config.settings import Settings
from enricher.daemon.http import serving
from enricher.daemon.pipeline import LogPipeline, take_positions
from enricher.daemon.status.error_rates import ErrorRates
from enricher.daemon.status.model import Status, Watch, failing_pods, furthest_behind
from enricher.daemon.stderr import StderrLog
from enricher.daemon.stdout import StdoutWriter
from enricher.endpoints.history import FOREVER
from enricher.enrich.engine import Enricher
from enricher.kube.client import connect
from enricher.kube.watcher import WatchSummary
from enricher.line import spelled
from enricher.metrics.counters import Collector, Gauges, Metrics, PodKey
from enricher.state_file import StateFile, lock
from enricher.tailer.discovery import check_log_dir
from enricher.timestamps import SECOND, format_ns

logger = logging.getLogger("enricher")

SAVE = 2.0
"""Seconds between checkpoints: after a kill -9, what was written in this time is written again."""
HISTORY_TURNS = 30
"""The history is saved each so many times: it is larger, and what is missing of it is found by listing again."""
FORGET = 60.0
"""Seconds between looks for what is too old to keep."""
MINUTE = 60.0
"""Seconds: what failed is looked at so often for the status page."""
STOP = 3.5
"""Seconds for what was read to be written when asked to stop; stdout may be blocked."""


STOPPING = (signal.SIGTERM, signal.SIGINT)
"""To be blocked before the first thread starts: then they wait until somebody hears them, from the first moment on, in
a container's first process too, and a second one does no harm.
"""


async def run(settings: Settings, writer: StdoutWriter, own_log: StderrLog) -> None:
    """Until one of STOPPING or the end of who reads stdout. Raises EnricherError."""
    if any(selector.namespace for selector in settings.select):
        check_log_dir(settings.log_dir)
    state = State(settings.state_dir) if settings.state_dir else None
    metrics = Metrics(max_series=settings.max_series)
    async with AsyncExitStack() as stack:
        if settings.state_dir:
            stack.enter_context(lock(settings.state_dir))
        choosing = settings.choosing()
        knowledge = await stack.enter_async_context(_knowledge(settings, choosing.default))
        shipping = LogPipeline(
            settings,
            enricher=Enricher(
                choosing,
                knowledge.known,
                metrics,
                node=settings.node,
                pod_variable=settings.pod_variable,
                count_only=settings.output == "none",
            ),
            knowledge=knowledge,
            writer=writer,
            metrics=metrics,
            positions=state.load(knowledge) if state else None,
        )
        seen = _Seen(shipping, knowledge, state, own_log)
        collector = Collector(metrics, lambda: seen.gauges)
        told = _Told(settings.node, seen, shipping, knowledge, metrics) if settings.status_page == "on" else None
        port = await stack.enter_async_context(
            serving(settings.listen, collector, knowledge.problem, seen.look, told.status if told else None)
        )
        logger.info("serving /metrics, /livez and /readyz%s on port %d", ", and a page at /," if told else "", port)
        try:
            await _supervise(shipping, knowledge, metrics, state, told)
        finally:
            if state:
                state.save_positions(shipping)
                state.save_history(knowledge)


class State:
    """What outlives a restart: how far each log was read, and who held which address when."""

    def __init__(self, directory: str) -> None:
        """Raises ConfigurationError if nothing can be written there."""
        self._positions, self._history = StateFile(directory, "positions"), StateFile(directory, "history")
        self._positions.check()

    @property
    def failures(self) -> int:
        return self._positions.failures + self._history.failures

    def load(self, knowledge: Knowledge) -> dict[str, dict[str, Any]] | None:
        """The positions by source path, None where none are saved; the history goes where it belongs."""
        positions = self._positions.load(lambda saved: take_positions(saved, time.time_ns()))
        if isinstance(knowledge, EndpointWatch):
            self._history.load(knowledge.known.pods.load)
        return positions

    def save_positions(self, shipping: LogPipeline) -> None:
        self._positions.save(shipping.positions())

    def save_history(self, knowledge: Knowledge) -> None:
        if isinstance(knowledge, EndpointWatch):
            self._history.save(knowledge.known.pods.dump())

    async def keep(self, shipping: LogPipeline, knowledge: Knowledge) -> None:
        """Saves for ever, in a thread: it waits for the disk."""
        for turn in itertools.count(1):
            await asyncio.sleep(SAVE)
            await _to_its_end(self._positions.save, shipping.positions())
            if turn % HISTORY_TURNS == 0 and isinstance(knowledge, EndpointWatch):
                await _to_its_end(self._history.save, knowledge.known.pods.dump())


async def _to_its_end(save: Callable[[dict[str, Any]], object], state: dict[str, Any]) -> None:
    """Saves in a thread, and stays until that is done: the last save before the end must not be overtaken."""
    saving = asyncio.ensure_future(asyncio.to_thread(save, state))
    try:
        await asyncio.shield(saving)
    except asyncio.CancelledError:
        await saving
        raise


@asynccontextmanager
async def _knowledge(settings: Settings, usual: FormatTimeline) -> AsyncIterator[Knowledge]:
    if settings.endpoints:
        yield EndpointFiles(settings.endpoints)
        return
    async with connect(settings.kubeconfig, settings.context) as api:
        yield EndpointWatch(api, settings, usual)


async def _supervise(
    shipping: LogPipeline, knowledge: Knowledge, metrics: Metrics, state: State | None, told: "_Told | None"
) -> None:
    """Runs the parts in one group; the first to fail takes the rest down."""
    asked = asyncio.Event()
    Thread(target=_hear, args=(asyncio.get_running_loop(), asked), name="signals", daemon=True).start()
    async with asyncio.TaskGroup() as group:
        ship = group.create_task(shipping.run())
        others = [group.create_task(knowledge.keep()), group.create_task(_forget(shipping, knowledge, metrics))]
        if state:
            others.append(group.create_task(state.keep(shipping, knowledge)))
        if told:
            others.append(group.create_task(told.keep()))
        await asyncio.wait((ship, stop := group.create_task(asked.wait())), return_when=asyncio.FIRST_COMPLETED)
        logger.info("stopping")
        shipping.stop()
        await asyncio.wait((ship,), timeout=STOP)
        for task in (ship, stop, *others):
            task.cancel()


def _hear(loop: asyncio.AbstractEventLoop, asked: asyncio.Event) -> None:
    signal.sigwait(STOPPING)
    with suppress(RuntimeError):  # the loop is closed: it ended by itself
        loop.call_soon_threadsafe(asked.set)


async def _forget(shipping: LogPipeline, knowledge: Knowledge, metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(FORGET)
        for history in knowledge.known:
            history.forget(time.time_ns())
        shipping.count()
        held = (tenure.owner for tenure in knowledge.known.pods.tenures() if tenure.until == FOREVER)
        metrics.expire({(owner.namespace, owner.pod) for owner in held})


class _Seen:
    """The gauges as of the last look. Looked at in the loop: a follower must not be asked while it reads."""

    def __init__(self, shipping: LogPipeline, knowledge: Knowledge, state: State | None, own_log: StderrLog) -> None:
        self._shipping, self._knowledge, self._state, self._own_log = shipping, knowledge, state, own_log
        self.gauges = Gauges()

    def look(self) -> None:
        self._shipping.count()
        self.gauges = self._gauges()

    def _gauges(self) -> Gauges:
        lag_bytes, lag_seconds = self._shipping.lag()
        return Gauges(
            sources=self._shipping.sources,
            endpoints=self._knowledge.known.pods.held,
            lag_bytes=lag_bytes,
            lag_seconds=lag_seconds,
            watch=self._knowledge.watch(),
            problems=self._shipping.problems()
            | {
                "endpoints": self._knowledge.broken if isinstance(self._knowledge, EndpointFiles) else 0,
                "state": self._state.failures if self._state else 0,
                "own_log": self._own_log.dropped,
            },
        )


class _Told:
    """What the status page tells, asked for in the loop; and the errors of each minute, which no counter holds."""

    def __init__(self, node: str, seen: _Seen, shipping: LogPipeline, knowledge: Knowledge, metrics: Metrics) -> None:
        self._node, self._seen = node, seen
        self._shipping, self._knowledge, self._metrics = shipping, knowledge, metrics
        self._since = _moment()
        self._recent: ErrorRates[PodKey] = ErrorRates(time.monotonic())

    async def keep(self) -> None:
        """Looks at the counters at the end of each minute, for ever."""
        while True:
            await asyncio.sleep(MINUTE - time.monotonic() % MINUTE)
            self._shipping.count()
            self._sample()

    def _sample(self) -> None:
        self._recent.sample(self._metrics.errors(), time.monotonic())

    def status(self) -> Status:
        self._seen.look()
        self._sample()
        now, problem, metrics = self._seen.gauges, self._knowledge.problem(), self._metrics
        problems = Counter(metrics.problems)
        problems.update(now.problems)
        return Status(
            version=__version__,
            node=spelled(self._node),
            at=_moment(),
            since=self._since,
            problem=problem and spelled(problem),
            watch=_watch(now.watch, problem),
            endpoints=now.endpoints,
            sources=now.sources,
            lag_bytes=now.lag_bytes,
            lag_seconds=now.lag_seconds,
            followed=furthest_behind(self._shipping.followed()),
            lines=dict(metrics.lines),
            attributions=dict(metrics.grades),
            problems=dict(problems),
            failing=failing_pods(self._recent.worst_first(), metrics.pods),
        )


def _watch(watch: WatchSummary | None, problem: str | None) -> Watch:
    if watch is None:
        return Watch("none", {}, None)
    state = "in_sync" if watch.synced else "out_of_sync" if problem else "not_needed"
    return Watch(state, dict(watch.restarts), watch.last_event_age)


def _moment() -> str:
    """Now, to the second."""
    return format_ns(time.time_ns() // SECOND * SECOND)
