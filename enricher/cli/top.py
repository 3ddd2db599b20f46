"""`enricher top`: a live view, in a terminal, of the pods that fail."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import orjson
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from enricher.cli.common import raise_first_error
from enricher.cli.feed import Feed, open_feed
from enricher.cli.roll_ups import ROLL_UPS
from enricher.cli.upstreams import Upstreams, split_objects
from enricher.config.options import STDIN, TOP
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_CONFIGURATION, EXIT_FAILURE, UsageError
from enricher.report.console import one_line
from enricher.report.pod_rows import SORT_KEYS, UNNAMED, PodRow, RowKey, sort_rows
from enricher.report.pod_stats import WINDOW_SECONDS, FailedRequest, PodStats
from enricher.report.terminal import warn
from enricher.report.top_texts import NUMBERS, cells, failure_lines, failures_title
from enricher.tailer.reader import open_stdin
from enricher.timestamps import SECOND

TERMINAL = "/dev/tty"
"""The terminal from which the process was started, even if stdin is a pipe."""
REFRESH_SECONDS = 1.0
"""Seconds between two updates of the view."""
MAX_ROWS = 200
"""Largest number of pods in the table; a filter leads to the others."""
FILTER_PATTERN = rf"[\w !-~{UNNAMED}]*"
"""The characters that the filter takes, also if they are pasted: nothing that a terminal obeys."""


class PodTable(DataTable[Text]):
    """The table of pods. Each movement of the cursor selects the pod under it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "up", key_display="↑"),
        Binding("down", "cursor_down", "down", key_display="↓"),
    ]

    def action_cursor_up(self) -> None:
        super().action_cursor_up()
        self._select_pod()

    def action_cursor_down(self) -> None:
        super().action_cursor_down()
        self._select_pod()

    def action_page_up(self) -> None:
        super().action_page_up()
        self._select_pod()

    def action_page_down(self) -> None:
        super().action_page_down()
        self._select_pod()

    def action_scroll_top(self) -> None:
        super().action_scroll_top()
        self._select_pod()

    def action_scroll_bottom(self) -> None:
        super().action_scroll_bottom()
        self._select_pod()

    def on_click(self) -> None:
        self._select_pod()

    def _select_pod(self) -> None:
        if isinstance(self.app, TopApp):
            self.app.select_row(self.cursor_row)


