"""Requests whose tries are logged in lines of their own, as Envoy's router does beside its access log. Pure.

Envoy writes `UpstreamPoolReady` when a try has a connection, `UpstreamEnd` when it has ended, and `DownstreamEnd` when
the request has ended, mostly after all of its tries. `%ACCESS_LOG_TYPE%` tells these apart, and the request's id joins
them. Only the last is a request. The line of a try that has ended waits for it, while all other lines go on. When the
request's line comes, the try becomes one of its attempts, and the line of the try goes out just before, without it. If
that line does not come, the line of the try goes out alone with its own attempt, and is marked. So each line goes out
once, and each try is an attempt of exactly one of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from enricher.accesslog.record import Attempt, Record
from enricher.accesslog.try_formats import LENGTHS, REQUEST_ID
from enricher.enrich.error_correlation import ErrorCorrelator
from enricher.enrich.output import dump_fields, variable_fields
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.waiting_tries import WaitingRoom, WaitingTries, WaitingTry
from enricher.enrich.windows import CLOCK_TOLERANCE
from enricher.line import Line
from enricher.timestamps import SECOND
from enricher.vocabulary import LineKind, Reason, RequestMissing

REQUEST_TYPES = frozenset({"DownstreamEnd", "TcpConnectionEnd", "UdpSessionEnd", "NotSet", "-", ""})
"""The types of lines that are requests, or may be. All others are about a part of a request."""
MAX_WAIT = 60 * SECOND
"""Ns for which the line of a try waits: the time that the later tries of its request and their answer may take.

Most requests end within a millisecond of their last try. A failed try whose request goes on for longer is counted
without its request.
"""
MAX_EARLY_REQUESTS = 1_000
"""Largest number of requests of one source that are remembered because the line of their last try has not come yet.

If a client leaves, Envoy writes that line right after the request's.
"""
MAX_ALIKE = 10
"""The same for requests with one id and one address."""
TRY_END = "UpstreamEnd"
NUMBER = "upstream_attempts"
"""The variable of the number of a request's tries."""
CLIENT = ("remote_addr", "realip_remote_addr")
"""The variables that a try has in common with its request, whatever happens to it. Two clients may choose one id."""
_REQUEST = ("request_method", "request_uri", "host")
"""Those that it has in common unless a filter or a redirect changes them meanwhile."""
VARIABLES = (REQUEST_ID, NUMBER, *CLIENT, *_REQUEST, *LENGTHS, "access_log_type", "upstream_cluster")
"""The variables that the fields of a record must have here, if the line has them."""


def needed_variables(pod_variable: str) -> Sequence[str]:
    """Return the variables of a line that are needed here, or once it is joined, beside its attempts."""
    return list(dict.fromkeys((*VARIABLES, *ErrorCorrelator.variables, pod_variable)))


class Joined(NamedTuple):
    """What becomes of a line."""

    line: ParsedLine | None
    """The line as it goes out; None if it waits."""
    released: Sequence[ParsedLine] = ()
    """The lines that have waited until this one, and go out before it."""


class Times(NamedTuple):
    """When a request or a try took place by the proxy's clock (ns), and by how much that may be wrong."""

    begin: int | None
    end: int | None
    uncertainty: int

    @classmethod
    def of(cls, record: Record) -> "Times":
        begin = None if record.end is None or record.duration is None else record.end - record.duration
        return cls(begin, record.end, record.end_uncertainty)

    def include(self, other: "Times") -> bool:
        """Return whether the other may have taken place in this time."""
        slack = self.uncertainty + other.uncertainty + CLOCK_TOLERANCE
        begins = self.begin is None or other.begin is None or other.begin >= self.begin - slack
        return begins and (self.end is None or other.end is None or other.end <= self.end + slack)


