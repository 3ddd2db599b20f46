"""Requests whose tries are logged in lines of their own, as Envoy's router does beside its access log. Pure.

Envoy writes `UpstreamPoolReady` when a try has a connection, `UpstreamEnd` when it has ended, and `DownstreamEnd` when
the request has ended, after all of its tries. `%ACCESS_LOG_TYPE%` tells these apart, and the request's id joins them.
Only the last is a request; the others are passed on as they are, and their tries become the request's attempts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.parsed_line import ParsedLine
from enricher.vocabulary import LineKind, Reason

REQUEST_TYPES = frozenset({"DownstreamEnd", "TcpConnectionEnd", "UdpSessionEnd", "NotSet", "-", ""})
"""The types of lines that are requests, or may be. All others are about a part of a request."""
_TRY_END = "UpstreamEnd"
_ID, _NUMBER = "http_x_request_id", "upstream_attempts"
"""The variables of the request's id and of the number of its tries."""
MAX_REQUESTS = 10_000
"""Largest number of requests of one source whose tries wait for the request's end. Each takes some 1 KiB."""


class _Try(NamedTuple):
    attempt: Attempt
    window: Window | None


class TryJoiner:
    """The tries of one source that wait for the end of their request."""

    def __init__(self) -> None:
        self._has_parts = self._has_requests = False
        self._tries: dict[str, list[_Try]] = {}
        """The tries by their request's id, in the order of their ends."""

    def join(self, lines: Sequence[ParsedLine]) -> list[ParsedLine]:
        """Return lines with the tries of each request as its attempts; each line is to be passed once, in order.

        Without any line of a request, each try counts as a request, as in a log of nothing but tries.
        """
        types = [entry_type(line) for line in lines]
        self._has_parts |= any(type_ is not None and type_ not in REQUEST_TYPES for type_ in types)
        if not self._has_parts:
            return list(lines)
        self._has_requests |= any(type_ in REQUEST_TYPES for type_ in types if type_)
        return [self._join_line(line, type_) for line, type_ in zip(lines, types, strict=True)]

    def _join_line(self, line: ParsedLine, type_: str | None) -> ParsedLine:
        if line.record is None or type_ is None:
            return line
        if type_ in REQUEST_TYPES:
            return self._join_request(line, line.record)
        if type_ == _TRY_END:
            if not self._has_requests:
                return line
            self._add_try(line, line.record)
        return ParsedLine(line.line, line.at, LineKind.OTHER)

    def _add_try(self, line: ParsedLine, record: Record) -> None:
        request_id = _request_id(record)
        if not request_id or not record.attempts:
            return
        # The duration is the try's own. A try without a status ended in a time-out, after which Envoy tries another.
        attempt = record.attempts[-1]
        attempt = attempt._replace(response_time=record.duration, given_up=attempt.status is None)
        self._tries.setdefault(request_id, []).append(_Try(attempt, line.windows[-1]))
        if len(self._tries) > MAX_REQUESTS:
            del self._tries[next(iter(self._tries))]

    def _join_request(self, line: ParsedLine, record: Record) -> ParsedLine:
        """Return a request with its tries, if there are as many as it says, and the last is to the host that it names.

        Of the last try the request's own line says more. But if Envoy found no host for another try, it names the host
        of the try before.
        """
        tries = self._tries.pop(_request_id(record), [])
        number = record.fields.get(_NUMBER)
        if not tries or not record.attempts or record.attempts[-1].addr != tries[-1].attempt.addr:
            return line
        if isinstance(number, int) and not number - 1 <= len(tries) <= number:
            return line
        attempts, last = [each.attempt for each in tries], record.attempts[-1]
        if len(tries) == number or (not isinstance(number, int) and last.reason is not Reason.NO_LIVE_UPSTREAMS):
            attempts[-1] = last._replace(response_time=attempts[-1].response_time)
        return line._replace(record=replace(record, attempts=attempts), windows=[each.window for each in tries])


def entry_type(line: ParsedLine) -> str | None:
    """Return the type of a line as its proxy calls it; None if its format has none."""
    name = line.format.dialect.facts.entry_type if line.format else ""
    value = line.record.fields.get(name) if line.record and name else None
    return value if isinstance(value, str) else None


def _request_id(record: Record) -> str:
    value = record.fields.get(_ID)
    return value if isinstance(value, str) and value != "-" else ""
