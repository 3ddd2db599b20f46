"""`enricher enrich`: logs that lie on a disk, enriched by a history that is complete before the first line is read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from enricher.config.settings import STDIN, Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Batch, Enricher
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.report.console import PipedConsole
from enricher.report.pod_stats import PodStats
from enricher.report.service_map import MAPS, ServiceMap
from enricher.report.summary_table import print_summary
from enricher.tailer.reader import read_file, stdin

WORTH_A_BAR = 8 * 1024 * 1024
"""Files of less than this many bytes are read before a progress bar could be looked at."""


def enrich(settings: Settings, files: Sequence[str], known: Histories, *, instead: str | None, out: BinaryIO) -> None:
    """Writes one JSON line per line of the files to `out`; `instead` of them a table (`summary`) or one of MAPS."""
    metrics = Metrics(max_series=settings.max_series)
    enricher = Enricher(settings.choosing(), known, metrics, node=settings.node, pod_variable=settings.pod_variable)
    table = PodStats(None) if instead == "summary" else ServiceMap() if instead else None
    with _progress(files) as progress:
        for file in files:
            for lines in read_file(stdin() if file == STDIN else file, progress=progress(file)):
                data = enricher.enrich(Batch(Source(file), lines)).data
                if table is None:
                    out.write(data)
                    continue
                for record in data.splitlines():
                    table.add(orjson.loads(record))
    if metrics.lines["parse_error"] and not metrics.lines["access"]:
        tried = "any known log format"
        if settings.log_format:
            tried = "the log format, the given one"
        elif settings.profile:
            tried = f"a log format of {settings.profile}'s"
        sys.stderr.write(f"enricher: no line fits {tried} ({metrics.lines.total()} lines)\n")
    if isinstance(table, PodStats):
        print_summary(table, PipedConsole(width=None if sys.stdout.isatty() else 160))
    elif table and instead:
        out.writelines(f"{line}\n".encode() for line in MAPS[instead](table))


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