class TryJoiner:
    """The tries of one source that wait for the end of their request."""

    def __init__(self, room: WaitingRoom, namespace: str, pod_variable: str = "") -> None:
        """Let the tries of a source in a namespace wait in a room that it shares with others."""
        self._variables = needed_variables(pod_variable)
        self._has_parts = self._has_requests = False
        self._waiting = WaitingTries(room, namespace)
        self._early: dict[tuple[int, int], list[Times]] = {}
        """The times of the requests whose lines came before those of their last tries, by `_key_of_last`."""
        self._early_requests = 0
        """Number of these times."""
        self._latest = 0
        """The time (ns) of the latest line."""

    def join(self, lines: Sequence[ParsedLine]) -> list[Joined]:
        """Return what becomes of each of the next lines of the log."""
        types = [entry_type(line) for line in lines]
        self._has_parts |= any(type_ is not None and type_ not in REQUEST_TYPES for type_ in types)
        if not self._has_parts:
            return [Joined(line) for line in lines]
        return [self._join_line(line, type_) for line, type_ in zip(lines, types, strict=True)]

    def release(self, now: int | None) -> list[ParsedLine]:
        """Return the lines that have waited for too long at `now` (ns), or all if it is None: the log has ended."""
        if now is None:
            return _alone(self._waiting.take_until(None), RequestMissing.ENDED)
        late = _alone(self._waiting.take_until(now - MAX_WAIT), RequestMissing.LATE)
        return [*late, *_alone(self._waiting.trim(), RequestMissing.NO_ROOM)]

    def waiting_lines(self) -> tuple[Line, ...]:
        """Return the lines that wait, in order."""
        return tuple(waiting.parsed.line for waiting in self._waiting.all())

    def is_settled(self, times: Sequence[int], tries: int, size: int) -> bool:
        """Return whether no line that waits is released while lines of these times (ns) come, however they are joined.

        `tries` is the largest number of lines of tries among them, and `size` that of their bytes.
        """
        earliest, latest = min([*times, *self._waiting.times()]), max(self._latest, *times)
        return self._has_requests and latest - earliest < MAX_WAIT and self._waiting.has_room(tries, size)

    def known_ids(self) -> set[int]:
        """Return the hashes of the ids of the requests of which lines have come, and others are expected."""
        return {*map(hash, self._waiting.request_ids()), *(id_hash for id_hash, _ in self._early)}

    def pass_by(self, latest: int) -> None:
        """Take note of the time (ns) of the latest of some lines that are joined elsewhere."""
        self._latest = max(self._latest, latest)

    def _join_line(self, line: ParsedLine, type_: str | None) -> Joined:
        record = line.record
        at = time_of(line)
        if at > self._latest:
            self._latest = at
        elif at and at < self._latest - MAX_WAIT:
            self._set_back(at)
        late = _alone(self._waiting.take_until(self._latest - MAX_WAIT), RequestMissing.LATE)
        if record is None or type_ is None:
            return Joined(line, late)
        if type_ in REQUEST_TYPES:
            self._has_requests = True
            joined, tries = self._join_request(line, record)
            return Joined(joined, [*late, *map(_part, tries)])
        if type_ != TRY_END or not record.attempts or self._is_counted(record):
            return Joined(_part(line), late)
        if not (request_id := id_of_request(record)):
            # Without an id, the last try of a request cannot be told from those that the request's line hides.
            return Joined(_part(line) if self._has_requests else _lone_try(line, record, RequestMissing.LATE), late)
        line, record = self._compact(line, record)
        waiting = WaitingTry(line, record, request_id, at or self._latest)
        return Joined(None, [*late, *_alone(self._waiting.add(waiting), RequestMissing.NO_ROOM)])

    def _set_back(self, at: int) -> None:
        """Go back to the time (ns) of a line that is earlier by more than lines are out of order: of a clock set back.

        Otherwise all later tries would be late at once, until the time of the latest line is reached again.
        """
        self._waiting.set_back(at)
        self._latest = at

    def _compact(self, line: ParsedLine, record: Record) -> tuple[ParsedLine, Record]:
        """Return a line with its fields as JSON: as objects those of some lines take twenty times as much memory."""
        if line.fields_json:
            return line, record
        fields_json = dump_fields(variable_fields(replace(record, fields=_fields(record))))
        fields = {name: record.fields[name] for name in self._variables if name in record.fields}
        record = replace(record, fields=fields)
        return line._replace(record=record, fields_json=fields_json), record

    def _is_counted(self, record: Record) -> bool:
        """Return whether a try is the last one of a request whose line came before."""
        key, times = _key_of_last(record), Times.of(record)
        requests = self._early.get(key, ())
        request = next((each for each in requests if each.include(times)), None)
        if not request:
            return False
        self._early[key].remove(request)
        self._early_requests -= 1
        if not self._early[key]:
            del self._early[key]
        return True

    def _join_request(self, line: ParsedLine, record: Record) -> tuple[ParsedLine, list[ParsedLine]]:
        """Return a request with its tries as its attempts, and their lines."""
        request_id = id_of_request(record)
        own = record.attempts[-1] if record.attempts else None
        if own and own.reason is Reason.NO_LIVE_UPSTREAMS:
            own = None  # Envoy found no host for another try, and names the host of the one before
        candidates = _candidates(self._waiting.of_request(request_id), record) if request_id else {}
        others, last = _choose(candidates, record, own)
        if own and not last and request_id:
            self._remember(_key_of_last(record), Times.of(record))
        tries = self._waiting.take([*others, *last])
        lines = [each.parsed for each in tries]
        if not tries:
            return line, lines
        attempts, windows = [_attempt_of(each.record) for each in tries], [each.parsed.windows[-1] for each in tries]
        if own and last:
            # Of the last try the request's own line says more, but for its time and length.
            time, length = attempts[-1].response_time, attempts[-1].response_length
            attempts[-1] = own._replace(response_time=time, response_length=length)
        elif own:
            attempts, windows = [*attempts, own], [*windows, line.windows[-1]]
        # A try without a status ended in a time-out, if Envoy tried another after it, or found no host for that.
        earlier = attempts[:-1] if own else attempts
        attempts[: len(earlier)] = [each._replace(given_up=each.status is None) for each in earlier]
        return line._replace(record=replace(record, attempts=attempts), windows=windows), lines

    def _remember(self, key: tuple[int, int], times: Times) -> None:
        alike = self._early.setdefault(key, [])
        alike.append(times)
        self._early_requests += 1
        if len(alike) > MAX_ALIKE:
            del alike[0]
            self._early_requests -= 1
        while self._early_requests > MAX_EARLY_REQUESTS:
            self._early_requests -= len(self._early.pop(next(iter(self._early))))


