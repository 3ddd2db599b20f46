"""Output records as they come, for `enricher top` and `tail`: from a cluster, by the user's kubeconfig, or files."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Thread
from typing import BinaryIO, Protocol

from enricher.accesslog.detection import FormatDetector
from enricher.cluster.endpoint_source import FIRST_LIST, EndpointWatch
from enricher.cluster.pod_logs import PodLog, PodLogStreamer
from enricher.config.settings import STDIN, Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Batch, Enricher
from enricher.errors import ConfigurationError
from enricher.kube.client import connect
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.tailer.reader import read_file, stdin
from enricher.timestamps import SECOND

MISFITS = 20
"""So many lines of a stream that do not fit the log format, and none that does, and it is the wrong one."""
FORGET = 60.0
"""Seconds between looks for addresses that are too old to keep."""

logger = logging.getLogger("enricher")

Take = Callable[[bytes], None]
"""Gets JSON lines, one or more at a time."""


class Feed(Protocol):
    """Where records come from."""

    async def run(self, take: Take) -> None:
        """Until there are no more. Raises EnricherError, or a group with one."""

    def status(self) -> str:
        """How it goes, in a few words."""


class ClusterFeed:
    """The logs of a cluster's controllers, from `since` seconds ago on."""

    def __init__(self, settings: Settings, since: float) -> None:
        self._settings, self._since = settings, since
        self._streaming: PodLogStreamer | None = None
        self._knowledge: EndpointWatch | None = None

    async def run(self, take: Take) -> None:
        """For ever. Raises ConfigurationError, alone or in a group, if the cluster can't be asked at the start."""
        choosing = self._settings.choosing()
        async with connect(self._settings.kubeconfig, self._settings.context) as api, asyncio.TaskGroup() as group:
            knowledge = self._knowledge = EndpointWatch(api, self._settings, choosing.default)
            group.create_task(knowledge.keep())
            await knowledge.start()
            if not knowledge.listed:
                raise ConfigurationError(knowledge.problem() or "the API server gave no list of endpoints")
            enriching = _Enriching(self._settings, choosing, knowledge, take)
            streaming = PodLogStreamer(api, self._settings.select, enriching, since=self._since)
            self._streaming = streaming
            group.create_task(_forget(knowledge))
            group.create_task(streaming.run())
            try:
                await asyncio.wait_for(streaming.listed(), FIRST_LIST)
            except TimeoutError:
                raise ConfigurationError(streaming.problem() or "the API server gave no list of pods") from None

    def status(self) -> str:
        if self._streaming is None or self._knowledge is None:
            return "connecting"
        logs = len(self._streaming.following)
        problem = self._knowledge.problem() or self._streaming.problem()
        return f"{logs} log{'s' * (logs != 1)} followed" + (f" · {problem}" if problem else "")


class _Enriching:
    """Enriches what is streamed, for each node as the daemon there would."""

    def __init__(self, settings: Settings, choosing: FormatDetector, knowledge: EndpointWatch, take: Take) -> None:
        self._settings, self._choosing, self._knowledge, self._take = settings, choosing, knowledge, take
        self._metrics, self._format_seen = Metrics(max_series=settings.max_series), False
        self._enrichers: dict[str, Enricher] = {}

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None:
        """A line that outran the watch waits for it, and with it the rest of its log, for a moment."""
        if log.node not in self._enrichers:
            self._enrichers[log.node] = _enricher(
                self._settings, self._choosing, self._knowledge.known, self._metrics, log.node
            )
        batch = Batch(log.source, lines)
        while True:
            enriched = self._enrichers[log.node].enrich(batch, time.time_ns())
            if enriched.data:
                self._take(enriched.data)
            if not enriched.wait_until:
                break
            await self._knowledge.news.wait((enriched.wait_until - time.time_ns()) / SECOND)
        self._format_seen = self._format_seen or _look_at_format(self._metrics, misfits=MISFITS)

    def forget(self, log: PodLog) -> None:
        if enricher := self._enrichers.get(log.node):
            enricher.forget(log.source)


class FileFeed:
    """Log files, from their beginning to their end, one after the other; `-` is stdin."""

    def __init__(self, settings: Settings, files: Sequence[str], known: Histories) -> None:
        self._settings, self._files, self._known = settings, files, known
        self._done = False

    def read(self) -> Iterator[bytes]:
        """JSON lines, as they come. Raises ConfigurationError for a file that can't be read."""
        metrics = Metrics(max_series=self._settings.max_series)
        enricher = _enricher(self._settings, self._settings.choosing(), self._known, metrics, self._settings.node)
        for file in self._files:
            for lines in read_file(_stdin() if file == STDIN else file):
                if data := enricher.enrich(Batch(Source(file), lines)).data:
                    yield data
        self._done = True
        _look_at_format(metrics, misfits=1)

    async def run(self, take: Take) -> None:
        """Reads in a thread: stdin may keep it waiting for long, and nobody waits for it in the end."""
        loop, ended = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        async def taken(data: bytes) -> None:
            take(data)

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def read() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody looks any more
                try:
                    for data in self.read():
                        asyncio.run_coroutine_threadsafe(taken(data), loop).result()
                except Exception as error:  # it is raised in the loop
                    loop.call_soon_threadsafe(end, error)
                else:
                    loop.call_soon_threadsafe(end, None)

        Thread(target=read, name="reading", daemon=True).start()
        if error := await ended:
            raise error

    def status(self) -> str:
        return "read to the end" if self._done else "reading"


def _stdin() -> BinaryIO:
    """Without Python's own buffer, whose lock a thread that waits for more would hold until after the end."""
    return open(stdin().fileno(), "rb", buffering=0, closefd=False)


def _look_at_format(metrics: Metrics, *, misfits: int) -> bool:
    """Whether it is clear now if the log format is the right one; says so if it is not."""
    lines = metrics.lines
    if lines["parse_error"] >= misfits and not lines["access"]:
        logger.warning("no line of %d fits the log format: see --profile and --log-format", lines.total())
        return True
    return lines["access"] > 0


def _enricher(settings: Settings, choosing: FormatDetector, known: Histories, metrics: Metrics, node: str) -> Enricher:
    return Enricher(choosing, known, metrics, node=node, pod_variable=settings.pod_variable)


async def _forget(knowledge: EndpointWatch) -> None:
    while True:
        await asyncio.sleep(FORGET)
        for history in knowledge.known:
            history.forget(time.time_ns())
