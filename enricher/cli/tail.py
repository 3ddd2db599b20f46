"""`enricher tail`: one short line for each request."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from enricher.cli.common import raise_first_error
from enricher.cli.feed import DEFAULT_SINCE, ClusterFeed, open_feed, refuse_since
from enricher.cli.fold import Fold
from enricher.cli.line_filter import LineFilter, parse_seconds, parse_statuses, seconds_of
from enricher.cli.line_writer import LineWriter
from enricher.cli.time_zone import zone_for_people
from enricher.cli.upstreams import Upstreams, parse_upstreams
from enricher.config.options import STDIN, TAIL
from enricher.config.resolve import resolve_settings
from enricher.daemon.stdout import StdoutWriter
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.report.record_view import (
    OutputRecord,
    Zone,
    attempts_text,
    has_own_attempts,
    ids_text,
    is_failure,
    part_text,
    pod_text,
    request_text,
    time_text,
)
from enricher.report.terminal import json_encoder, warn
from enricher.text import printable

RED, GREEN, YELLOW, CYAN, DIM = "31", "32", "33", "36", "2"
"""Parameters of the terminal's escape sequence that sets a colour."""
_COLOURS = {2: GREEN, 3: CYAN, 4: YELLOW, 5: RED}
"""Colours of statuses, by their first digit."""


def format_lines(
    data: bytes,
    line_filter: LineFilter,
    *,
    as_json: bool = False,
    coloured: bool = False,
    zone: Zone | None = None,
    fold: Fold | None = None,
) -> bytes:
    """Return those of some JSON lines that match, as they are or as short lines, which may be folded."""
    out = []
    for line in data.splitlines():
        record = orjson.loads(line)
        if not line_filter.matches(record):
            continue
        if as_json:
            out.append(line + b"\n")
        elif (text := format_record(record, coloured=coloured, zone=zone)) is not None:
            ids = f"  {ids_text(record)}" if line_filter.request is not None else ""
            out.append((fold.add(record, text) if fold else f"{text}{ids}\n").encode())
        elif line_filter.request is not None:
            out.append(f"{time_text(record, zone)}  {part_text(record)}\n".encode())
    return b"".join(out)


