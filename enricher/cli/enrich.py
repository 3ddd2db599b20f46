"""`enricher enrich`: log files, enriched with a history that is complete before the first line is read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import orjson
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from enricher.accesslog.detection import FormatDetector
from enricher.cli.common import read_histories, report_news, result_warnings, warn_about
from enricher.cli.log_lines import enrich_lines, read_logs
from enricher.config.options import ENRICH, STDIN
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Enricher, Output
from enricher.enrich.format_check import FormatCheck
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.metrics.counters import Metrics
from enricher.report.console import PipedConsole
from enricher.report.pod_stats import PodStats
from enricher.report.service_map import MAPS, ServiceMap
from enricher.report.summary_table import print_summary
from enricher.report.terminal import json_encoder, print_lines, warn
from enricher.tailer.log_paths import find_logs, has_several_files
from enricher.tailer.reader import open_stdin
from enricher.text import printable

PROGRESS_SIZE = 8 * 1024 * 1024
"""Bytes from which on there is a progress bar: smaller files are read in a moment."""


def main(arguments: dict[str, Any]) -> int:
    """Print enriched lines, a summary or a map; return the exit code."""
    if arguments["summary"] and arguments["map"]:
        raise UsageError("--summary and --map cannot be combined: give one of them")
    settings = resolve_settings(ENRICH, arguments)
    warn_about(settings)
    if not arguments["files"] and open_stdin().isatty():
        warn("reading a log from stdin until Ctrl-D: give FILE to read a file")
    histories = read_histories(settings.cluster)
    report = "summary" if arguments["summary"] else arguments["map"]
    check = enrich(settings, arguments["files"] or [STDIN], histories, report=report, out=sys.stdout.buffer)
    sys.stdout.flush()
    return EXIT_CONFIGURATION if check.nothing_fits else 0


def enrich(
    settings: Settings, files: Sequence[str], histories: Histories, *, report: str | None, out: BinaryIO
) -> FormatCheck:
    """Write one JSON line for each line of the files, or instead a `report`: "summary", or a key of MAPS.

    Return the judgement whether the lines fit their format.
    """
    metrics = Metrics(max_series=settings.server.max_series)
    detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    enricher = Enricher(detector, metrics, node=settings.output.node, pod_variable=settings.output.pod_variable)
    totals = PodStats(None) if report == "summary" else ServiceMap() if report else None
    check = FormatCheck(1, settings.logs.expected_format)
    encode = json_encoder(for_terminal=out.isatty())
    logs = find_logs(files, settings.logs.is_proxy, warn)
    name_files = has_several_files(logs)
    with _progress([path for log in logs for path in log.paths]) as progress, report_news(check, warn):
        for batch in read_logs(logs, detector, open_stdin, warn, progress):
            outputs = list[Output]()
            for output in enrich_lines(enricher, batch, histories):
                outputs.append(output)
                if totals is None:
                    out.write(encode(output.data))
                    continue
                for record in output.data.splitlines():
                    totals.add(orjson.loads(record))
            file = batch.source.path if name_files else ""
            check.add(outputs, batch.lines, formats=enricher.formats(batch.source), file=file)
    enricher.update_counts()
    for warning in result_warnings(settings, metrics.grades, histories, check):
        warn(warning)
    if isinstance(totals, PodStats):
        print_summary(totals, PipedConsole(width=None if sys.stdout.isatty() else 160))
    elif totals and report:
        print_lines(MAPS[report](totals))
    return check


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[str], Callable[[int], object] | None]]:
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
