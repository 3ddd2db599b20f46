"""The help of `enricher top`: its keys, and what the columns mean."""

from collections.abc import Iterable, Mapping

from textual.app import ComposeResult
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = {
    "↑ ↓": "select a row, which then stays selected",
    "s": "sort by the next of ",
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

    def __init__(self, sort_keys: Iterable[str], columns: Mapping[str, str]) -> None:
        """Make the help of a view with these keys to sort by, and columns with these meanings."""
        super().__init__()
        keys = KEYS | {"s": KEYS["s"] + ", ".join(sort_keys)}
        rows = [*keys.items(), ("", ""), *columns.items()]
        width = max(len(name) for name, _ in rows)
        self._text = "\n".join(f"{name:<{width}}  {meaning}".rstrip() for name, meaning in rows)

    def compose(self) -> ComposeResult:
        yield Static(self._text, markup=False)

    def on_key(self, key: Key) -> None:
        key.stop()
        self.dismiss()
