"""The zone in which a command prints times for people: `--timezone`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from enricher.errors import UsageError
from enricher.report.record_view import Zone


def zone_for_people(arguments: Mapping[str, Any]) -> Zone | None:
    """Return what puts times into the zone of --timezone. Raise UsageError.

    It is None without that option, and for what programs read, which does not depend on who runs the command.
    """
    zone = None if arguments["timezone"] is None else parse_timezone(arguments["timezone"])
    return None if arguments.get("output") in {"json", "csv"} else zone


def parse_timezone(text: str) -> Zone:
    """Return what puts a time into a zone: `local`, or a name such as `Europe/Berlin`. Raise UsageError."""
    if text.lower() == "local":
        return datetime.astimezone
    try:
        zone = ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise UsageError(f"--timezone {text!r}: expected local, UTC or a name such as Europe/Berlin") from None
    return lambda time: time.astimezone(zone)
