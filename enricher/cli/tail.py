"""`enricher tail`: one short line for each request, as people read them."""

import asyncio
import logging
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
from enricher.errors import UsageError
from enricher.report.record_view import Record, asked, clock, is_failure, tried, who
from enricher.text import printable

RED, GREEN, YELLOW, CYAN, DIM = "31", "32", "33", "36", "2"
_COLOURS = {2: GREEN, 3: CYAN, 4: YELLOW, 5: RED}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines are shown: all that is given has to fit. With any of it only lines that name an upstream are."""

    errors: bool = False
    pod: str | None = None
    """A pattern as the shell's."""
    service: str | None = None
    """A pattern, too; with a slash in it, one of a namespace and a service."""
    namespace: str | None = None

    def fits(self, record: Record) -> bool:
        if self.errors and not (record["kind"] == "access" and is_failure(record)):
            return False
        parts = (record, *(record.get("attempts") or ()))
        pods = [one["pod"] for part in parts for one in (part, *part.get("candidates", ())) if "pod" in one]
        if self.pod is not None and not any(fnmatchcase(pod, self.pod) for pod in pods):
            return False
        if self.namespace is not None and self.namespace not in {part.get("namespace") for part in parts}:
            return False
        services = [(part.get("namespace", ""), part["service"]) for part in parts if "service" in part]
        wanted = self.service if self.service is None or "/" in self.service else f"*/{self.service}"
        return wanted is None or any(fnmatchcase("/".join(one), wanted) for one in services)


def shown(data: bytes, wanted: Wanted, *, as_json: bool = False, coloured: bool = False) -> bytes:
    """Of JSON lines those that are wanted, as they go to stdout."""
    out = []
    for line in data.splitlines():
        record = orjson.loads(line)
        if wanted.fits(record):
            text = None if as_json else one_liner(record, coloured=coloured)
            out += [line] if as_json else [text.encode()] if text is not None else []
    return b"".join(line + b"\n" for line in out)


def one_liner(record: Record, *, coloured: bool = False) -> str | None:
    """An access line on one line, without its newline; None for any other kind. Nothing in it can move the cursor."""
    if record["kind"] != "access":
        return None
    paint: Callable[[str, str], str] = _painted if coloured else lambda text, _: text
    status = record.get("status")
    shown = "-" if status is None else printable(status)
    attempts = record.get("attempts") or ()
    parts = [
        paint(clock(record), DIM),
        paint(f"{shown:>3}", _COLOURS.get(status // 100, CYAN) if isinstance(status, int) else RED),
        asked(record),
        who(attempts[-1]) if attempts else "-",
        _seconds(record),
        paint(tried(record), RED if is_failure(record) else DIM),
    ]
    return "  ".join(filter(None, parts))


def _painted(text: str, colour: str) -> str:
    return f"\033[{colour}m{text}\033[0m" if text else ""


def _seconds(record: Record) -> str:
    """What the request took; without that, what its last attempt took."""
    attempts: Sequence[Record] = record.get("attempts") or ({},)
    took = record.get("request_time", attempts[-1].get("response_time"))
    return f"{took:.3f}s" if isinstance(took, (int, float)) else "-"


def main(arguments: dict[str, Any]) -> int:
    """Print requests as they come; return the exit code."""
    settings, files = resolve_settings(TAIL, arguments), arguments["files"]
    if files and settings.logs.since:
        raise UsageError("--since cannot be combined with files, which are read from their beginning")
    logging.basicConfig(format="enricher: %(message)s")
    filters = {name: arguments[name] for name in ("errors", "pod", "service")}
    wanted = Wanted(**filters, namespace=settings.cluster.namespace)
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def take(data: bytes) -> None:
        sys.stdout.buffer.write(shown(data, wanted, as_json=arguments["output"] == "json", coloured=is_coloured))
        sys.stdout.buffer.flush()

    feed = open_feed(settings, files, settings.logs.since)
    try:
        if isinstance(feed, ClusterFeed):
            asyncio.run(feed.run(take))
        else:
            for data in feed.read():
                take(data)
    except BaseExceptionGroup as failures:
        raise_first_error(failures, OSError)  # those of a connection have become ApiErrors
        raise
    return 0
