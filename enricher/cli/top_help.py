"""The help of `enricher top`: its keys, and what the columns mean."""

from textual.app import ComposeResult
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from enricher.report.pod_rows import SORT_KEYS
from enricher.report.top_texts import COLUMNS

KEYS = {
    "↑ ↓": "select a row, which then stays selected",
    "s": f"sort by the next of {', '.join(SORT_KEYS)}",
    "/": "show only rows with a text in a name; enter leaves the field",
    "esc": "show all rows again, and select the worst",
    "p": "pause: the picture stands still, counting goes on",
    "q": "quit",
}


class HelpScreen(ModalScreen[None]):
    """The help, until a key is pressed."""

    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen Static { width: auto; height: auto; max-width: 100%; max-height: 100%; }
    HelpScreen Static { padding: 0 1; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        rows = [*KEYS.items(), ("", ""), *((column.title, column.meaning) for column in COLUMNS)]
        width = max(len(name) for name, _ in rows)
        self._text = "\n".join(f"{name:<{width}}  {meaning}".rstrip() for name, meaning in rows)

    def compose(self) -> ComposeResult:
        yield Static(self._text, markup=False)

    def on_key(self, key: Key) -> None:
        key.stop()
        self.dismiss()
