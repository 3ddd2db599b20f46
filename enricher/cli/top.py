"""`enricher top`: a live view, in a terminal, of the pods that fail."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from enricher.cli.common import raise_first_error
from enricher.cli.feed import open_feed
from enricher.cli.live_view import LiveView
from enricher.cli.pod_table import PodTable
from enricher.cli.roll_ups import ROLL_UPS
from enricher.cli.time_zone import zone_for_people
from enricher.cli.top_help import HelpScreen
from enricher.cli.upstreams import parse_upstreams
from enricher.config.options import STDIN, TOP
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_CONFIGURATION, EXIT_FAILURE, UsageError
from enricher.report.console import one_line
from enricher.report.pod_rows import SORT_KEYS, UNNAMED, PodRow, RowKey, sort_rows
from enricher.report.pod_stats import WINDOW_SECONDS, FailedRequest, PodStats
from enricher.report.terminal import warn
from enricher.tailer.reader import open_stdin

TERMINAL = "/dev/tty"
"""The terminal from which the process was started, even if stdin is a pipe."""
REFRESH_SECONDS = 1.0
"""Seconds between two updates of the view."""
MAX_ROWS = 200
"""Largest number of pods in the table; a filter leads to the others."""
FILTER_PATTERN = rf"[\w !-~{UNNAMED}]*"
"""The characters that the filter takes, also if they are pasted: nothing that a terminal obeys."""

W = TypeVar("W", bound=Widget)


class TopApp(App[None]):
    """Shows a view while it fills itself.

    The picture is updated each `refresh_seconds`; with None only by `update_view`.
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
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "quit", "quit"),
        # As in any other program, and also while the filter is open.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, view: LiveView, *, refresh_seconds: float | None = REFRESH_SECONDS) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        """The error that ended the view."""
        self.view, self._refresh_seconds = view, refresh_seconds
        self._sort_key, self._filter_text = next(iter(SORT_KEYS)), ""
        self._rows: list[PodRow] = []
        """All rows; during a pause, as they were when it began."""
        self._paused_failures: dict[RowKey, Sequence[FailedRequest]] | None = None
        """During a pause, the failed requests when it began; None otherwise."""
        self._matching_rows: list[PodRow] = []
        """The rows that match the filter, sorted."""
        self._chosen_key: RowKey | None = None
        """The row that the user selected; None selects the first row, whichever that is."""

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield PodTable(self.view.names, self.select_row)
        *names, last = self.view.names
        hint = " or ".join(filter(None, (", ".join(names), last)))
        yield Input(placeholder=f"part of a {hint}", restrict=FILTER_PATTERN, id="filter")
        yield Static(id="of", markup=False)
        yield Static(id="failed", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(PodTable).focus()
        # By default SIGTERM would end the process with the terminal still in the view's mode.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, None, 128 + signal.SIGTERM)
        self.update_view()
        if self._refresh_seconds is not None:
            self.set_interval(self._refresh_seconds, self.update_view)
        self.run_worker(self._run_view(), exit_on_error=False)

    async def _run_view(self) -> None:
        try:
            await self.view.run()
        except Exception as error:  # the caller reports it, once the terminal is restored
            self.failure = error
            self.exit(return_code=EXIT_FAILURE)

    # --- picture -------------------------------------------------------------------------------------------------

    def update_view(self) -> None:
        """Show the view as it is now; during a pause only the first line.

        Do nothing once the app is shutting down: its timer may fire while the widgets are being removed.
        """
        if not self.is_running:
            return
        if self._paused_failures is None:
            self._rows = self.view.rows()
            self._show_all()
        else:
            self._show_head()

    def on_resize(self) -> None:
        # The app takes its new size after this handler.
        self.call_later(self._show_all)

    def _show_all(self) -> None:
        self._matching_rows = sort_rows(self._rows, SORT_KEYS[self._sort_key], self._filter_text)
        rows = self._matching_rows[:MAX_ROWS]
        cursor_row = next((index for index, row in enumerate(rows) if row.key == self._chosen_key), 0)
        self._on_base(PodTable).show(rows, cursor_row, scrolled=self._chosen_key is not None)
        self._show_details()
        self._show_head()

    def _on_base(self, widget: type[W], selector: str | None = None) -> W:
        """Return a widget of the picture, which is below the help."""
        screen = self.screen_stack[0]
        return screen.query_one(selector, widget) if selector else screen.query_one(widget)

    def _show_details(self) -> None:
        row, paused = self._selected_row(), self._paused_failures
        title, lines = one_line(), list[Text]()
        if row:
            failures = self.view.failures(row.key) if paused is None else paused.get(row.key, ())
            title, *lines = self.view.details(row, failures, coloured=not self.no_color)
        self._on_base(Static, "#of").update(title)
        self._on_base(Static, "#failed").update(Text("\n", no_wrap=True, overflow="ellipsis").join(lines))

    def _show_head(self) -> None:
        parts = [*self.view.status(), f"sorted by {self._sort_key}"]
        if self._filter_text:
            parts.append(f"filter: {self._filter_text}")
        if len(self._matching_rows) > MAX_ROWS:
            parts.append(f"{MAX_ROWS} of {len(self._matching_rows)} {self.view.names[-1]}s")
        if self._paused_failures is not None:
            parts.append("PAUSED")
        self._on_base(Static, "#head").update(one_line(" · ".join(parts)))

    def _selected_row(self) -> PodRow | None:
        """Return the row that the user selected if the table has it, else the first one, None if there is none."""
        rows = self._matching_rows[:MAX_ROWS]
        return next((row for row in rows if row.key == self._chosen_key), rows[0] if rows else None)

    def select_row(self, index: int) -> None:
        """Select a row of the table. It stays selected, wherever it moves to."""
        if 0 <= index < len(self._matching_rows):
            self._chosen_key = self._matching_rows[index].key
            self._show_details()

    # --- keys ----------------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """Sort by the next of SORT_KEYS."""
        keys = list(SORT_KEYS)
        self._sort_key = keys[(keys.index(self._sort_key) + 1) % len(keys)]
        self._show_all()

    def action_pause(self) -> None:
        """Begin a pause, or end it."""
        if self._paused_failures is None:
            self.update_view()
            self._paused_failures = {row.key: self.view.failures(row.key) for row in self._rows}
            self._show_head()
        else:
            self._paused_failures = None
            self.update_view()

    def action_help(self) -> None:
        """Show the keys, and what the columns mean."""
        self.push_screen(HelpScreen())

    def action_filter(self) -> None:
        """Open the filter's input."""
        filter_input = self.query_one("#filter", Input)
        filter_input.add_class("open")
        filter_input.focus()

    def action_close(self) -> None:
        """Show all rows again, and select the worst."""
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
    settings = resolve_settings(TOP, arguments)
    upstreams, files = parse_upstreams(arguments, settings.cluster.namespace)
    zone = zone_for_people(arguments)
    feed = open_feed(settings, files, WINDOW_SECONDS, upstreams=upstreams)
    # Files are summed up as a whole; a pipe and a cluster are shown live.
    window = WINDOW_SECONDS if STDIN in files or not files else None
    roll_up = ROLL_UPS[arguments["by"] or "pod"]
    stats = PodStats(window, window_is_covered=not files, included=upstreams.include, roll_up=roll_up, zone=zone)
    with terminal_as_stdin(STDIN in files):
        root = logging.getLogger("enricher")
        root.addHandler(logging.NullHandler())
        root.propagate = False  # problems appear in the first line of the view
        app = TopApp(LiveView(stats, feed, (lambda: stats.newest) if files else time.time_ns, live=not files))
        app.run()
    if app.failure:
        raise_first_error(BaseExceptionGroup("", [app.failure]))
        raise app.failure
    if feed.nothing_fits and not app.return_code:
        warn(feed.status())
        return EXIT_CONFIGURATION
    return app.return_code or 0