def format_record(record: OutputRecord, *, coloured: bool = False, zone: Zone | None = None) -> str | None:
    """Return a request as one short line, without its newline, or a try without its request; None for any other kind.

    Its time is in `zone`, or in that of its stamp. Nothing that a client chose can move the cursor.
    """
    if not has_own_attempts(record):
        return None
    paint: Callable[[str, str], str] = _paint if coloured else lambda text, _: printable(text)
    status = record.get("status")
    status_text = "-" if status is None else printable(status)
    attempts = record.get("attempts") or ()
    columns = [
        paint(time_text(record, zone), DIM),
        paint(f"{status_text:>3}", _COLOURS.get(status // 100, CYAN) if isinstance(status, int) else RED),
        request_text(record),
        pod_text(attempts[-1]) if attempts else "-",
        _seconds_text(record),
        paint(attempts_text(record), RED if is_failure(record) else DIM),
        paint("without its request", DIM) if "request_missing" in record else "",
    ]
    return "  ".join(filter(None, columns))


def _paint(text: str, colour: str) -> str:
    return f"\033[{colour}m{printable(text)}\033[0m" if text else ""


def _seconds_text(record: OutputRecord) -> str:
    seconds = seconds_of(record)
    return "-" if seconds is None else f"{seconds:.3f}s"


def _is_coloured(when: str) -> bool:
    """Return whether to print colours; `when` is always, never or auto: on a terminal, unless the user refuses them."""
    if when != "auto":
        return when == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def main(arguments: dict[str, Any]) -> int:
    """Print requests as they come; return the exit code."""
    settings = resolve_settings(TAIL, arguments)
    upstreams, files = parse_upstreams(arguments, settings.cluster.namespace)
    refuse_since(arguments, files)
    if arguments["follow"] and arguments["no_follow"]:
        raise UsageError("--follow and --no-follow cannot be combined: give one of them")
    if arguments["follow"] and (path := next((path for path in files if path != STDIN), None)):
        raise UsageError(
            f"--follow is about a cluster's logs: to follow a file, use `tail -F {path} | enricher tail -`"
        )
    if files and arguments["no_follow"]:
        raise UsageError("--no-follow cannot be combined with files, which are read to their ends")
    filters = {name: arguments[name] for name in ("errors", "pod", "service", "route", "request")}
    line_filter = LineFilter(
        **filters,
        upstreams=upstreams,
        statuses=parse_statuses(arguments["status"]) if arguments["status"] else (),
        slower_than=parse_seconds(arguments["slower_than"]) if arguments["slower_than"] else None,
    )
    printer = _Printer(line_filter, arguments)
    since = settings.logs.since or (DEFAULT_SINCE if arguments["no_follow"] else 0)
    feed = open_feed(settings, files, since, follow=not arguments["no_follow"], upstreams=upstreams)
    try:
        if isinstance(feed, ClusterFeed):
            asyncio.run(_print_feed(feed, printer))
        else:
            for data in feed.read():
                printer.print(data)
    except BaseExceptionGroup as failures:
        raise_first_error(failures, OSError)  # those of a connection have become ApiErrors
        raise
    finally:
        printer.end()
        has_failed = feed.nothing_fits or isinstance(sys.exception(), Exception)  # it is reported; Ctrl-C is none
        if not printer.has_printed and not has_failed:
            _warn_of_no_match(printer.lines, arguments, upstreams)
    return EXIT_CONFIGURATION if feed.nothing_fits else 0


async def _print_feed(feed: ClusterFeed, printer: "_Printer") -> None:
    """Print the lines of a cluster. Its logs are not read while stdout has no room for them."""
    writer = LineWriter(StdoutWriter(sys.stdout.fileno(), encode=lambda lines: lines))
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        await feed.run(lambda data: writer.put(printer.format(data)), wait_for_room=writer.wait_for_room)
        writer.end()


def _warn_of_no_match(lines: int, arguments: Mapping[str, Any], upstreams: Upstreams) -> None:
    """Print why nothing was printed: an empty output may also mean that all is well, or that nothing was read."""
    conditions = _conditions(arguments, upstreams)
    if not lines:
        warn("no line was read" + (f", so none matches {conditions}" if conditions else ""))
    elif conditions:
        warn(f"no line of {lines:,} matches {conditions}")
    else:
        warn(f"no line of {lines:,} is about a request: -o json prints them all")


def _conditions(arguments: Mapping[str, Any], upstreams: Upstreams) -> str:
    """Return the conditions for a line to be printed, as the user typed them; empty if there are none."""
    texts = [named.text for named in upstreams.objects]
    values = {"namespace": upstreams.namespace, "selector": upstreams.selector} | {
        name: arguments[name] for name in ("pod", "service", "route", "status", "slower_than", "request")
    }
    texts += (f"--{name.replace('_', '-')} {value}" for name, value in values.items() if value)
    return ", ".join([*texts, *["--errors"] * arguments["errors"]])


class _Printer:
    """Formats those lines for stdout that match a filter, and may write them."""

    def __init__(self, line_filter: LineFilter, arguments: Mapping[str, Any]) -> None:
        self._filter, self._as_json = line_filter, arguments["output"] == "json"
        self._zone = zone_for_people(arguments)
        self._coloured = _is_coloured(arguments["color"])
        is_terminal = sys.stdout.isatty()
        self._encode = json_encoder(for_terminal=is_terminal)
        self._fold = Fold() if is_terminal and arguments["errors"] and not arguments["request"] else None
        self.lines = 0
        """Lines so far, also those that were not printed."""
        self.has_printed = False

    def print(self, data: bytes) -> None:
        """Write those of some JSON lines that match."""
        sys.stdout.buffer.write(self.format(data))
        sys.stdout.flush()

    def format(self, data: bytes) -> bytes:
        """Return what is to be written of some JSON lines: those that match."""
        self.lines += data.count(b"\n")
        lines = format_lines(
            data, self._filter, as_json=self._as_json, coloured=self._coloured, zone=self._zone, fold=self._fold
        )
        self.has_printed = self.has_printed or bool(lines)
        if self._as_json:
            return self._encode(lines)
        return lines.decode().encode(sys.stdout.encoding, sys.stdout.errors or "strict")

    def end(self) -> None:
        """End a line that is not complete."""
        if self._fold and (text := self._fold.end()):
            sys.stdout.write(text)
            sys.stdout.flush()
