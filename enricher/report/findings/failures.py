"""The failed attempts of an output record (docs/output.md), and the requests that no pod was tried for. Pure.

All texts are fit for a terminal: clients and pods choose some of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from enricher.report.record_view import (
    OutputRecord,
    Zone,
    client_text,
    error_code,
    has_own_attempts,
    outcome_text,
    proxy_of,
    request_text,
    time_text,
)
from enricher.text import printable, truncate
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import Cause, Outcome, RequestReason

MAX_ID_LENGTH = 64
"""Characters of a request's id that are printed: it may be the client's."""
MAX_NAME_LENGTH = 253
"""Characters of a name that are kept: as many as a name in Kubernetes has, while a log may report any text as one."""
_ID_FIELDS = ("req_id", "request_id", "http_x_request_id")


class PodFacts(NamedTuple):
    """What is known of a pod beside its name; a text is empty if it is not known."""

    workload: str = ""
    workload_kind: str = ""
    revision: str = ""
    zone: str = ""


class Entry(NamedTuple):
    """How a request came to its service, in texts fit for a terminal; a text is empty if it is not known."""

    route: str = ""
    gateway: str = ""
    listener: str = ""
    """The listener with its Gateway."""


_NO_ENTRY = Entry()

FactsOf = Callable[[OutputRecord], PodFacts]
"""Returns what is known of the pod of an attempt that went well: only failed attempts have it in the output."""


ReportsOf = Callable[[str, int | None, int | None], Iterable[str]]
"""Returns sentences on what is reported of a pod, by its uid, from about its first to its last failure (ns)."""


class Example(NamedTuple):
    """A failed request, in texts fit for a terminal."""

    time: str
    client: str
    request: str
    status: str
    """The status that the client got; `-` if the log has none."""
    attempt: str
    """How the failed attempt ended: `502 refused`."""
    pod: str
    request_id: str


class Attempt(NamedTuple):
    """An attempt at a pod, or with an empty `pod` a request that no pod was tried for."""

    at: int | None
    """When its request ended (ns since the epoch)."""
    namespace: str
    service: str
    pod: str
    """The pod's name, else the address."""
    node: str
    facts: PodFacts
    fields: OutputRecord
    """The attempt's object, or the line's."""
    is_failure: bool
    entry: Entry = _NO_ENTRY
    proxy: str = ""
    """The kind of proxy that wrote the line; empty if that is not known."""

    @property
    def cause(self) -> str:
        """Return why it failed."""
        return self.text("cause") or Cause.UNKNOWN

    @property
    def outcome(self) -> str:
        """Return what the client got of the request all the same."""
        return Outcome.SEEN if not self.pod else self.text("outcome") or Outcome.UNKNOWN

    def text(self, name: str) -> str:
        """Return a field as a text fit for a terminal; empty without one."""
        return _name(self.fields.get(name))

    def seconds(self, name: str) -> float | None:
        """Return a field that is a number of seconds."""
        value = self.fields.get(name)
        return float(value) if isinstance(value, (int, float)) else None


def attempts_of(record: OutputRecord, facts_of: FactsOf) -> Iterator[Attempt]:
    """Yield the attempts of an access line, and for a request that failed without any the request itself.

    An error page's pod that only repeats a failure before it did not fail.
    """
    if not has_own_attempts(record):
        return
    at, has_failed = parse_rfc3339(str(record["time"] or "").encode()), False
    attempts, entry, proxy = record.get("attempts") or (), _entry_of(record), proxy_of(record)
    if not attempts and (record.get("cause") or record.get("reason")):
        yield _attempt(record, at, PodFacts(), "", is_failure=True, entry=entry)._replace(proxy=proxy)
    for fields in attempts:
        is_failure = bool(fields.get("cause") or error_code(fields) or "reason" in fields)
        is_repeated = has_failed and "internal_redirect" in fields and fields.get("origin") != "proxy"
        has_failed |= is_failure
        pod = _name(fields.get("pod") or fields.get("addr") or "-")
        attempt = _attempt(fields, at, facts_of(fields), pod, is_failure=is_failure and not is_repeated, entry=entry)
        yield attempt._replace(proxy=proxy) if is_failure else attempt


def _entry_of(record: OutputRecord) -> Entry:
    if "route" not in record and "gateway" not in record:
        return _NO_ENTRY
    route, gateway, listener = (_name(record.get(name)) for name in ("route", "gateway", "listener"))
    return Entry(route, gateway, f"{listener} of {gateway}" if gateway and listener else "")


def _attempt(
    fields: OutputRecord, at: int | None, facts: PodFacts, pod: str, *, is_failure: bool, entry: Entry
) -> Attempt:
    namespace, service, node = (_name(fields.get(name)) for name in ("namespace", "service", "node"))
    own = PodFacts(*(_name(fields.get(name)) for name in PodFacts._fields))
    facts = PodFacts(*own[:3], own.zone or facts.zone) if own.workload else facts._replace(zone=own.zone or facts.zone)
    return Attempt(at, namespace, service, pod, node, facts, fields, is_failure, entry)


def example_of(record: OutputRecord, attempt: Attempt, zone: Zone | None = None) -> Example:
    """Return a failed attempt of a record as an example."""
    status = record.get("status")
    ended = outcome_text(attempt.fields) if attempt.pod else attempt.text("reason") or RequestReason.NOT_TRIED
    return Example(
        time_text(record, zone),
        client_text(record),
        request_text(record),
        "-" if status is None else printable(status),
        ended,
        attempt.pod,
        next((_short(record[name]) for name in _ID_FIELDS if record.get(name) not in (None, "", "-")), ""),
    )


def _name(value: object) -> str:
    return "" if value is None else printable(truncate(str(value), MAX_NAME_LENGTH))


def _short(value: object) -> str:
    return printable(truncate(str(value), MAX_ID_LENGTH))
