"""The statuses of gRPC, as proxies write them. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from enricher.accesslog.escaping import MISSING

STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of the statuses by their number (https://grpc.io/docs/guides/status-codes/)."""
_NAMES_BY_SPELLING = {name.replace("_", ""): name for name in STATUS_NAMES} | {"CANCELED": "CANCELLED"}


def parse_status(text: bytes) -> str:
    """Return the name of a status: UNAVAILABLE for `14`, `Unavailable` or `UNAVAILABLE`; empty for `-` or nothing.

    Anything else becomes UNKNOWN, as gRPC's specification demands: the pod chose it.
    """
    if text in MISSING:
        return ""
    return _look_up_status(text) if len(text) < 20 else "UNKNOWN"


def first_status(texts: Iterable[bytes]) -> str:
    """Return the name of the first status among the texts; empty if there is none.

    The trailers come first: an answer that has both has its status there.
    """
    return next(filter(None, map(parse_status, texts)), "")


@lru_cache(maxsize=256)
def _look_up_status(text: bytes) -> str:
    if text.isdigit():
        return STATUS_NAMES[int(text)] if int(text) < len(STATUS_NAMES) else "UNKNOWN"
    return _NAMES_BY_SPELLING.get(text.decode("ascii", "replace").replace("_", "").upper(), "UNKNOWN")
