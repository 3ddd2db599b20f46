"""`enricher enrich`: logs that lie on a disk, enriched by a history that is complete before the first line is read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from enricher.cluster.attribution import Known
from enricher.enriching import Batch, Enricher
from enricher.lines import Source
from enricher.metrics import Metrics
from enricher.settings import DEFAULT_LOG_FORMAT, Settings
from enricher.summary import Summary
from enricher.tailing.reading import read_file

STDIN = "-"
WORTH_A_BAR = 8 * 1024 * 1024
"""Files of less than this many bytes are read before a progress bar could be looked at."""


def enrich(settings: Settings, files: Sequence[str], known: Known, *, summary: bool, out: BinaryIO) -> None:
    """Writes one JSON line per line of the files to `out`, or with `summary` a table of what happened."""
    metrics = Metrics()
    enricher = Enricher(settings.log_format, known, metrics, node=settings.node, pod_variable=settings.pod_variable)
    table = Summary()
    with _progress(files) as progress:
        for file in files:
            for lines in read_file(sys.stdin.buffer if file == STDIN else file, progress=progress(file)):
                data = enricher.enrich(Batch(Source(file), lines)).data
                if not summary:
                    out.write(data)
                for record in data.splitlines() if summary else ():
                    table.add(orjson.loads(record))
    if metrics.lines["parse_error"] and not metrics.lines["access"]:
        tried = "ingress-nginx's default" if settings.log_format is DEFAULT_LOG_FORMAT else "the given one"
        sys.stderr.write(f"enricher: no line fits the log format, {tried} ({metrics.lines.total()} lines)\n")
    if summary:
        table.render(_Console(width=None if sys.stdout.isatty() else 160))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves to the command what a reader that went away means; rich's own way is to exit with 1."""
        raise BrokenPipeError


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[str], Callable[[int], object] | None]]:
    """For each file what is to be told its bytes read: a bar on stderr, if it is a terminal and there is much to do."""
    sizes = {file: os.path.getsize(file) for file in files if file != STDIN and os.path.exists(file)}
    if not sys.stderr.isatty() or sum(sizes.values()) < WORTH_A_BAR:
        yield lambda _: None
        return
    console = Console(stderr=True)
    with Progress("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console) as bars:

        def bar(file: str) -> Callable[[int], object]:
            task = bars.add_task(os.path.basename(file), total=sizes.get(file))
            return lambda taken: bars.update(task, completed=taken)

        yield bar
