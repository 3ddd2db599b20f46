"""`enricher enrich`: log files, enriched with a history that is complete before the first line is read."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Protocol

import orjson

from enricher.cli.common import read_histories, report_news, warn_about
from enricher.cli.file_enricher import FileEnricher
from enricher.cli.progress import show_progress
from enricher.cli.roll_ups import ROLL_UPS, missing_names
from enricher.cli.upstreams import Upstreams
from enricher.cli.whole_lines import WholeLines
from enricher.config.options import ENRICH, STDIN
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.enrich.format_check import FormatCheck
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.report.console import PipedConsole
from enricher.report.pod_stats import PodStats
from enricher.report.record_view import OutputRecord
from enricher.report.service_map import MAPS, ServiceMap
from enricher.report.summary_documents import SUMMARIES
from enricher.report.summary_table import print_summary
from enricher.report.terminal import json_encoder, print_lines, warn
from enricher.tailer.reader import open_stdin


def main(arguments: dict[str, Any]) -> int:
    """Print enriched lines, a summary or a map; return the exit code."""
    if arguments["summary"] and arguments["map"]:
        raise UsageError("--summary and --map cannot be combined: give one of them")
    if not arguments["summary"] and (option := next((name for name in ("output", "by") if arguments[name]), None)):
        raise UsageError(f"--{option} is about the table of --summary: add --summary")
    settings = resolve_settings(ENRICH, arguments)
    warn_about(settings)
    if not arguments["files"] and open_stdin().isatty():
        warn("reading a log from stdin until Ctrl-D: give FILE to read a file")
    histories = read_histories(settings.cluster)
    report: _Report | None = None
    if arguments["summary"]:
        report = _Summary(arguments, Upstreams(settings.cluster.namespace))
    elif arguments["map"]:
        report = _Map(arguments["map"])
    check = enrich(settings, arguments["files"] or [STDIN], histories, report=report, out=sys.stdout.buffer)
    sys.stdout.flush()
    return EXIT_CONFIGURATION if check.nothing_fits else 0


class _Report(Protocol):
    """What is printed about all lines in place of the lines."""

    def add(self, record: OutputRecord) -> None: ...
    def print(self) -> None: ...


class _Summary:
    """The table of --summary."""

    def __init__(self, arguments: dict[str, Any], upstreams: Upstreams) -> None:
        self._form = arguments["output"] or "text"
        self._stats = PodStats(None, roll_up=ROLL_UPS[arguments["by"] or "pod"], included=upstreams.include)
        self.add = self._stats.add

    def print(self) -> None:
        if self._form == "text":
            print_summary(self._stats, PipedConsole())
        else:
            print_lines(SUMMARIES[self._form](self._stats))
        if text := missing_names(self._stats):
            warn(text)


class _Map:
    """The graph of --map, in a language of MAPS."""

    def __init__(self, language: str) -> None:
        self._language, self._map = language, ServiceMap()
        self.add = self._map.add

    def print(self) -> None:
        print_lines(MAPS[self._language](self._map))


def enrich(
    settings: Settings, files: Sequence[str], histories: Histories, *, report: _Report | None, out: BinaryIO
) -> FormatCheck:
    """Write one JSON line for each line of the files, or instead a report.

    Return the judgement whether the lines fit their format. If Ctrl-C ends the reading, print the report of the lines
    so far and raise KeyboardInterrupt.
    """
    check = FormatCheck(1, settings.logs.expected_format)
    enricher = FileEnricher(settings, files, check, load=lambda: histories, report=warn, takes_output=False)
    interrupted = False
    encode, lines_out = json_encoder(for_terminal=out.isatty()), WholeLines(out)
    put = _consumer(report, lambda data: lines_out.write(encode(data)))
    with show_progress(enricher.paths) as progress, report_news(check, warn), lines_out.delaying_interrupts():
        try:
            for lines in enricher.read(progress=progress):
                put(lines)
        except KeyboardInterrupt:
            if report is None:
                raise
            interrupted = True
        for lines in enricher.finish():
            put(lines)
    for warning in enricher.warnings():
        warn(warning)
    if report:
        report.print()
    if interrupted:
        warn("interrupted: the lines after these were not read")
        raise KeyboardInterrupt
    return check


def _consumer(report: _Report | None, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Return what takes JSON lines: the report, or else `write`."""
    if report is None:
        return write

    def add(data: bytes) -> None:
        for record in data.splitlines():
            report.add(orjson.loads(record))

    return add
