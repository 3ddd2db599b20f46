"""`enricher tail`: one short line for each request."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

from enricher.cli.common import raise_first_error
from enricher.cli.feed import DEFAULT_SINCE, ClusterFeed, open_feed
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
    route: str | None = None
    """A shell pattern of a route, or of some of its parts that follow each other: `shop/cart`."""
    statuses: Sequence[range] = ()
    """The statuses that the client may have got; those of the attempt, if its request is not known."""
    slower_than: float | None = None
    """Seconds that the request, or else its last attempt, took at least."""
    request: str | None = None
    """An id of the request: one that the line has in a field of its own, or, in a line of another kind, somewhere."""

    def matches(self, record: OutputRecord) -> bool:
        if self.request is not None and not is_of_request(record, self.request):
            return False
        if self.errors and not (has_own_attempts(record) and is_failure(record)):
            return False
        return self._matches_result(record) and self._matches_place(record)

    def _matches_result(self, record: OutputRecord) -> bool:
        """Return whether a line has the status, the duration and the route that are set."""
        if self.statuses:
            last: OutputRecord = (record.get("attempts") or ({},))[-1]
            status = record.get("status", last.get("status"))
            if not isinstance(status, int) or not any(status in statuses for statuses in self.statuses):
                return False
        if self.slower_than is not None and ((seconds := _seconds(record)) is None or seconds < self.slower_than):
            return False
        route = f"/{record.get('route', '')}/"
        return self.route is None or fnmatchcase(route, f"*/{self.route}/*")

    def _matches_place(self, record: OutputRecord) -> bool:
        """Return whether a line has the pod, the service and the namespace that are set."""
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


def _seconds(record: OutputRecord) -> float | None:
    """Return the duration of the request; without one, that of its last attempt."""
    attempts: Sequence[OutputRecord] = record.get("attempts") or ({},)
    seconds = record.get("request_time", attempts[-1].get("response_time"))
    return seconds if isinstance(seconds, (int, float)) else None


def _seconds_text(record: OutputRecord) -> str:
    seconds = _seconds(record)
    return "-" if seconds is None else f"{seconds:.3f}s"


def parse_statuses(text: str) -> tuple[range, ...]:
    """Parse statuses such as `404` or `5xx`, with commas between them. Raise UsageError."""
    statuses = []
    for each in text.split(","):
        if not re.fullmatch(r"[1-9](?:\d\d|xx)", each, re.ASCII):
            raise UsageError(f"--status {text!r}: expected statuses such as 503, 5xx or 404,5xx")
        first = int(each.replace("x", "0"))
        statuses.append(range(first, first + (100 if "x" in each else 1)))
    return tuple(statuses)


def parse_seconds(text: str) -> float:
    """Parse a duration such as `500ms` or `2s` into seconds. Raise UsageError."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m)", text, re.ASCII)
    if not match:
        raise UsageError(f"--slower-than {text!r}: expected a whole number and one of ms, s, m, as in 500ms")
    number = int(match[1])
    return number / 1000 if match[2] == "ms" else float(number * (60 if match[2] == "m" else 1))


def _is_coloured(when: str) -> bool:
    """Return whether to print colours; `when` is always, never or auto: on a terminal, unless the user refuses them."""
    if when != "auto":
        return when == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def main(arguments: dict[str, Any]) -> int:
    """Print requests as they come; return the exit code."""
    settings, files = resolve_settings(TAIL, arguments), arguments["files"]
    if files and settings.logs.since:
        raise UsageError("--since cannot be combined with files, which are read from their beginning")
    if files and arguments["no_follow"]:
        raise UsageError("--no-follow cannot be combined with files, which are read to their ends")
    filters = {name: arguments[name] for name in ("errors", "pod", "service", "route", "request")}
    line_filter = LineFilter(
        **filters,
        namespace=settings.cluster.namespace,
        statuses=parse_statuses(arguments["status"]) if arguments["status"] else (),
        slower_than=parse_seconds(arguments["slower_than"]) if arguments["slower_than"] else None,
    )
    as_json = arguments["output"] == "json"
    is_coloured = _is_coloured(arguments["color"])

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

    since = settings.logs.since or (DEFAULT_SINCE if arguments["no_follow"] else 0)
    feed = open_feed(settings, files, since, follow=not arguments["no_follow"])
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
