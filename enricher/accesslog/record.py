"""What a line says, whichever proxy wrote it. Pure data."""

from dataclasses import dataclass
from typing import Any

from enricher.accesslog.attempts import Attempt
from enricher.timestamps import SECOND


@dataclass(slots=True)
class Record:
    """A parsed line: its values under their names in the output, and what attribution needs of them (times in ns)."""

    fields: dict[str, Any]
    attempts: list[Attempt]
    ended: int | None = None
    """When the request ended by the proxy's own clock: the true end is no more than `ended_within` later."""
    ended_within: int = SECOND
    duration: int | None = None
    upstream_name: str = ""
    """`<namespace>-<service>-<port>` of the group of upstreams that was asked, as ingress-nginx calls it."""
    client: str = ""
    """Who asked: an IP, or what the proxy wrote in its place."""
