"""What `enricher top` shows: statistics of the lines of logs."""

from collections.abc import Callable, Sequence

import orjson
from rich.text import Text

from enricher.cli.feed import Feed
from enricher.report.pod_rows import SORT_KEYS, PodRow, RowKey
from enricher.report.pod_stats import WINDOW_SECONDS, FailedRequest, PodStats
from enricher.report.top_texts import COLUMNS, failure_lines, failures_title
from enricher.report.wording import amount
from enricher.timestamps import SECOND

LATE_SECONDS = WINDOW_SECONDS + 5
"""Seconds after which it is certain that a node's clock is behind: older lines are not asked for."""


class LiveView:
    """Statistics of the lines of logs, filled by a feed.

    `now` returns the end of the window, in ns since the epoch. Lines that are `live` have just been written.
    """

    columns, sort_keys = COLUMNS, SORT_KEYS

    def __init__(self, stats: PodStats, feed: Feed, now: Callable[[], int], *, live: bool = False) -> None:
        self.names = stats.roll_up.columns
        self._stats, self._feed, self.now, self._live = stats, feed, now, live

    async def run(self) -> None:
        """Pass the lines of the feed to the statistics."""
        await self._feed.run(self.add_lines)

    def add_lines(self, data: bytes) -> None:
        """Add JSON lines to the statistics."""
        now = self.now() if self._live else None
        for line in data.splitlines():
            self._stats.add(orjson.loads(line), now)

    def status(self) -> list[str]:
        """Return the state of the feed, the time that is looked at, and the number of lines."""
        stats = self._stats
        stats.expire(self.now())
        span = "last minute" if stats.window else "all times"
        parts = [self._feed.status(), span, amount(stats.lines.total(), "line")]
        late = {node: lag // SECOND for node, lag in stats.clock_lags.items() if lag > LATE_SECONDS * SECOND}
        if late:
            node = max(late, key=lambda name: late[name])
            more = f", and those of {len(late) - 1} others are late" if len(late) > 1 else ""
            parts.append(f"lines of {node} come {late[node]:,} s late: its clock is behind{more}")
        elif stats.newest and (age := (self.now() - stats.newest) // SECOND) > WINDOW_SECONDS:
            parts.append(f"newest line {age:,} s old")  # the cluster is quiet, or its clock is behind ours
        return parts

    def rows(self) -> list[PodRow]:
        """Return a row for each pod, or for what else there is one for."""
        return self._stats.rows(self.now())

    def failures(self, key: RowKey) -> Sequence[FailedRequest]:
        """Return the latest failed requests of a row, newest first."""
        return self._stats.failed_requests(key)

    def details(self, row: PodRow, failures: Sequence[FailedRequest], *, coloured: bool) -> list[Text]:
        """Return the causes of a row's failures in a line, and its failed requests."""
        return [failures_title(row, failures), *failure_lines(failures, coloured=coloured)]
