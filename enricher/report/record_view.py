"""Short texts about an output record (docs/output.md), for people. Pure.

Clients choose much of a record, and a terminal obeys control characters, so all these texts pass through `printable`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from enricher.text import printable, truncate
from enricher.timestamps import MILLISECOND, SECOND, parse_rfc3339
from enricher.vocabulary import Cause, CauseGrade, LineKind, State

_LISTS = ("upstream_status", "upstream_response_time", "upstream_response_length")
"""Fields that are texts if they are nginx's lists; under the same names, other proxies have numbers."""
_FIELDS_OF_PROXIES = {
    "haproxy": frozenset(("termination_state",)),
    "traefik": frozenset(("router_name", "upstream_url", "entryPointName")),
    "envoy": frozenset(("response_flags", "response_flags_long", "response_code_details", "upstream_service_time")),
    "ingress-nginx": frozenset(("proxy_upstream_name",)),
    "nginx": frozenset(_LISTS),
}
"""Fields that only the lines of one kind of proxy have, unless those of another above it have them too."""
Zone = Callable[[datetime], datetime]
"""Puts a time into a time zone."""
OutputRecord = Mapping[str, Any]
"""An output line, parsed, or one of its attempts."""
MAX_REQUEST_LENGTH = 120
"""Characters of a request that are printed."""
MAX_CLIENT_LENGTH = 60
"""Characters of a client that are printed: some proxies log the whole X-Forwarded-For header."""
MAX_ROUTE_LENGTH = 80
"""Characters of a route that are printed."""

_ID_FIELD = re.compile(r"(?:id|traceparent)$", re.IGNORECASE)
"""The end of the name of a field with an id: `req_id`, `http_x_request_id`, `http_x_b3_traceid`."""
MAX_ID_LENGTH = 100
"""Characters of an id that are printed: a client chooses most of them."""


def error_code(attempt: OutputRecord) -> str:
    """Return the gRPC or HTTP status that makes an attempt an error, or `unknown`; empty if it is not one."""
    if attempt["status"] is None and "origin" in attempt:
        return str(attempt.get("grpc_status") or "unknown")
    return str(attempt.get("grpc_status") or (attempt["status"] if _is_5xx(attempt["status"]) else ""))


def has_own_attempts(record: OutputRecord) -> bool:
    """Return whether the attempts of a line are its own: it is a request, or a try whose request is not known."""
    return record["kind"] == LineKind.ACCESS or "request_missing" in record


def part_text(record: OutputRecord) -> str:
    """Return a line that is not a request as text: its message, or what it says of a request's try."""
    if "message" in record:
        return printable(record["message"])
    values = (record.get(name) for name in ("access_log_type", "status", "upstream_addr"))
    return printable(" ".join(str(value) for value in values if value not in {None, "", 0}))


def is_failure(record: OutputRecord) -> bool:
    """Return whether a request failed, for its client or in one of its attempts.

    It did if the client got a 5xx, or if an attempt got a 5xx, a gRPC error, or was broken off by the proxy (`reason`).
    """
    attempts = record.get("attempts") or ()
    return _is_5xx(record.get("status")) or any(error_code(attempt) or "reason" in attempt for attempt in attempts)


def lists_tries(record: OutputRecord) -> bool:
    """Return whether the log lists all attempts of a request, as nginx does; other proxies log the last one."""
    return len(record.get("attempts") or ()) > 1 or any(isinstance(record.get(name), str) for name in _LISTS)


def proxy_of(record: OutputRecord) -> str:
    """Return the kind of proxy that wrote an access line, as its fields show; empty if they do not."""
    return next((proxy for proxy, names in _FIELDS_OF_PROXIES.items() if not names.isdisjoint(record)), "")


def client_failed(record: OutputRecord) -> bool:
    """Return whether the client got a 5xx, or a gRPC call of it failed."""
    attempts: Sequence[OutputRecord] = record.get("attempts") or ({},)
    return _is_5xx(record.get("status")) or bool(attempts[-1].get("grpc_status"))


