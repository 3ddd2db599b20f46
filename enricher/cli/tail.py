"""`enricher tail`: one short line for each request."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

from enricher.cli.common import raise_first_error
from enricher.cli.feed import ClusterFeed, open_feed
from enricher.config.options import TAIL
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.report.record_view import (
    OutputRecord,
    attempts_text,
    has_own_attempts,
    ids_text,
    is_failure,
    is_of_request,
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


@dataclass(frozen=True, kw_only=True)
class LineFilter:
    """The conditions for a line to be printed; it must meet all that are set.

    A line that names no upstream matches no `pod`, `service` or `namespace`.
    """

    errors: bool = False
    """Only access lines of requests that failed."""
    pod: str | None = None
    """A shell pattern."""
    service: str | None = None
    """A shell pattern of a service; with a slash in it, of a namespace and a service."""
    namespace: str | None = None
    request: str | None = None
    """An id of the request: one that the line has in a field of its own, or, in a line of another kind, somewhere."""

    def matches(self, record: OutputRecord) -> bool:
        if self.request is not None and not is_of_request(record, self.request):
            return False
        if self.errors and not (has_own_attempts(record) and is_failure(record)):
            return False
        parts = (record, *(record.get("attempts") or ()))
        owners = [owner for part in parts for owner in (part, *part.get("candidates", ())) if "pod" in owner]
        if self.pod is not None and not any(fnmatchcase(owner["pod"], self.pod) for owner in owners):
            return False
        if self.namespace is not None and self.namespace not in {part.get("namespace") for part in parts}:
            return False
        if self.service is None:
            return True
        services = [f"{part.get('namespace', '')}/{part['service']}" for part in parts if "service" in part]
        pattern = self.service if "/" in self.service else f"*/{self.service}"
        return any(fnmatchcase(service, pattern) for service in services)


def format_lines(data: bytes, line_filter: LineFilter, *, as_json: bool = False, coloured: bool = False) -> bytes:
    """Return those of some JSON lines that match, as they are or as short lines."""
    out = []
    for line in data.splitlines():
        record = orjson.loads(line)
        if not line_filter.matches(record):
            continue
        if as_json:
            out.append(line)
        elif (text := format_record(record, coloured=coloured)) is not None:
            ids = f"  {ids_text(record)}" if line_filter.request is not None else ""
            out.append(f"{text}{ids}".encode())
        elif line_filter.request is not None:
            out.append(f"{time_text(record)}  {part_text(record)}".encode())
    return b"".join(line + b"\n" for line in out)


def format_record(record: OutputRecord, *, coloured: bool = False) -> str | None:
    """Return a request as one short line, without its newline, or a try without its request; None for any other kind.

    Nothing that a client chose can move the cursor.
    """
    if not has_own_attempts(record):
        return None
    paint: Callable[[str, str], str] = _paint if coloured else lambda text, _: printable(text)
    status = record.get("status")
    status_text = "-" if status is None else printable(status)
    attempts = record.get("attempts") or ()
    columns = [
        paint(time_text(record), DIM),
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
    """Return the duration of the request; without one, that of its last attempt."""
    attempts: Sequence[OutputRecord] = record.get("attempts") or ({},)
    seconds = record.get("request_time", attempts[-1].get("response_time"))
    return f"{seconds:.3f}s" if isinstance(seconds, (int, float)) else "-"


def main(arguments: dict[str, Any]) -> int:
    """Print requests as they come; return the exit code."""
    settings, files = resolve_settings(TAIL, arguments), arguments["files"]
    if files and settings.logs.since:
        raise UsageError("--since cannot be combined with files, which are read from their beginning")
    filters = {name: arguments[name] for name in ("errors", "pod", "service", "request")}
    line_filter = LineFilter(**filters, namespace=settings.cluster.namespace)
    as_json = arguments["output"] == "json"
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    encode = json_encoder(for_terminal=sys.stdout.isatty())

    found = False

    def print_lines(data: bytes) -> None:
        nonlocal found
        lines = format_lines(data, line_filter, as_json=as_json, coloured=is_coloured)
        found = found or bool(lines)
        if as_json:
            sys.stdout.buffer.write(encode(lines))
        else:
            sys.stdout.write(lines.decode())
        sys.stdout.flush()

    feed = open_feed(settings, files, settings.logs.since)
    try:
        if isinstance(feed, ClusterFeed):
            asyncio.run(feed.run(print_lines))
        else:
            for data in feed.read():
                print_lines(data)
    except BaseExceptionGroup as failures:
        raise_first_error(failures, OSError)  # those of a connection have become ApiErrors
        raise
    if line_filter.request is not None and not found:
        warn("no line has the id of --request")
    return EXIT_CONFIGURATION if feed.nothing_fits else 0
