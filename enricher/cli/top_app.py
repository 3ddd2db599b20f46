"""The live view of `enricher top` in a terminal: a table, the first line above it, and what is known of a row below."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from enricher.cli.pod_table import PodTable
from enricher.cli.top_help import HelpScreen
from enricher.errors import EXIT_FAILURE
from enricher.report.console import one_line
from enricher.report.pod_rows import UNNAMED, R, RowKey, sort_rows
from enricher.report.pod_stats import FailedRequest
from enricher.report.top_texts import Column

REFRESH_SECONDS = 1.0
"""Seconds between two updates of the view."""
MAX_ROWS = 200
"""Largest number of pods in the table; a filter leads to the others."""
FILTER_PATTERN = rf"[\w !-~{UNNAMED}]*"
"""The characters that the filter takes, also if they are pasted: nothing that a terminal obeys."""

W = TypeVar("W", bound=Widget)


class View(Protocol[R]):
    """What is shown: rows, and what is known of each."""

    @property
    def names(self) -> Sequence[str]:
        """Return what the names of a row are."""

    @property
    def columns(self) -> Sequence[Column[R]]:
        """Return the columns after the names, what matters most first."""

    @property
    def sort_keys(self) -> Mapping[str, Callable[[R], float]]:
        """Return the values that rows can be sorted by, the default first."""

    async def run(self) -> None:
        """Fill the view until cancelled. Raise EnricherError, alone or in an exception group."""

    def status(self) -> list[str]:
        """Return the parts of the first line."""

    def rows(self) -> list[R]:
        """Return the rows as they are now."""

    def failures(self, key: RowKey, /) -> Sequence[FailedRequest]:
        """Return the latest failed requests of a row, newest first."""

    def details(self, row: R, failures: Sequence[FailedRequest], /, *, coloured: bool) -> list[Text]:
        """Return what is known of a row, the title first."""


class TopApp(App[None], Generic[R]):
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

    def __init__(self, view: View[R], *, refresh_seconds: float | None = REFRESH_SECONDS) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        """The error that ended the view."""
        self.view, self._refresh_seconds = view, refresh_seconds
        self._sort_key, self._filter_text = next(iter(view.sort_keys)), ""
        self._rows: list[R] = []
        """All rows; during a pause, as they were when it began."""
        self._paused_failures: dict[RowKey, Sequence[FailedRequest]] | None = None
        """During a pause, the failed requests when it began; None otherwise."""
        self._matching_rows: list[R] = []
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
        self._matching_rows = sort_rows(self._rows, self.view.sort_keys[self._sort_key], self._filter_text)
        rows = self._matching_rows[:MAX_ROWS]
        cursor_row = next((index for index, row in enumerate(rows) if row.key == self._chosen_key), 0)
        self._on_base(PodTable).show(self.view.columns, rows, cursor_row, scrolled=self._chosen_key is not None)
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

    def _selected_row(self) -> R | None:
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
        keys = list(self.view.sort_keys)
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
        self.push_screen(
            HelpScreen(self.view.sort_keys, {column.title: column.meaning for column in self.view.columns})
        )

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