def retries_of(record: OutputRecord) -> int | None:
    """Return how often the proxy tried a request again; None if the log does not tell.

    nginx lists the attempts, and Envoy's and HAProxy's formats may have their number. Traefik's is always 0 and means
    nothing. In a line that Envoy's router writes for each attempt, the number is 0 although there is one.
    """
    attempts = record.get("attempts") or ()
    if lists_tries(record):
        return max(0, sum("internal_redirect" not in attempt for attempt in attempts) - 1)
    number = record.get("upstream_attempts")
    if isinstance(number, int):
        return max(0, number - 1) if number or not attempts else None
    number = record.get("retries") if "termination_state" in record else None
    return number if isinstance(number, int) else None


def target_of(record: OutputRecord) -> tuple[str, str]:
    """Return the host and the target of a request; an empty text in place of what the line does not have.

    They are as the client chose them, and not fit for a terminal.
    """
    host, target = record.get("host", record.get("http_host")), record.get("request_uri", record.get("uri"))
    if isinstance(request := record.get("request"), str):
        target = (request.rpartition(" HTTP/")[0] or request).partition(" ")[2]
    return _text_or_nothing(host), _text_or_nothing(target)


def _text_or_nothing(value: object) -> str:
    return value if isinstance(value, str) and value != "-" else ""


def is_of_request(record: OutputRecord, request_id: str) -> bool:
    """Return whether a line is about a request with an id.

    An access line is if a field of ids has it, as a whole or as a part of a `traceparent`; so are the lines that Envoy
    writes for each attempt. Lines of other kinds are if their text has it as a word.
    """
    if message := record.get("message"):
        return bool(re.search(rf"(?<![\w-]){re.escape(request_id)}(?![\w-])", str(message)))
    return any(request_id == value or request_id in _traceparent_parts(value) for _, value in _ids(record))


def ids_text(record: OutputRecord) -> str:
    """Return the ids of an access line: `req_id=4f… trace_id=…`."""
    return printable(" ".join(f"{name}={truncate(value, MAX_ID_LENGTH)}" for name, value in _ids(record)))


def _ids(record: OutputRecord) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, str) and value not in {"", "-"} and _ID_FIELD.search(name):
            yield name, value


def _traceparent_parts(value: str) -> list[str]:
    """Return the trace and the span of a `traceparent` of W3C; nothing for another id."""
    parts = value.split("-")
    return parts[1:3] if len(parts) == 4 and list(map(len, parts)) == [2, 32, 16, 2] else []


def _is_5xx(status: object) -> bool:
    """Return whether a status is a 5xx; a proxy's JSON may have anything in place of a number."""
    return isinstance(status, int) and 500 <= status <= 599


def time_text(record: OutputRecord, zone: Zone | None = None) -> str:
    """Return a record's time as `23:19:13.014`; empty without one.

    Without a `zone`, it is in that of the stamp, which is UTC as a rule.
    """
    stamp = str(record.get("time") or "")
    if zone and (at := parse_rfc3339(stamp.encode())) is not None:
        return f"{datetime_in(zone, at):%H:%M:%S}.{at % SECOND // MILLISECOND:03}"
    time, _, fraction = stamp[11:].rstrip("Z").partition(".")
    digits = fraction[:3].partition("+")[0].partition("-")[0]
    return printable(f"{time[:8]}.{digits:0<3}") if time else ""


