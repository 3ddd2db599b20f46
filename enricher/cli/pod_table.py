"""The table of `enricher top`, which has as many columns as its terminal has room for."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from enricher.report.console import one_line
from enricher.report.pod_rows import R
from enricher.report.top_texts import Column, fit_columns, row_style, shorten

SCROLLBAR = 2
"""Width of the bar that shows how far the table is scrolled."""


class PodTable(DataTable[Text]):
    """The table of pods. Each movement of the cursor calls `select` with the number of the row under it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "up", key_display="↑"),
        Binding("down", "cursor_down", "down", key_display="↓"),
    ]

    def __init__(self, names: Sequence[str], select: Callable[[int], None]) -> None:
        super().__init__(cursor_type="row", zebra_stripes=True)
        self._names, self._select = names, select

    def show(self, columns: Sequence[Column[R]], rows: Sequence[R], cursor_row: int, *, scrolled: bool) -> None:
        """Show the rows with the cursor on one of them; `scrolled` leaves the table where it is."""
        scroll, numbers = self.scroll_offset, [[column.text(row) for column in columns] for row in rows]
        name_widths = [
            max(map(cell_len, column)) for column in zip(self._names, *(row.key for row in rows), strict=True)
        ]
        titles = [column.title for column in columns]
        number_widths = [max(map(cell_len, texts)) for texts in zip(titles, *numbers, strict=True)]
        widths, number = fit_columns(name_widths, number_widths, self.app.size.width - SCROLLBAR)
        self.clear(columns=True)
        for name, width in zip(self._names, widths, strict=True):
            self.add_column(one_line(name), width=width)
        for column, width in zip(columns[:number], number_widths, strict=False):
            self.add_column(one_line(column.title, justify=column.justify), width=width)
        for row, texts in zip(rows, numbers, strict=True):
            style = row_style(row, coloured=not self.app.no_color)
            cells = [one_line(shorten(name, width), style=style) for name, width in zip(row.key, widths, strict=True)]
            for column, text in zip(columns[:number], texts, strict=False):
                cells.append(one_line(text, style=style, justify=column.justify))
            self.add_row(*cells)
        self.scroll_to(x=0, y=scroll.y if scrolled else 0, animate=False)
        self.move_cursor(row=cursor_row)

    def action_cursor_up(self) -> None:
        super().action_cursor_up()
        self._select(self.cursor_row)

    def action_cursor_down(self) -> None:
        super().action_cursor_down()
        self._select(self.cursor_row)

    def action_page_up(self) -> None:
        super().action_page_up()
        self._select(self.cursor_row)

    def action_page_down(self) -> None:
        super().action_page_down()
        self._select(self.cursor_row)

    def action_scroll_top(self) -> None:
        super().action_scroll_top()
        self._select(self.cursor_row)

    def action_scroll_bottom(self) -> None:
        super().action_scroll_bottom()
        self._select(self.cursor_row)

    def on_click(self) -> None:
        self._select(self.cursor_row)
