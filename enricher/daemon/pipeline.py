"""The data's way through the house: each source's log, chunk by chunk, from its file to stdout."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from enricher.cluster.endpoint_source import Knowledge
from enricher.config.settings import Settings, Start
from enricher.daemon.status.model import Followed
from enricher.daemon.stdout import StdoutWriter
from enricher.enrich.engine import Batch, Enricher
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.discovery import discover
from enricher.tailer.follower import Chunk, LogFollower
from enricher.tailer.inotify import DirectoryWatcher
from enricher.tailer.selector import fixed_directory
from enricher.text import escape_bytes
from enricher.timestamps import SECOND, parse_rfc3339

logger = logging.getLogger("enricher")

POLL = 1.0
"""Seconds after which a log is looked at even if nothing woke us."""
LONGEST_POLL = 16.0
"""What POLL grows to while a log is silent, so that hundreds of them cost next to nothing."""
DISCOVER = 2.0
"""Seconds between looks for new containers, if nothing woke us."""
MISFITS = 20
"""So many lines that do not fit the log format, and none that does, and it is the wrong one."""
LONG_GONE = 86_400 * SECOND
"""A log that is not there and was last written to so long ago does not come back."""
DOCKER_ROOT = "/var/lib/docker/containers"
"""Where the links in the log directory lead to under Docker."""


def roots(settings: Settings) -> tuple[str, ...]:
    """Where files may really lie: a link that leads out of these is not followed."""
    files = (selector.text for selector in settings.select if not selector.namespace)
    return (settings.log_dir, "/var/log", DOCKER_ROOT, *map(fixed_directory, files))


class LogPipeline:
    """Finds sources and ships their lines, each source in a task of its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        enricher: Enricher,
        knowledge: Knowledge,
        writer: StdoutWriter,
        metrics: Metrics,
        positions: Mapping[str, dict[str, Any]] | None,
    ) -> None:
        """`positions` are a checkpoint's, None where there is none."""
        self._settings, self._enricher, self._knowledge = settings, enricher, knowledge
        self._writer, self._metrics, self._positions = writer, metrics, dict(positions or {})
        # What came since a checkpoint is new: none of it is history.
        self._start: Start = settings.start if positions is None else "beginning"
        self._waker = DirectoryWatcher()
        self._roots = roots(settings)
        self._followers: dict[Source, LogFollower] = {}
        self._last_line: dict[Source, bytes] = {}
        self._gone: Counter[str] = Counter()
        """Problems of sources that are gone."""
        self._format_seen = False
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        """One chunk at a time is worked on and written, and others than sources have their turns in between."""

    # --- one source ----------------------------------------------------------------------------------------------

    async def _ship(self, follower: LogFollower) -> None:
        """A source's lines until it is gone for good, or the daemon stops."""
        await self._knowledge.start()
        said, poll = None, POLL
        while not self._stopping.is_set():
            chunk = follower.read()
            if follower.problem != said and (said := follower.problem):
                self._metrics.problems["log"] += 1
                logger.warning("%s: %s", follower.source.path, said)
            if chunk is not None:
                poll = POLL
                await self._deliver(follower, chunk)
            elif follower.finished:
                break
            else:
                retry = follower.retry_in()
                stirred = await self._waker.wait(follower.source.path, poll if retry is None else min(poll, retry))
                # Nothing wakes us when what kept us from reading is over.
                poll = POLL if stirred or follower.problem else min(2 * poll, LONGEST_POLL)

    async def _deliver(self, follower: LogFollower, chunk: Chunk) -> None:
        """A chunk's lines, enriched, to stdout. A line that outran the watch holds up the rest of its source, and
        with it the reading, for a moment; when the daemon stops, it goes out as things stand.
        """
        self._metrics.bytes_read += chunk.size
        batch, begun = Batch(follower.source, chunk.lines), False
        while True:
            async with self._turn:
                if self._stopping.is_set() and not begun:
                    return  # it is read again another time, and what is under way gets out the sooner
                begun = True
                hold = self._knowledge.trails and not self._stopping.is_set()
                self._enricher.known = self._knowledge.known
                enriched = self._enricher.enrich(batch, time.time_ns() if hold else None)
                if enriched.data:
                    await self._writer.write(enriched.data)
                else:
                    await asyncio.sleep(0)  # a long line takes many chunks: the others have their turns between them
                self._metrics.bytes_written += len(enriched.data)
                follower.commit(chunk, batch.done)
            if not enriched.wait_until:
                break
            await self._knowledge.news.wait((enriched.wait_until - time.time_ns()) / SECOND)
        if chunk.lines:
            self._last_line[follower.source] = chunk.lines[-1].stamp
        self._look_at_format(follower.source)

    def _look_at_format(self, source: Source) -> None:
        """Says once if the log format looks like the wrong one."""
        lines = self._metrics.lines
        if not self._format_seen and (lines["access"] or lines["parse_error"] >= MISFITS):
            self._format_seen = True
            if not lines["access"]:
                logger.warning("%s: no line of %d fits the log format: see --log-format", source.path, lines.total())

    # --- all sources ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`: then returns when all that was read is written."""
        selectors = ", ".join(selector.text for selector in self._settings.select)
        logger.info("looking for logs of %s", selectors)
        with closing(self._waker):
            async with asyncio.TaskGroup() as group:
                while not self._stopping.is_set():
                    for source in discover(self._settings.log_dir, self._settings.select, self._settings.own_pod):
                        if source not in self._followers:
                            follower = self._followers[source] = self._follower(source)
                            group.create_task(self._follow(follower))
                    self._start = "beginning"  # what appears later is new, too
                    await self._waker.wait(self._settings.log_dir, DISCOVER)

    def _follower(self, source: Source) -> LogFollower:
        return LogFollower(
            source,
            start=self._start,
            position=self._positions.pop(escape_bytes(source.path), None),
            roots=self._roots,
            clock=time.monotonic,
        )

    async def _follow(self, follower: LogFollower) -> None:
        source = follower.source
        self._waker.watch(source.path)
        logger.info("following %s", source.path)
        try:
            await self._ship(follower)
        finally:
            follower.close()
            self._waker.unwatch(source.path)
        if not self._stopping.is_set():
            logger.info("%s is gone", source.path)
            self._enricher.forget(source)
            del self._followers[source]
            self._gone["missed_file"] += follower.missed_files
            self._gone["truncation"] += follower.truncations
            self._last_line.pop(source, None)

    def stop(self) -> None:
        """What is read is still written; nothing more is read."""
        self._stopping.set()
        self._knowledge.news.spread()
        for path in (self._settings.log_dir, *(source.path for source in self._followers)):
            self._waker.notify(path)

    def positions(self) -> dict[str, dict[str, Any]]:
        """Where each source is to be read on; those that are not found yet keep theirs."""
        return self._positions | {escape_bytes(source.path): f.position() for source, f in self._followers.items()}

    # --- how far behind ------------------------------------------------------------------------------------------

    def count(self) -> None:
        """Brings the metrics up to date."""
        self._enricher.count()

    @property
    def sources(self) -> int:
        return len(self._followers)

    def problems(self) -> dict[str, int]:
        """Files that were gone before they were read to their end, and content that was replaced in place."""
        followers = self._followers.values()
        missed = sum(follower.missed_files for follower in followers)
        truncated = sum(follower.truncations for follower in followers)
        return {"missed_file": self._gone["missed_file"] + missed, "truncation": self._gone["truncation"] + truncated}

    def lag(self) -> tuple[int, float]:
        """Unread bytes of all sources, and the age in seconds of the last line read of the one furthest behind."""
        bytes_, oldest = 0, 0.0
        for source, follower in self._followers.items():
            if behind := follower.lag():
                bytes_ += behind
                oldest = max(oldest, self._age(source) or 0.0)
        return bytes_, oldest

    def followed(self) -> list[Followed]:
        """Each source, for people."""
        return [
            Followed(
                path=escape_bytes(source.path),
                namespace=escape_bytes(source.namespace),
                pod=escape_bytes(source.pod),
                container=escape_bytes(source.container),
                formats=tuple(map(escape_bytes, self._enricher.formats(source, time.time_ns()))),
                lag_bytes=follower.lag(),
                last_line_age_seconds=self._age(source),
                problem=follower.problem and escape_bytes(follower.problem),
            )
            for source, follower in self._followers.items()
        ]

    def _age(self, source: Source) -> float | None:
        """Of its last line read, in seconds; None where there is none, or it has no time."""
        at = parse_rfc3339(self._last_line.get(source, b""))
        return (time.time_ns() - at) / SECOND if at else None


def take_positions(saved: Mapping[str, Any], now: int) -> dict[str, dict[str, Any]]:
    """Saved positions by source path, but for those of logs that are long gone (`now` in ns); raises ValueError where
    they can't be any.
    """
    if not all(isinstance(position, dict) for position in saved.values()):
        raise ValueError("not positions")
    return {
        path: position
        for path, position in saved.items()
        if os.path.lexists(path) or not isinstance(at := position.get("mtime"), int) or now - at < LONG_GONE
    }