class TopApp(App[None]):
    """Shows `stats` while `feed` fills it.

    `now` returns the end of the window, in ns since the epoch. The view is updated each `refresh_seconds`; with None
    only by `update_view`.
    """

    TITLE = "enricher top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; max-height: 4; padding: 0 1; background: $panel; }
    PodTable { height: 3fr; }
    #filter { display: none; }
    #filter.open { display: block; }
    #of { height: 1; padding: 0 1; background: $panel; }
    #failed { height: 2fr; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("p", "pause", "pause"),
        Binding("escape", "close", "clear", key_display="esc"),
        Binding("q", "quit", "quit"),
        # As in any other program, and also while the filter is open.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        stats: PodStats,
        feed: Feed,
        now: Callable[[], int] = time.time_ns,
        *,
        refresh_seconds: float | None = REFRESH_SECONDS,
    ) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        """The error that ended the feed."""
        self._stats, self._feed, self._now, self._refresh_seconds = stats, feed, now, refresh_seconds
        self._sort_key, self._filter_text = next(iter(SORT_KEYS)), ""
        self._pod_rows: list[PodRow] = []
        """All pods; during a pause, as they were when it began."""
        self._paused_requests: dict[RowKey, list[FailedRequest]] | None = None
        """During a pause, the failed requests when it began; None otherwise."""
        self._matching_rows: list[PodRow] = []
        """The pods that match the filter, sorted."""
        self._chosen_key: RowKey | None = None
        """The pod that the user selected; None selects the first row, whichever pod that is."""

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield PodTable(cursor_type="row", zebra_stripes=True)
        *names, last = self._stats.roll_up.columns
        hint = " or ".join(filter(None, (", ".join(names), last)))
        yield Input(placeholder=f"part of a {hint}", restrict=FILTER_PATTERN, id="filter")
        yield Static(id="of", markup=False)
        yield Static(id="failed", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(PodTable)
        for name in self._stats.roll_up.columns:
            table.add_column(one_line(name))
        for name, justify in NUMBERS.items():
            table.add_column(one_line(name, justify=justify))
        table.focus()
        # By default SIGTERM would end the process with the terminal still in the view's mode.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, None, 128 + signal.SIGTERM)
        self.update_view()
        if self._refresh_seconds is not None:
            self.set_interval(self._refresh_seconds, self.update_view)
        self.run_worker(self._run_feed(), exit_on_error=False)

    async def _run_feed(self) -> None:
        try:
            await self._feed.run(self.add_lines)
        except Exception as error:  # the caller reports it, once the terminal is restored
            self.failure = error
            self.exit(return_code=EXIT_FAILURE)

    def add_lines(self, data: bytes) -> None:
        """Add JSON lines to the statistics. The next update of the view shows them."""
        for line in data.splitlines():
            self._stats.add(orjson.loads(line))

    # --- view ----------------------------------------------------------------------------------------------------

    def update_view(self) -> None:
        """Show the statistics as they are now; during a pause only the first line.

        Do nothing once the app is shutting down: its timer may fire while the widgets are being removed.
        """
        if not self.is_running:
            return
        now = self._now()
        if self._paused_requests is None:
            self._pod_rows = self._stats.rows(now)
            self._show_all()
        else:
            self._stats.expire(now)
            self._show_head()

    def _show_all(self) -> None:
        self._matching_rows = sort_rows(self._pod_rows, self._sort_key, self._filter_text)
        self._show_table()
        self._show_failed_requests()
        self._show_head()

    def _show_table(self) -> None:
        table, rows = self.query_one(PodTable), self._matching_rows[:MAX_ROWS]
        scroll = table.scroll_offset
        table.clear()
        for row in rows:
            table.add_row(*cells(row))
        cursor_row = next((index for index, row in enumerate(rows) if row.key == self._chosen_key), 0)
        table.scroll_to(x=scroll.x, y=scroll.y if self._chosen_key else 0, animate=False)
        table.move_cursor(row=cursor_row)

    def _show_failed_requests(self) -> None:
        row, paused = self._selected_row(), self._paused_requests
        requests: list[FailedRequest] = []
        if row:
            requests = self._stats.failed_requests(row.key) if paused is None else paused.get(row.key, [])
        self.query_one("#of", Static).update(failures_title(row, requests) if row else "")
        text = Text("\n", no_wrap=True, overflow="ellipsis").join(failure_lines(requests))
        self.query_one("#failed", Static).update(text)

    def _show_head(self) -> None:
        parts = [self._feed.status(), f"{self._stats.lines.total():,} lines", f"sorted by {self._sort_key}"]
        if self._stats.newest and (age := (self._now() - self._stats.newest) // SECOND) > WINDOW_SECONDS:
            parts.append(f"newest line {age:,} s old")  # the cluster is quiet, or its clock is behind ours
        if self._filter_text:
            parts.append(f"filter: {self._filter_text}")
        if len(self._matching_rows) > MAX_ROWS:
            parts.append(f"{MAX_ROWS} of {len(self._matching_rows)} {self._stats.roll_up.columns[-1]}s")
        if self._paused_requests is not None:
            parts.append("PAUSED")
        self.query_one("#head", Static).update(one_line(" · ".join(parts)))

    def _selected_row(self) -> PodRow | None:
        """Return the pod that the user selected if the table has it, else the first one, None if there is none."""
        rows = self._matching_rows[:MAX_ROWS]
        return next((row for row in rows if row.key == self._chosen_key), rows[0] if rows else None)

    def select_row(self, index: int) -> None:
        """Select the pod in a row of the table. It stays selected, whichever row it moves to."""
        if 0 <= index < len(self._matching_rows):
            self._chosen_key = self._matching_rows[index].key
            self._show_failed_requests()

    # --- keys ----------------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """Sort by the next of SORT_KEYS."""
        keys = list(SORT_KEYS)
        self._sort_key = keys[(keys.index(self._sort_key) + 1) % len(keys)]
        self._show_all()

    def action_pause(self) -> None:
        """Begin a pause, or end it."""
        if self._paused_requests is None:
            self.update_view()
            self._paused_requests = {row.key: self._stats.failed_requests(row.key) for row in self._pod_rows}
            self._show_head()
        else:
            self._paused_requests = None
            self.update_view()

    def action_filter(self) -> None:
        """Open the filter's input."""
        filter_input = self.query_one("#filter", Input)
        filter_input.add_class("open")
        filter_input.focus()

    def action_close(self) -> None:
        """Show all pods again, and select the worst."""
        self.query_one("#filter", Input).value = self._filter_text = ""
        self._chosen_key = None
        self._close_filter()

    def on_input_changed(self, changed: Input.Changed) -> None:
        self._filter_text = changed.value.strip()
        self._show_all()

    def on_input_submitted(self) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self.query_one(PodTable).focus()
        self._show_all()


@contextmanager
def terminal_as_stdin(log_on_stdin: bool) -> Iterator[None]:
    """Make the terminal stdin if that is a pipe with a log; the reader of the log keeps the pipe.

    Raise UsageError if there is no terminal or if a log is to be read from it, ConfigurationError if stdin is closed.
    """
    is_terminal = open_stdin().isatty()
    if not sys.stdout.isatty() or not (log_on_stdin or is_terminal):
        raise UsageError("top needs a terminal: use `enricher tail`, which writes to files and pipes too")
    if log_on_stdin and is_terminal:
        raise UsageError("cannot read a log from stdin: stdin is the terminal")
    if not log_on_stdin:
        yield
        return
    pipe = os.dup(0)
    try:
        terminal = os.open(TERMINAL, os.O_RDWR)
    except OSError as error:
        raise UsageError(f"top needs a terminal to read keys from: {error.strerror}") from error
    os.dup2(terminal, 0)
    os.close(terminal)
    sys.stdin = open(pipe)  # noqa: SIM115  # a thread may wait for it until the process ends
    yield


def main(arguments: dict[str, Any]) -> int:
    """Show the view until the user quits; return the exit code."""
    settings, (objects, files) = resolve_settings(TOP, arguments), split_objects(arguments["files"])
    upstreams = Upstreams(settings.cluster.namespace, objects)
    feed = open_feed(settings, files, WINDOW_SECONDS, upstreams=upstreams)
    # Files are summed up as a whole; a pipe and a cluster are shown live.
    window = WINDOW_SECONDS if STDIN in files or not files else None
    roll_up = ROLL_UPS[arguments["by"] or "pod"]
    stats = PodStats(window, window_is_covered=not files, included=upstreams.include, roll_up=roll_up)
    with terminal_as_stdin(STDIN in files):
        root = logging.getLogger("enricher")
        root.addHandler(logging.NullHandler())
        root.propagate = False  # problems appear in the first line of the view
        app = TopApp(stats, feed, (lambda: stats.newest) if files else time.time_ns)
        app.run()
    if app.failure:
        raise_first_error(BaseExceptionGroup("", [app.failure]))
        raise app.failure
    if feed.nothing_fits and not app.return_code:
        warn(feed.status())
        return EXIT_CONFIGURATION
    return app.return_code or 0
