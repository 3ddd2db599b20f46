"""The status.json of a daemon (docs/status-page.md), as far as `enricher top --daemons` shows it. Pure.

Any program may answer in a daemon's place, so everything is checked, and texts are cut.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from enricher.text import truncate
from enricher.timestamps import MINUTE, parse_rfc3339

COMMAND_HEADER = "Sec-Enricher-Command"
"""A header of the requests that commands send to a daemon through the API server.

The server passes on the name by which a kubeconfig knows it as the Host. The daemon answers under such a name only if
this header is there: a page cannot make a browser send one that begins with `Sec-`, see "forbidden request-header" in
the Fetch standard.
"""
MINUTES = 60
"""Number of minutes that a status has, the running one last."""
MAX_FAILING = 100
"""Number of failing pods that a daemon lists; there may be more."""
MAX_TEXT = 253
"""Characters of a text that are read: as many as a name in Kubernetes has."""
MAX_COUNT = 1 << 53
"""Largest number of anything: up to here JSON's numbers are whole in every program."""


class FailingPod(NamedTuple):
    """A pod as a member of a service, with errors in the last hour; unknown names are empty."""

    namespace: str
    service: str
    pod: str
    node: str
    errors_per_minute: tuple[int, ...]
    hidden_per_minute: tuple[int, ...] | None
    """None if the log does not tell."""
    requests: int
    """Attempts since the pod's counters began, as all that follows."""
    guesses: int
    errors: int
    codes: Mapping[tuple[str, str], int]
    """Errors by code, and by who made it."""
    reasons: Mapping[str, int]


class UntriedRequests(NamedTuple):
    """Requests of a service that failed and that no pod was tried for; the names are empty if they are not known."""

    namespace: str
    service: str
    reason: str
    requests_per_minute: tuple[int, ...]
    requests: int
    """Requests since their counter began."""


class ServiceCauses(NamedTuple):
    """Why attempts at a service failed, since the counters began, by cause and its grade."""

    namespace: str
    service: str
    causes: Mapping[tuple[str, str], int]


class DaemonStatus(NamedTuple):
    """What one daemon says of the last hour."""

    node: str
    minute: int
    """The running minute since the epoch, with which all minutes of this status end."""
    problem: str
    """Why attributions may be missing; empty if nothing is wrong."""
    sources: int
    """Number of logs that it follows."""
    failing: Sequence[FailingPod]
    untried: Sequence[UntriedRequests]
    causes: Sequence[ServiceCauses]

    @property
    def is_full(self) -> bool:
        """Return whether there may be more pods with errors than are listed."""
        return len(self.failing) >= MAX_FAILING


def parse_status(body: bytes) -> DaemonStatus | str:
    """Return the status in the answer of a daemon, or why it cannot be used."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "its answer is not JSON"
    try:
        return _status(value)
    except _FieldError as error:
        version = value.get("version") if isinstance(value, dict) else None
        text = f"status.json has no usable {error}"
        return f"{text}: the daemon is of version {truncate(str(version), MAX_TEXT)}" if version else text


class _FieldError(Exception):
    """A field is missing or has an unexpected value; the text is its name."""


def _status(value: Any) -> DaemonStatus:
    at = parse_rfc3339(_text(value, "at").encode())
    if at is None or at < 0:
        raise _FieldError("at")
    return DaemonStatus(
        node=_text(value, "node"),
        minute=at // MINUTE,
        problem="" if _field(value, "problem") is None else _text(value, "problem"),
        sources=_count(value, "sources"),
        failing=[_failing_pod(item) for item in _list(value, "failing")],
        untried=[_untried(item) for item in _list(value, "untried")],
        causes=[_service_causes(item) for item in _list(value, "causes")],
    )


def _failing_pod(item: Any) -> FailingPod:
    hidden = None if _field(item, "hidden_per_minute") is None else _minutes(item, "hidden_per_minute")
    codes, reasons = Counter[tuple[str, str]](), _field(item, "failures")
    for kind in _list(item, "by_code"):
        codes[_text(kind, "code"), _text(kind, "origin")] += _count(kind, "errors")
    if not isinstance(reasons, dict):
        raise _FieldError("failures")
    return FailingPod(
        namespace=_text(item, "namespace"),
        service=_text(item, "service"),
        pod=_text(item, "pod"),
        node=_text(item, "node"),
        errors_per_minute=_minutes(item, "errors_per_minute"),
        hidden_per_minute=hidden,
        requests=_count(item, "requests"),
        guesses=_count(item, "guesses"),
        errors=_count(item, "errors"),
        codes=codes,
        reasons={truncate(reason, MAX_TEXT): _count(reasons, reason) for reason in reasons},
    )


def _untried(item: Any) -> UntriedRequests:
    return UntriedRequests(
        namespace=_text(item, "namespace"),
        service=_text(item, "service"),
        reason=_text(item, "reason"),
        requests_per_minute=_minutes(item, "requests_per_minute"),
        requests=_count(item, "requests"),
    )


def _service_causes(item: Any) -> ServiceCauses:
    causes = {
        (_text(count, "cause"), _text(count, "cause_grade")): _count(count, "failures")
        for count in _list(item, "by_cause")
    }
    return ServiceCauses(_text(item, "namespace"), _text(item, "service"), causes)


def _field(item: Any, name: str) -> Any:
    if not isinstance(item, dict) or name not in item:
        raise _FieldError(name)
    return item[name]


def _text(item: Any, name: str) -> str:
    if not isinstance(text := _field(item, name), str):
        raise _FieldError(name)
    return truncate(text, MAX_TEXT)


def _count(item: Any, name: str) -> int:
    if type(number := _field(item, name)) is not int or not 0 <= number <= MAX_COUNT:
        raise _FieldError(name)
    return number


def _list(item: Any, name: str) -> list[Any]:
    if not isinstance(items := _field(item, name), list):
        raise _FieldError(name)
    return items


def _minutes(item: Any, name: str) -> tuple[int, ...]:
    """Return the numbers of the last MINUTES minutes."""
    numbers = _list(item, name)
    if len(numbers) != MINUTES or not all(type(number) is int and 0 <= number <= MAX_COUNT for number in numbers):
        raise _FieldError(name)
    return tuple(numbers)
