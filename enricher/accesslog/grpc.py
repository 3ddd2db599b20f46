"""gRPC's own statuses, as proxies write them. Pure."""

from functools import lru_cache

CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""By number (https://grpc.io/docs/guides/status-codes/)."""
_SPELLED = {code.replace("_", ""): code for code in CODES} | {"CANCELED": "CANCELLED"}


def status_name(text: bytes) -> str:
    """`14`, `Unavailable` or `UNAVAILABLE` as UNAVAILABLE; empty where nothing or `-` is said. What gRPC does not know
    is to be taken for UNKNOWN, says its specification: the pod chose it.
    """
    if text in {b"", b"-"}:
        return ""
    return _known(text) if len(text) < 20 else "UNKNOWN"


@lru_cache(maxsize=256)
def _known(text: bytes) -> str:
    if text.isdigit():
        return CODES[int(text)] if int(text) < len(CODES) else "UNKNOWN"
    return _SPELLED.get(text.decode("ascii", "replace").replace("_", "").upper(), "UNKNOWN")
