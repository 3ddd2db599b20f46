"""A progress bar for files that take a while to read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from enricher.config.options import STDIN
from enricher.report.console import PipedConsole
from enricher.text import printable

PROGRESS_SIZE = 8 * 1024 * 1024
"""Bytes from which on there is a progress bar: smaller files are read in a moment."""


@contextmanager
def show_progress(files: Sequence[str]) -> Iterator[Callable[[str], Callable[[int], object] | None]]:
    """Yield a function that returns, for a file, a callback for the bytes read of it; None without a progress bar."""
    sizes = {file: os.path.getsize(file) for file in files if file != STDIN and os.path.exists(file)}
    if not sys.stderr.isatty() or sum(sizes.values()) < PROGRESS_SIZE:
        yield lambda _: None
        return
    name = TextColumn("{task.description}", markup=False)
    console = PipedConsole(stderr=True)
    with Progress(name, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console) as bars:

        def bar(file: str) -> Callable[[int], object]:
            task = bars.add_task(printable(os.path.basename(file)), total=sizes.get(file))
            return lambda size: bars.update(task, completed=size)

        yield bar
