"""The path of the data: the log of each source, chunk by chunk, from its file through the enricher to stdout."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from enricher.cluster.endpoint_source import EndpointSource
from enricher.config.settings import LogSettings, Start, describe_selection
from enricher.daemon.format_checks import FormatChecks
from enricher.daemon.lookalike_search import LookalikeSearch
from enricher.daemon.status.model import FollowedSource
from enricher.daemon.stdout import StdoutWriter
from enricher.daemon.waiting_lines import dump_lines, load_lines
from enricher.enrich.engine import Enricher, Hold, Output
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.tailer.chunk import Chunk
from enricher.tailer.discovery import discover
from enricher.tailer.follower import LogFollower
from enricher.tailer.inotify import DirectoryWatcher
from enricher.text import escape_bytes
from enricher.timestamps import SECOND, parse_rfc3339

logger = logging.getLogger(__name__)

MIN_POLL_INTERVAL = 1.0
"""Seconds after which a log is read even if no change of it was reported."""
MAX_POLL_INTERVAL = 16.0
"""Seconds that the interval grows to while a log is silent, so that hundreds of silent logs cost next to nothing."""
DISCOVERY_INTERVAL = 2.0
"""Seconds between searches for new containers, if no change was reported."""
DISCOVERY_REST = 20.0
"""How many times as long as a search took none is made after it: a directory of any size takes 5 % of a core."""
MAX_LOGS = 4_000
"""Largest number of logs that are followed; each takes an open file. A node has some hundreds of containers."""


class LogPipeline:
    """Finds sources and moves their lines to stdout, each source in a task of its own."""

    def __init__(
        self,
        settings: LogSettings,
        *,
        enricher: Enricher,
        endpoints: EndpointSource,
        stdout: StdoutWriter,
        metrics: Metrics,
        positions: Mapping[str, dict[str, Any]] | None,
        are_saved: bool = False,
    ) -> None:
        """Begin at the `positions` of a checkpoint, which are None if there is none.

        Unless positions `are_saved` in the end, lines that wait for another line are written when the daemon stops.
        """
        self._settings, self._enricher, self._endpoints = settings, enricher, endpoints
        self._stdout, self._metrics, self._positions = stdout, metrics, dict(positions or {})
        # A log that appeared since the checkpoint is new: none of it was there before.
        self._start: Start = settings.start if positions is None else "beginning"
        self._directories = DirectoryWatcher()
        self._roots = settings.roots
        self._are_saved = are_saved
        self._followers: dict[Source, LogFollower] = {}
        self._waiting: dict[Source, Sequence[Line]] = {}
        """The lines before the committed position of each source that are not written yet."""
        self._last_stamps: dict[Source, bytes] = {}
        self._past_problems: Counter[str] = Counter()
        """Problems of sources that are no longer followed, by kind."""
        self._format_checks = FormatChecks(settings, enricher, metrics)
        self._lookalikes = LookalikeSearch(settings)
        self._has_too_many = False
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held by the source whose chunk is enriched and written: one at a time, so that memory stays bounded."""

    # --- one source ----------------------------------------------------------------------------------------------

    async def _tail_source(self, follower: LogFollower) -> None:
        """Move a source's lines until it is gone for good, or the daemon stops."""
        await self._endpoints.wait_until_ready()
        await self._restore_waiting(follower.source)
        logged_problem, poll_interval = None, MIN_POLL_INTERVAL
        while not self._stopping.is_set():
            chunk = follower.read()
            if follower.problem != logged_problem and (logged_problem := follower.problem):
                self._metrics.problems["log"] += 1
                logger.warning("%s: %s", follower.source.path, logged_problem)
            if chunk is not None:
                poll_interval = MIN_POLL_INTERVAL
                await self._process_chunk(follower, chunk)
            elif follower.finished:
                await self._release_tries(follower.source, None)
                break
            else:
                await self._release_tries(follower.source, time.time_ns())
                retry_after = follower.retry_in()
                timeout = poll_interval if retry_after is None else min(poll_interval, retry_after)
                changed = await self._directories.wait(follower.source.path, timeout)
                # No change is reported when the cause of a problem is gone: the interval stays short until then.
                stays_short = changed or follower.problem
                poll_interval = MIN_POLL_INTERVAL if stays_short else min(2 * poll_interval, MAX_POLL_INTERVAL)

    async def _process_chunk(self, follower: LogFollower, chunk: Chunk) -> None:
        """Enrich a chunk, write it and commit it; a line that waits for the watch holds up the rest of its source."""
        self._metrics.bytes_read += chunk.size
        steps = self._enricher.enrich(follower.source, chunk.lines, self._endpoints.histories, self._hold_clock)
        has_begun, outputs = False, list[Output]()
        while True:
            async with self._turn:
                if self._stopping.is_set() and not has_begun:
                    return  # it will be read again after the restart, and chunks that have begun are written sooner
                has_begun = True
                match next(steps, None):
                    case Output() as output:
                        outputs.append(output)
                        await self._write(output.data)
                        follower.commit(chunk, output.lines)
                        self._waiting[follower.source] = output.waiting
            match next(steps, None):
                case Hold(until):
                    await self._endpoints.changed.wait((until - time.time_ns()) / SECOND)
                case None:
                    break
        if chunk.lines:
            self._last_stamps[follower.source] = chunk.lines[-1].stamp
            self._format_checks.add(follower.source, outputs, chunk.lines)

    async def _restore_waiting(self, source: Source) -> None:
        """Let the saved lines of tries wait again."""
        if lines := self._waiting.get(source):
            for step in self._enricher.enrich(source, lines, self._endpoints.histories):
                if isinstance(step, Output):
                    await self._write_released(source, step)

    async def _release_tries(self, source: Source, now: int | None) -> None:
        """Write the lines of tries that have waited for their request for too long at `now` (ns); all if it is None."""
        async with self._turn:
            output = self._enricher.release(source, self._endpoints.histories, now)
            if output.kinds:
                await self._write_released(source, output)

    async def _write_released(self, source: Source, output: Output) -> None:
        await self._write(output.data)
        self._waiting[source] = output.waiting

    async def _write(self, data: bytes) -> None:
        if data:
            await self._stdout.write(data)
            self._metrics.bytes_written += len(data)
        else:
            await asyncio.sleep(0)  # a long line takes many chunks: other tasks get their turns between them

    def _hold_clock(self) -> int | None:
        """Return the time (ns); None if no line is to be held, since nothing would change or the daemon is stopping."""
        return time.time_ns() if self._endpoints.may_lag and not self._stopping.is_set() else None

    # --- all sources ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow all sources until `stop`, then return once everything that was read is written."""
        logger.info("looking for logs of containers that match %s", describe_selection(self._settings.select))
        with closing(self._directories):
            async with asyncio.TaskGroup() as group:
                while not self._stopping.is_set():
                    began = time.monotonic()
                    for source in self._discover_new():
                        follower = self._followers[source] = self._open_follower(source)
                        group.create_task(self._follow(follower))
                    self._lookalikes.update(is_following=bool(self._followers))
                    self._start = "beginning"  # a log that appears from now on is new
                    with suppress(TimeoutError):
                        async with asyncio.timeout(DISCOVERY_REST * (time.monotonic() - began)):
                            await self._stopping.wait()
                    await self._directories.wait(self._settings.directory, DISCOVERY_INTERVAL)

    def _discover_new(self) -> list[Source]:
        """Return the sources that are to be followed from now on."""
        sources = discover(self._settings.directory, self._settings.select, self._settings.own_pod)
        new, room = [source for source in sources if source not in self._followers], MAX_LOGS - len(self._followers)
        if len(new) > room and not self._has_too_many:
            self._metrics.problems["log"] += 1
            logger.warning(
                "the selectors match more than %d logs: the others, such as %s, are not followed until some are gone",
                MAX_LOGS,
                new[room].path,
            )
        self._has_too_many = len(new) > room
        return new[:room]

    def _open_follower(self, source: Source) -> LogFollower:
        position = self._positions.pop(escape_bytes(source.path), None)
        self._waiting[source] = load_lines(source.path, position or {})
        return LogFollower(
            source,
            start=self._start,
            position=position,
            roots=self._roots,
            clock=time.monotonic,
        )

    async def _follow(self, follower: LogFollower) -> None:
        source = follower.source
        self._directories.watch(source.path)
        logger.info("following %s", source.path)
        try:
            await self._tail_source(follower)
            if not self._are_saved:
                await self._release_tries(source, None)
        finally:
            follower.close()
            self._directories.unwatch(source.path)
        if not self._stopping.is_set():
            logger.info("%s is gone", source.path)
            self._enricher.forget(source)
            del self._followers[source]
            self._past_problems["missed_file"] += follower.missed_files
            self._past_problems["truncation"] += follower.truncations
            self._last_stamps.pop(source, None)
            self._waiting.pop(source, None)
            self._format_checks.forget(source)

    def stop(self) -> None:
        """Stop reading; what has been read is still written."""
        self._stopping.set()
        self._endpoints.changed.notify()
        for path in (self._settings.directory, *(source.path for source in self._followers)):
            self._directories.notify(path)

    def positions(self) -> dict[str, dict[str, Any]]:
        """Return the position of each source; sources that have not been discovered yet keep their saved positions."""
        positions = {
            escape_bytes(source.path): follower.position() | dump_lines(self._waiting.get(source, ()))
            for source, follower in self._followers.items()
        }
        return self._positions | positions

    # --- what is reported of it ----------------------------------------------------------------------------------

    def update_counts(self) -> None:
        """Bring the metrics up to date."""
        self._enricher.update_counts(time.time_ns())

    @property
    def suggestion(self) -> str:
        """Return which containers look like a proxy's and how to follow them, if no log is followed; else empty."""
        return self._lookalikes.suggestion

    @property
    def source_count(self) -> int:
        """Return the number of sources that are followed."""
        return len(self._followers)

    def problems(self) -> dict[str, int]:
        """Return the number of files deleted before they were read to their end, and of contents replaced in place."""
        followers = self._followers.values()
        missed = sum(follower.missed_files for follower in followers)
        truncated = sum(follower.truncations for follower in followers)
        return {
            "missed_file": self._past_problems["missed_file"] + missed,
            "truncation": self._past_problems["truncation"] + truncated,
        }

    def lag(self) -> tuple[int, float]:
        """Return the unread bytes of all sources, and the greatest age (seconds) of a last line among those behind."""
        total, oldest = 0, 0.0
        for source, follower in self._followers.items():
            if behind := follower.lag():
                total += behind
                oldest = max(oldest, self._last_line_age(source) or 0.0)
        return total, oldest

    def followed_sources(self) -> list[FollowedSource]:
        """Return each source as the status page shows it."""
        return [
            FollowedSource(
                path=escape_bytes(source.path),
                namespace=escape_bytes(source.namespace),
                pod=escape_bytes(source.pod),
                container=escape_bytes(source.container),
                formats=tuple(map(escape_bytes, self._enricher.format_texts(source, time.time_ns()))),
                lag_bytes=follower.lag(),
                last_line_age_seconds=self._last_line_age(source),
                problem=follower.problem and escape_bytes(follower.problem),
            )
            for source, follower in self._followers.items()
        ]

    def _last_line_age(self, source: Source) -> float | None:
        """Return the age in seconds of the last line read; None if there is none, or it has no time."""
        at = parse_rfc3339(self._last_stamps.get(source, b""))
        return (time.time_ns() - at) / SECOND if at else None