def _candidates(tries: dict[int, WaitingTry], request: Record) -> dict[int, WaitingTry]:
    """Return those tries with the id of a request that may be its own, by their client, their time and their path."""
    times = Times.of(request)
    possible = {
        number: each
        for number, each in tries.items()
        if _is_alike(each.record, request, CLIENT) and times.include(Times.of(each.record))
    }
    alike = {number: each for number, each in possible.items() if _is_alike(each.record, request, _REQUEST)}
    return alike or possible


def _is_alike(record: Record, request: Record, names: Sequence[str]) -> bool:
    """Return whether two lines have the same values of some variables, where both have them."""
    values = ((record.fields.get(name), request.fields.get(name)) for name in names)
    return all(value == other or value is None or other is None for value, other in values)


def _choose(
    candidates: dict[int, WaitingTry], request: Record, own: Attempt | None
) -> tuple[Sequence[int], Sequence[int]]:
    """Return which of the tries are those of a request but for the last one, and that one, if its line has come.

    If there are more than the request says, it is not clear which are its own. Then it has only the last.
    """
    total, attempts = request.fields.get(NUMBER), {n: each.record.attempts[-1] for n, each in candidates.items()}
    last = [number for number, each in attempts.items() if own and each.addr == own.addr]
    # If the client left before it had a status, the line of the last try is still to come.
    likely = [number for number in last if own and own.status and attempts[number].status in {own.status, None}]
    if isinstance(total, int) and len(candidates) == total - 1 and not likely:
        return list(candidates), ()  # all of them came before the last
    # Of two at once the later one may have been given up.
    last = (likely or last)[-1:]
    others = [number for number in candidates if number not in last]
    if isinstance(total, int) and len(others) > total - 1:
        others = []
    return others, last


def _key_of_last(record: Record) -> tuple[int, int]:
    """Return numbers that stand for what the lines of a request and of its last try have in common, at any length."""
    client = [str(record.fields.get(name)) for name in CLIENT]
    return hash(id_of_request(record)), hash((record.attempts[-1].addr, *client))


def _attempt_of(record: Record) -> Attempt:
    """Return the attempt of a try's line: the duration is the try's own, and what it received is the answer.

    If the format has the upstream's time, that is more precise: a try may wait for a connection, or for a slow client.
    """
    attempt, length = record.attempts[-1], record.fields.get(LENGTHS[0])
    length = length if isinstance(length, int) else None
    time = record.duration if attempt.response_time is None else attempt.response_time
    return attempt._replace(response_time=time, response_length=length)


def _alone(tries: Sequence[WaitingTry], missing: RequestMissing) -> list[ParsedLine]:
    return [_lone_try(each.parsed, each.record, missing) for each in tries]


def _lone_try(line: ParsedLine, record: Record, missing: RequestMissing) -> ParsedLine:
    """Return the line of a try with its attempt."""
    record = replace(record, attempts=[_attempt_of(record)], fields=_fields(record), request_missing=missing)
    return line._replace(kind=LineKind.TRY, record=record)


def _part(line: ParsedLine) -> ParsedLine:
    """Return a line about a part of a request, whose record has the attempt."""
    if line.record is None:
        return line
    end, uncertainty = line.record.end, line.record.end_uncertainty
    # Nothing more of it is used.
    record = Record(_fields(line.record), [], end=end, end_uncertainty=uncertainty)
    return line._replace(kind=LineKind.TRY, record=record, windows=())


def _fields(record: Record) -> dict[str, Any]:
    """Return the fields of a try's line, with the lengths in the places that a request has them in."""
    fields, (received, sent) = record.fields, LENGTHS
    if received in fields and sent in fields:
        fields = {**fields, received: fields[sent], sent: fields[received]}
    return fields


def time_of(line: ParsedLine) -> int:
    """Return when a line was written (ns), or else when its request ended; 0 if neither is known."""
    return line.at or (line.record and line.record.end) or 0


def entry_type(line: ParsedLine) -> str | None:
    """Return the type of a line as its proxy calls it; None if its format has none."""
    name = line.format.dialect.facts.entry_type if line.format else ""
    value = line.record.fields.get(name) if line.record and name else None
    return value if isinstance(value, str) else None


def id_of_request(record: Record) -> str:
    """Return the id by which the lines of a request are joined; empty if a line has none."""
    value = record.fields.get(REQUEST_ID)
    return value if isinstance(value, str) and value != "-" else ""
