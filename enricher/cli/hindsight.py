"""The present logs of a cluster, enriched when more is known than while they were read.

Which pods failed is known only after their lines have been read, and what ended an attempt is reported seconds after
it. So the lines are enriched twice. They are kept for that, and not read twice: a kubelet serves only the newest file
of a log, and may rotate it in between. As it rotates at 10 MiB, unless it is configured otherwise, a log is small.
"""

import asyncio
import logging
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from enricher.cluster.pods import PodLog
from enricher.endpoints.circumstances import AFTERMATH
from enricher.endpoints.slices import Owner
from enricher.line import Line
from enricher.report.wording import amount
from enricher.timestamps import SECOND, parse_rfc3339

logger = logging.getLogger(__name__)

MAX_KEPT = 256 * 1024 * 1024
"""Largest number of bytes that the kept lines take, compressed to about a tenth: the logs of a hundred controllers."""
MAX_LOOKUP_TIME = 60.0
"""Longest wait for the pods that failed to be looked up, in seconds: some 200 of them, at five requests a second."""
POLL_INTERVAL = 0.2
"""Seconds between looks at what is still to be waited for."""


OnFailure = Callable[[Owner], object]
"""Accepts a pod at which attempts failed."""


class Lookups(Protocol):
    """What looks up the pods that failed; enricher.cluster.pod_source implements it."""

    @property
    def waiting(self) -> int: ...
    def report_failure(self, owner: Owner) -> None: ...


class LineEnricher(Protocol):
    """Enriches the lines of logs; enricher.cli.stream_enricher.StreamEnricher implements it."""

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None: ...
    def enrich_at_once(self, log: PodLog, lines: Sequence[Line]) -> None: ...
    def update_counts(self) -> None: ...
    def forget(self, log: PodLog) -> None: ...


class BuildEnricher(Protocol):
    """Returns an enricher that calls `on_failure` with each pod that failed; with `count_only` it passes nothing on."""

    def __call__(self, on_failure: OnFailure | None, *, count_only: bool = False) -> LineEnricher: ...


class _KeptLines(NamedTuple):
    """Lines that were read together."""

    rows: bytes
    """Each with its stamp before it and a newline after it, compressed."""
    cuts: dict[int, int]
    """The numbers of the lines that were cut, and how many bytes each lacks."""

    @classmethod
    def keep(cls, lines: Sequence[Line]) -> "_KeptLines":
        rows = b"".join(b"%b %b\n" % (line.stamp, line.text) for line in lines)
        return cls(zlib.compress(rows, 1), {number: line.cut for number, line in enumerate(lines) if line.cut})

    def lines(self) -> Iterator[Line]:
        for number, row in enumerate(zlib.decompress(self.rows).split(b"\n")[:-1]):
            stamp, _, text = row.partition(b" ")
            yield Line(text, stamp, cut=self.cuts.get(number, 0))


class Hindsight:
    """Enriches lines as they are read, which shows the pods that failed, and once more when these are known better.

    `report` is called with what is being done. `now` returns ns since the epoch, `clock` seconds that never go back.
    """

    def __init__(
        self,
        lookups: Lookups | None,
        build: BuildEnricher,
        report: Callable[[str], object],
        *,
        max_kept: int = MAX_KEPT,
        now: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._lookups, self._build, self._report = lookups, build, report
        self._max_kept, self._now, self._clock, self._sleep = max_kept, now, clock, sleep
        self._first = build(self._add_failure, count_only=True)
        self._kept = defaultdict[PodLog, list[_KeptLines]](list)
        self._size = self._read = self._passed_over = 0
        self._has_failed = False
        self._newest_failure = 0
        """When (ns) an attempt failed last, or a little later."""

    def _add_failure(self, owner: Owner) -> None:
        self._has_failed = True
        if self._lookups:
            self._lookups.report_failure(owner)

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None:
        """Enrich the next lines of a log for the first time, and keep them. Pass them over if there is no place."""
        kept = _KeptLines.keep(lines)
        if self._size + len(kept.rows) > self._max_kept:
            self._passed_over += len(lines)
            return
        self._kept[log].append(kept)
        self._size += len(kept.rows)
        self._read += len(lines)
        self._report(f"{amount(self._read, 'line')} read")
        await self._first.deliver(log, lines)
        self._first.update_counts()
        if self._has_failed:
            self._has_failed = False
            self._newest_failure = max(self._newest_failure, parse_rfc3339(lines[-1].stamp) or 0)

    def forget(self, log: PodLog) -> None:
        """Forget what the first enricher knows of a log that has ended; its lines are kept."""
        self._first.forget(log)

    async def wait(self) -> None:
        """Wait until the pods that failed have been looked up, and AFTERMATH has passed since the newest failure."""
        deadline = self._clock() + MAX_LOOKUP_TIME
        while (left := self._lookups.waiting if self._lookups else 0) and self._clock() < deadline:
            self._report(f"{amount(self._read, 'line')} read · {amount(left, 'failed pod')} still to be looked up")
            await self._sleep(POLL_INTERVAL)
        if left:
            logger.warning(
                "%d of the pods that failed were not looked up within %.0f s: how their containers ended is not known",
                left,
                MAX_LOOKUP_TIME,
            )
        # The node's clock may be ahead of this one.
        rest = min(self._newest_failure + AFTERMATH - self._now(), AFTERMATH) / SECOND
        end = self._clock() + rest
        while (rest := end - self._clock()) > 0:
            self._report(f"{amount(self._read, 'line')} read · waiting {rest:.0f} s for what followed the last failure")
            await self._sleep(min(rest, POLL_INTERVAL))

    def enrich(self) -> None:
        """Enrich the kept lines of each log, by what is known now, and forget them."""
        if self._passed_over:
            logger.warning(
                "passed over %s, because there are too many: give fewer logs with --select, or a shorter --since",
                amount(self._passed_over, "line"),
            )
        second = self._build(None)
        while self._kept:
            log, batches = self._kept.popitem()
            for kept in batches:
                second.enrich_at_once(log, list(kept.lines()))
            second.forget(log)
