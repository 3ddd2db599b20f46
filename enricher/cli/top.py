"""`enricher top`: which pods fail, live, in a terminal."""

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
from enricher.config.options import STDIN, TOP
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_FAILURE, UsageError
from enricher.report.pod_stats import SORTS, WINDOW, FailedLine, Key, PodStats, Row, arranged
from enricher.tailer.reader import open_stdin
from enricher.timestamps import SECOND

KEYBOARD = "/dev/tty"
REFRESH = 1.0
"""Seconds between two looks at what has come."""
SHOWN = 200
"""So many pods at most: the filter finds the others."""
COLUMNS = ("namespace", "service", "pod", "req/s", "err %", "errors", "hidden", "p50 s", "p99 s", "grade")
NAMES = 3
"""So many of the columns are names; the others are aligned to the right."""


class Pods(DataTable[Text]):
    """The table; whoever moves the cursor has chosen a pod."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "up", key_display="↑"),
        Binding("down", "cursor_down", "down", key_display="↓"),
    ]

    def action_cursor_up(self) -> None:
        super().action_cursor_up()
        self._choose()

    def action_cursor_down(self) -> None:
        super().action_cursor_down()
        self._choose()

    def action_page_up(self) -> None:
        super().action_page_up()
        self._choose()

    def action_page_down(self) -> None:
        super().action_page_down()
        self._choose()

    def action_scroll_top(self) -> None:
        super().action_scroll_top()
        self._choose()

    def action_scroll_bottom(self) -> None:
        super().action_scroll_bottom()
        self._choose()

    def on_click(self) -> None:
        self._choose()

    def _choose(self) -> None:
        if isinstance(self.app, Top):
            self.app.choose(self.cursor_row)


class Top(App[None]):
    """Shows `ranking` while `feed` fills it. `now` gives the end of the window, in ns since the epoch."""

    TITLE = "enricher top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; max-height: 4; padding: 0 1; background: $panel; }
    Pods { height: 3fr; }
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
        # As everywhere else; from within the filter, too.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, ranking: PodStats, feed: Feed, now: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        """What ended the feed."""
        self._ranking, self._feed, self._now = ranking, feed, now
        self._sort, self._text = next(iter(SORTS)), ""
        self._standing: list[Row] = []
        """How things stand; while it pauses, how they stood."""
        self._paused: dict[Key, list[FailedLine]] | None = None
        """While it pauses, the failures of those."""
        self._rows: list[Row] = []
        """Those of them that are shown, as they are shown."""
        self._chosen: Key | None = None
        """None: the worst, whichever that is."""

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Pods(cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="part of a namespace, service or pod", id="filter")
        yield Static(id="of", markup=False)
        yield Static(id="failed", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(Pods)
        for name in COLUMNS:
            table.add_column(Text(name, justify="left" if name in COLUMNS[:NAMES] else "right"))
        table.focus()
        # By its default it would leave the terminal as the view needs it.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, None, 128 + signal.SIGTERM)
        self.look()
        self.set_interval(REFRESH, self.look)
        self.run_worker(self._fill(), exit_on_error=False)

    async def _fill(self) -> None:
        try:
            await self._feed.run(self.take)
        except Exception as error:  # the screen must be given back first: who started this tells it
            self.failure = error
            self.exit(return_code=EXIT_FAILURE)

    def take(self, data: bytes) -> None:
        for line in data.splitlines():
            self._ranking.add(orjson.loads(line))

    # --- what is seen --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Shows how things stand, unless it pauses."""
        now = self._now()
        if self._paused is None:
            self._standing = self._ranking.rows(now)
            self._show()
        else:
            self._ranking.forget(now)
            self._show_head()

    def _show(self) -> None:
        self._rows = arranged(self._standing, self._sort, self._text)
        self._show_rows()
        self._show_failed()
        self._show_head()

    def _show_rows(self) -> None:
        table, rows = self.query_one(Pods), self._rows[:SHOWN]
        scroll = table.scroll_offset
        table.clear()
        for row in rows:
            table.add_row(*_cells(row))
        place = next((n for n, row in enumerate(rows) if row.key == self._chosen), 0)
        table.scroll_to(x=scroll.x, y=scroll.y if self._chosen else 0, animate=False)
        table.move_cursor(row=place)

    def _show_failed(self) -> None:
        key = self._selected()
        lines = self._failures(key) if key else []
        title = f"{'last' if lines else 'no'} failures of {key[2]}" if key else ""
        self.query_one("#of", Static).update(Text(title))
        text = Text(no_wrap=True, overflow="ellipsis")
        for line in lines:
            text.append(f"{line.time:<13}{line.client:<16} {line.request:<32} ")
            text.append(line.outcome, "bold red").append(f"  client saw {line.status}\n", "dim")
        self.query_one("#failed", Static).update(text)

    def _failures(self, key: Key) -> list[FailedLine]:
        return self._ranking.failed(key) if self._paused is None else self._paused.get(key, [])

    def _show_head(self) -> None:
        parts = [self._feed.status(), f"{self._ranking.lines.total():,} lines", f"sorted by {self._sort}"]
        if not self._ranking.lines["access"] and self._ranking.lines["parse_error"]:
            parts.append("no line fits the log format")
        if self._ranking.newest and (age := (self._now() - self._ranking.newest) // SECOND) > WINDOW:
            parts.append(f"newest line {age:,} s old")  # of a quiet cluster, or of a clock that is behind ours
        if self._text:
            parts.append(f"filter: {self._text}")
        if len(self._rows) > SHOWN:
            parts.append(f"{SHOWN} of {len(self._rows)} pods")
        if self._paused is not None:
            parts.append("PAUSED")
        self.query_one("#head", Static).update(Text(" · ".join(parts)))

    def _selected(self) -> Key | None:
        keys = [row.key for row in self._rows[:SHOWN]]
        return self._chosen if self._chosen in keys else keys[0] if keys else None

    def choose(self, place: int) -> None:
        """The pod in this row of the table stays selected, wherever it goes."""
        if 0 <= place < len(self._rows):
            self._chosen = self._rows[place].key
            self._show_failed()

    # --- keys ----------------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        sorts = list(SORTS)
        self._sort = sorts[(sorts.index(self._sort) + 1) % len(sorts)]
        self._show()

    def action_pause(self) -> None:
        if self._paused is None:
            self.look()
            self._paused = {row.key: self._ranking.failed(row.key) for row in self._standing}
            self._show_head()
        else:
            self._paused = None
            self.look()

    def action_filter(self) -> None:
        found = self.query_one("#filter", Input)
        found.add_class("open")
        found.focus()

    def action_close(self) -> None:
        """Shows all pods again, and selects the worst."""
        self.query_one("#filter", Input).value = self._text = ""
        self._chosen = None
        self._close()

    def on_input_changed(self, changed: Input.Changed) -> None:
        self._text = changed.value.strip()
        self._show()

    def on_input_submitted(self) -> None:
        self._close()

    def _close(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self.query_one(Pods).focus()
        self._show()


def _cells(row: Row) -> list[Text]:
    style = "red" if row.failed > row.hidden else "yellow" if row.failed else ""
    numbers = [f"{row.rate:.1f}", f"{100 * row.share:.1f}", str(row.failed), str(row.hidden)]
    numbers += ["" if took is None else f"{took:.3f}" for took in (row.p50, row.p99)]
    names = [Text(name, style) for name in row.key]
    return [*names, *(Text(text, style, justify="right") for text in (*numbers, row.grade))]


@contextmanager
def keyboard(piped: bool) -> Iterator[None]:
    """Where stdin is a pipe with a log in it, keys come from the terminal itself; what reads the log keeps the pipe.

    Raises UsageError where there is no terminal, or no pipe; ConfigurationError where stdin is closed.
    """
    typed = open_stdin().isatty()
    if not sys.stdout.isatty() or not (piped or typed):
        raise UsageError("top needs a terminal; `enricher tail` writes to anything")
    if piped and typed:
        raise UsageError("a log was to come through stdin, which is the terminal that keys come from")
    if not piped:
        yield
        return
    log = os.dup(0)
    try:
        tty = os.open(KEYBOARD, os.O_RDWR)
    except OSError as error:
        raise UsageError(f"top needs a terminal to read keys from: {error.strerror}") from error
    os.dup2(tty, 0)
    os.close(tty)
    sys.stdin = open(log)  # noqa: SIM115  # a thread may wait for it until the process ends
    yield


def main(arguments: dict[str, Any]) -> int:
    """Show the view until it is left; return the exit code."""
    settings, files = resolve_settings(TOP, arguments), arguments["files"]
    feed = open_feed(settings, files, WINDOW)
    # Files are shown as a whole, what comes through a pipe as it comes.
    window = WINDOW if STDIN in files or not files else None
    stats = PodStats(window, whole=not files, namespace=settings.cluster.namespace)
    with keyboard(STDIN in files):
        root = logging.getLogger("enricher")
        root.addHandler(logging.NullHandler())
        root.propagate = False  # the first line of the view shows problems
        app = Top(stats, feed, (lambda: stats.newest) if files else time.time_ns)
        app.run()
    if app.failure:
        raise_first_error(BaseExceptionGroup("", [app.failure]))
        raise app.failure
    return app.return_code or 0
