"""Of an output record (docs/output.md) what people are shown of it. Pure.

Clients choose much of it, and a terminal obeys control characters: whatever is shown goes through `printable`.
"""

from collections.abc import Mapping
from typing import Any

from enricher.text import printable, truncate

Record = Mapping[str, Any]
LONGEST_REQUEST = 120
"""Characters of a request that are shown."""
LONGEST_CLIENT = 60
"""Those of a client: some proxies write whatever X-Forwarded-For said."""


def error_code(attempt: Record) -> str:
    """The status of gRPC or HTTP with which an attempt failed; empty where it did not."""
    return str(attempt.get("grpc_status") or (attempt["status"] if _is_5xx(attempt["status"]) else ""))


def is_failure(record: Record) -> bool:
    """Of an access line: its client, or an attempt that nobody saw, met a failure, or got half an answer."""
    attempts = record.get("attempts") or ()
    return _is_5xx(record.get("status")) or any(error_code(one) or "reason" in one for one in attempts)


def _is_5xx(status: object) -> bool:
    """A proxy's JSON may have anything in the place of a number."""
    return isinstance(status, int) and 500 <= status <= 599


def clock(record: Record) -> str:
    """`23:19:13.014`, of the same zone as the stamp (UTC as a rule); empty where the line has no time."""
    time, _, fraction = str(record.get("time") or "")[11:].rstrip("Z").partition(".")
    digits = fraction[:3].partition("+")[0].partition("-")[0]
    return f"{time[:8]}.{digits:0<3}" if time else ""


def asked(record: Record) -> str:
    """`GET /path`; a `-` where the line does not tell."""
    request = record.get("request")
    if not isinstance(request, str):
        request = " ".join(str(record[part]) for part in ("request_method", "request_uri") if record.get(part))
    shown = request if (kept := request.rpartition(" HTTP/")[0]) == "" else kept
    return printable(truncate(shown, LONGEST_REQUEST)) or "-"


def client(record: Record) -> str:
    """Who asked: the pod's name, if it is one."""
    return printable(truncate(str(record.get("client_pod") or record.get("remote_addr") or "-"), LONGEST_CLIENT))


def who(attempt: Record) -> str:
    """The pod, with its grade if that is not `exact`; where none can be named, the address."""
    name = attempt.get("pod") or attempt.get("addr") or "-"
    grade = attempt.get("attribution", "exact")
    return printable(name if grade == "exact" else f"{name} ({grade})")


def outcome(attempt: Record) -> str:
    """`502 refused`, `200`, `200 UNAVAILABLE`; a `-` where there was no status."""
    status = "-" if attempt["status"] is None else attempt["status"]
    more = (attempt[name] for name in ("grpc_status", "reason") if name in attempt)
    return printable(" ".join(map(str, (status, *more))))


def tried(record: Record) -> str:
    """`502 pod-a refused → 200 pod-b`; empty where the one attempt has no more to tell than the line."""
    attempts = record.get("attempts") or ()
    if len(attempts) < 2 and not any("grpc_status" in one or "reason" in one for one in attempts):
        return ""
    parts = []
    for one in attempts:
        status, _, more = outcome(one).partition(" ")
        parts.append(" ".join(filter(None, (status, who(one), more))))
    return " → ".join(parts)