def datetime_in(zone: Zone | None, at: int) -> datetime:
    """Return a time (ns since the epoch) in a zone, to the second; in UTC without one, and at the calendar's ends."""
    time = datetime.fromtimestamp(at // SECOND, UTC)
    try:
        return zone(time) if zone else time
    except OverflowError:  # of a zone other than UTC in the year 1 or 9999
        return time


def request_text(record: OutputRecord) -> str:
    """Return the request as `GET /path`; `-` if the line does not have it."""
    request = record.get("request")
    if not isinstance(request, str):
        request = " ".join(str(record[part]) for part in ("request_method", "request_uri") if record.get(part))
    without_protocol = request.rpartition(" HTTP/")[0]
    return printable(truncate(without_protocol or request, MAX_REQUEST_LENGTH)) or "-"


def client_text(record: OutputRecord) -> str:
    """Return the client's pod, else its address; `-` if the line has neither."""
    return printable(truncate(str(record.get("client_pod") or record.get("remote_addr") or "-"), MAX_CLIENT_LENGTH))


def route_text(record: OutputRecord) -> str:
    """Return the route that a request came by: `ingress/shop/cart`; empty if the log does not name it."""
    return printable(truncate(str(record.get("route") or ""), MAX_ROUTE_LENGTH))


def pod_text(attempt: OutputRecord) -> str:
    """Return an attempt's pod, else its address, with the grade in parentheses unless that is `exact`."""
    name = attempt.get("pod") or attempt.get("addr") or "-"
    grade = attempt.get("attribution", "exact")
    return printable(name if grade == "exact" else f"{name} ({grade})")


def outcome_text(attempt: OutputRecord) -> str:
    """Return how an attempt ended: `200`, `200 UNAVAILABLE`, `502 refused`; `-` in place of a missing status."""
    status = "-" if attempt["status"] is None else attempt["status"]
    details = (attempt[name] for name in ("grpc_status", "reason") if name in attempt)
    return printable(" ".join(map(str, (status, *details))))


def untried_text(record: OutputRecord) -> str:
    """Return how a request ended that no pod was tried for: `503 no_endpoints`."""
    status = record.get("status")
    return printable(f"{'-' if status is None else status} {record['reason']}")


def _target_text(record: OutputRecord) -> str:
    """Return the service of a request that no pod was tried for, or else its route; empty if neither is known."""
    if service := record.get("service"):
        return printable("/".join(filter(None, (record.get("namespace"), service))))
    return printable(record.get("route") or "")


def cause_text(failed: OutputRecord) -> str:
    """Return why an attempt or a request failed: `crashed`, `shutting_down (likely)`; empty if that is not known.

    A cause that only repeats the reason is left out.
    """
    cause, grade = failed.get("cause", Cause.UNKNOWN), failed.get("cause_grade")
    if cause in {Cause.UNKNOWN, failed.get("reason")}:
        return ""
    return printable(cause if grade == CauseGrade.CERTAIN else f"{cause} ({grade})")


def state_text(attempt: OutputRecord) -> str:
    """Return what the pod of an attempt was in the middle of: `terminating for 1.2 s`.

    A pod that is `gone` has left the slices, and how late the attempt was is counted from the beginning of its
    termination. The text is empty for a pod that was ready or whose state is not certain.
    """
    state, seconds, late = (attempt.get(name) for name in ("state", "state_seconds", "late_seconds"))
    if state in {None, State.READY}:
        return ""
    if state == State.GONE and late is not None:
        return f"gone, {late:.1f} s after it began to terminate"
    return printable(f"{state} for {seconds:.1f} s" if seconds is not None else state)


def attempts_text(record: OutputRecord) -> str:
    """Return a record's attempts as `502 pod-a refused, crashed → 200 pod-b`.

    It is empty if there is at most one attempt, about which there is nothing but a status to say: other columns have
    it. If no pod was tried, it is `503 shop/web no_endpoints`, with the route if the service is not known.
    """
    attempts = record.get("attempts") or ()
    if not attempts and record["kind"] == LineKind.ACCESS and "reason" in record:
        status, _, reason = untried_text(record).partition(" ")
        text = " ".join(filter(None, (status, _target_text(record), reason)))
        return ", ".join(filter(None, (text, cause_text(record))))
    details = [
        (outcome_text(attempt).partition(" ")[2], cause_text(attempt), state_text(attempt)) for attempt in attempts
    ]
    if len(attempts) < 2 and not any(map(any, details)):
        return ""
    texts = (
        " ".join((outcome_text(attempt).partition(" ")[0], pod_text(attempt), ", ".join(filter(None, parts)))).rstrip()
        for attempt, parts in zip(attempts, details, strict=True)
    )
    return " → ".join(texts)
