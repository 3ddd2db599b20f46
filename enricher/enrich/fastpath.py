"""The fast path for ordinary lines: one regular expression over a whole block, and one join for its output. Pure.

It gives the same bytes and the same counts as the slow path in engine.py, which does everything; a property test holds
the two together. It takes whole CRI lines of stdout that fit the log format, at addresses whose holder has long been
the same: nearly every line of a busy proxy. Most of them have one attempt, which did not fail; those with retries and
failures are looked at one by one. All others take the slow path, and their output is put into its place in the block.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import NamedTuple, Protocol, TypeVar

from enricher.accesslog.compiler import LogFormat, Token
from enricher.accesslog.nginx import NGINX, effective_upstream_name
from enricher.accesslog.nginx_variables import (
    ATTEMPT_LISTS,
    GRPC_STATUS_VARIABLES,
    INTEGER_VARIABLES,
    LIST_VARIABLES,
    SECONDS_VARIABLES,
    variable_shape,
)
from enricher.accesslog.record import Attempt, BucketedTime, ErrorLabels
from enricher.endpoints.attribution import (
    Attribution,
    Histories,
    Window,
    attribute,
    attribute_client,
    service_of_attribution,
)
from enricher.endpoints.slices import Service, canonical_ip, split_address
from enricher.endpoints.spans import sole_holder_since
from enricher.endpoints.tenure import FOREVER
from enricher.enrich.error_correlation import ErrorCorrelator, error_origin
from enricher.enrich.output import NEEDS_ESCAPING, attribution_fragments, client_fields, dump_line, escape_json
from enricher.enrich.windows import MAX_REQUEST_TIME
from enricher.labels import Grade, Origin
from enricher.line import Block
from enricher.timestamps import SECOND, parse_decimal_seconds, parse_rfc3339, parse_time_local

T = TypeVar("T")
Key = tuple[bytes, ...]
"""An address as nginx writes it, and the names of the groups of upstreams, if the format has them."""

_STAMP = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d\d:\d\d)) stdout F "
_TEXT = r'([^"\\\x00-\x1f\x7f-\xff]*+)'
_WORD = r'([^\s"\\\x00-\x1f\x7f-\xff]++)'
_LOOSE_TEXT = {"default": r'([^"]*+)', "json": r'([^"\\]*+(?:\\.[^"\\]*+)*+)'}
_LOOSE_WORD = r'([^ "\\\n]++)'
_MARKS = bytes(10 if byte == 10 else not (32 <= byte < 127 and byte != 0x5C) for byte in range(256))
"""Maps what may need escaping to 1, a newline to itself, all else to 0."""
_INTEGER = r"0|[1-9]\d{0,17}"
_DURATION = r"(?:0|[1-9]\d?)\.\d{3}"
_STATUS = r"[1-9]\d\d"
_ADDR = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]++\]):\d{1,5}"


def _listed(element: str) -> str:
    """Return the pattern of a list of one or more elements, each of which may be missing, in one group of upstreams."""
    return f"(?:{element}|-)(?:, (?:{element}|-))*+"


_SHAPES = {
    "status": _STATUS,
    "request_time": _DURATION,
    "msec": r"[1-9]\d{9}\.\d{3}",
    "upstream_addr": f"{_ADDR}(?:, {_ADDR})*+|-",
    "upstream_status": _listed(_STATUS),
    "upstream_response_time": _listed(_DURATION),
    "upstream_response_length": _listed(_INTEGER),
    **dict.fromkeys(GRPC_STATUS_VARIABLES, "0|-|"),
}
_ANSWERED = frozenset(b"%d" % status for status in range(100, 499))
"""Texts of the status of one attempt that was answered and did not fail."""
_END_TIMES = (("msec", parse_decimal_seconds), ("time_local", parse_time_local), ("time_iso8601", parse_rfc3339))
"""Variables that hold the end of the request, and their parsers."""
_ORIGIN_FIELDS: dict[str, bytes] = {origin: b',"origin":"%b"' % origin.encode() if origin else b"" for origin in Origin}
_COUNTED = frozenset(
    (
        *ATTEMPT_LISTS,
        "proxy_upstream_name",
        "proxy_alternative_upstream_name",
        "request_time",
        "remote_addr",
        *(name for name, _ in _END_TIMES),
    )
)
"""Variables that matter to the counts."""
_LONG = 203 * SECOND
"""Ns before the earlier of its line's two times, before which no attempt with durations as above began.

If the format has no time of the request, MAX_REQUEST_TIME is added.
"""
_SHORT = 5 * SECOND
"""The same, if both durations are below a second."""
_MAX_ENTRIES = 100_000
"""Largest number of addresses with an entry."""


class Patterns(NamedTuple):
    """Patterns of a format's lines, with a group for the stamp and for each of the format's variables.

    `strict` matches values that need no escaping. `loose`, which is faster, finds the same values in such lines, unless
    a text of theirs continues in the next line. In lines that do not fit, the groups are empty.
    """

    strict: re.Pattern[bytes]
    loose: re.Pattern[bytes]
    names: list[str]
    """Variables that have a group."""
    texts: list[str]
    """Variables between quotes of their own that may hold anything."""
    words: list[str]
    """Variables that may hold anything but spaces."""


class Counts(Protocol):
    """Counts what the fast path finds; enricher.metrics.counters implements it."""

    def parse_times(self, texts: Iterable[bytes]) -> list[BucketedTime]: ...

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Entry:
    """An address with one holder since `since` (ns), its rendered attribution, and what is to be counted.

    `times` are of all its attempts, `errors` the numbers of those that failed.
    """

    since: int
    attribution: Attribution
    fragments: tuple[bytes, bytes]
    times: list[BucketedTime] = field(default_factory=list)
    errors: dict[ErrorLabels, int] = field(default_factory=dict)
    service: Service | None = None
    """The attribution's service, or else the first by name of the pod's services."""


class Client(NamedTuple):
    """A client's address with one holder since `since` (ns), and its rendered names."""

    since: int
    service: Service | None
    json: bytes


_FIRST_ATTEMPT = b'{"addr":"'
_ATTEMPT = _FIRST_ATTEMPT + b'%b","status":%b,"response_time":%b,"response_length":%b,%b%b}'
_second = itemgetter(slice(19))
"""A stamp without its fraction and its zone."""
_fragments: "attrgetter[tuple[bytes, bytes]]" = attrgetter("fragments")


class Columns(NamedTuple):
    """A block as columns: the stamps and then the format's variables, escaped as in a JSON string.

    `slow` are the numbers of the lines that take the slow path; their values do not count.
    """

    columns: list[Sequence[bytes]]
    slow: set[int]

    @property
    def size(self) -> int:
        """Return the number of lines."""
        return len(self.columns[0])


class Done(NamedTuple):
    """The JSON lines of the first `size` lines, of which `fast` took the fast path."""

    data: bytes
    size: int
    fast: int


class SpecialAttempt(NamedTuple):
    """One attempt of a line that is looked at by itself, with an `error` if it failed."""

    entry: Entry
    took: BucketedTime
    json: bytes
    error: ErrorLabels | None


class FastPath:
    """The fast path for one log format."""

    def __init__(self, log_format: LogFormat, patterns: Patterns, counts: Counts) -> None:
        self.log_format = log_format
        self._count_only = len(patterns.names) < len(log_format.names)
        self._patterns, self._counts, self._escape = patterns, counts, log_format.escape
        place = {name: n for n, name in enumerate(patterns.names, 1)}
        self._texts = [place[name] for name in patterns.texts]
        self._words = [place[name] for name in patterns.words]
        self._lists = [place.get(name) for name in ATTEMPT_LISTS]
        self._head = 2 * (1 + len(place))
        """Index of the piece of a template before the attempts."""
        self._order = [*range(1 + len(place)), *(n for n in self._lists if n is not None)]
        """Column of each gap: the lists occur twice."""
        names = ("upstream_addr", "proxy_upstream_name", "proxy_alternative_upstream_name")
        self._client = place.get("remote_addr")
        self._key = [place[name] for name in names if name in place]
        self._names = self._key[1:]
        self._status, self._length = place["upstream_status"], place.get("upstream_response_length")
        self._has_other_lists = any(name in LIST_VARIABLES and name not in ATTEMPT_LISTS for name in log_format.names)
        self._has_header_time = "upstream_header_time" in log_format.names
        # Without them, the stamp's column stands in: it is not a duration, neither a short one nor one to be counted.
        self._took, self._lasted = place.get("upstream_response_time", 0), place.get("request_time", 0)
        self._long = _LONG if "request_time" in place else _LONG + MAX_REQUEST_TIME
        self._end_times = [(place[name], read) for name, read in _END_TIMES if name in place]
        self._histories: Histories | None = None
        self._entries: dict[Key, Entry | None] = {}
        self._keys_of: dict[str, list[Key]] = {}
        self._clients: dict[bytes, Client | None] = {}
        """Clients' addresses that are pods'; None where the holder is not certain."""
        self._retired: list[Entry] = []
        """Entries that are forgotten, but not counted yet."""
        self._nobody = Entry(0, Attribution(Grade.UNKNOWN), (b"", b""))
        """Stands in for a line that takes the slow path."""

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, block: Block) -> Columns:
        """Read a block into columns."""
        body, lines = block.body, block.raw_lines
        rows = self._patterns.loose.findall(body)
        if len(rows) != len(lines):
            rows = self._patterns.strict.findall(body)  # a text that ended in another line
        columns: list[Sequence[bytes]] = list(zip(*rows, strict=True))
        result = Columns(columns, _where(columns[0], b""))
        if not self._count_only:
            self._escape_texts(result, body)
        return result

    def _escape_texts(self, columns: Columns, body: bytes) -> None:
        """Escape texts; a line with something to escape elsewhere takes the slow path."""
        marks, marked = body.translate(_MARKS), list[int]()
        n = begin = 0
        while (at := marks.find(b"\1", begin)) >= 0:
            n += marks.count(b"\n", begin, at)
            begin = marks.find(b"\n", at)
            marked.append(n)
        if not marked:
            return
        for place in self._words:
            columns.slow.update(n for n in marked if NEEDS_ESCAPING.search(columns.columns[place][n]))
        for place in self._texts:
            column = [*columns.columns[place]]
            for n in marked:
                column[n] = escape_json(column[n], self._escape)
            columns.columns[place] = column

    def written_before(self, certain_until: int, columns: Columns) -> bool:
        """Return whether all lines of the fast path were written before the history stops being certain (ns)."""
        if certain_until == FOREVER:
            return True
        stamps = [stamp for n, stamp in enumerate(columns.columns[0]) if n not in columns.slow]
        latest = parse_rfc3339(max((stamp for stamp in stamps if stamp.endswith(b"Z")), default=b""))
        # As texts, stamps are in order but for the fractions of a second, whose trailing zeros a runtime may leave out.
        return latest is not None and latest + SECOND < certain_until and all(stamp.endswith(b"Z") for stamp in stamps)

    # --- attributing and writing ---------------------------------------------------------------------------------

    def run(
        self,
        columns: Columns,
        template: Sequence[bytes],
        histories: Histories,
        correlator: ErrorCorrelator,
        slow_path: Callable[[int], bytes | None],
    ) -> Done:
        """Return the JSON lines of all lines before the first for which `slow_path` (given its number) returns None.

        `template` is a JSON line with a gap for each column, see `TemplateCache.template`; without one, lines are only
        counted.
        """
        self._refresh(histories)
        began = self._earliest_time(columns)
        clients = self._pod_clients(columns, began, histories)
        times: list[BucketedTime] = [None] * columns.size
        if self._took:
            times = self._counts.parse_times(columns.columns[self._took])
        special = self._special(columns, times, began, histories, correlator)
        holders = self._holders(columns, began, histories, correlator, columns.slow | special.keys())
        slow = {n for n in _where(holders, None) if special.get(n) is None}
        entries = [entry or self._nobody for entry in holders]
        pieces, width = self._fill(columns, template, entries, special), len(template)
        for n, client in clients.items() if template else ():
            pieces[(n + 1) * width - 2] += client.json
        size, blank = columns.size, [b""] * (width - 1)
        for n in sorted(slow):
            data = slow_path(n)
            if data is None:
                size = n
                break
            if template:
                pieces[n * width : (n + 1) * width] = [data, *blank]
        for entry, took in zip(entries[:size], times, strict=False):
            entry.times.append(took)
        self._nobody.times.clear()
        for n, attempts in special.items():
            if n < size:
                self._count(attempts or ())
        self._count_edges(
            [(n, client) for n, client in clients.items() if n < size and n not in slow], entries, special
        )
        if size < columns.size:
            del pieces[size * width :]
        return Done(b"".join(pieces), size, size - sum(n < size for n in slow))

    def _fill(
        self,
        columns: Columns,
        template: Sequence[bytes],
        entries: Sequence[Entry],
        special: Mapping[int, list[SpecialAttempt] | None],
    ) -> list[bytes]:
        """Return all pieces of all lines; joined they are the block's JSON, except for the lines of the slow path."""
        if not template:
            return []
        pieces, width = [*template] * columns.size, len(template)
        gaps = [*(columns.columns[place] for place in self._order), *zip(*map(_fragments, entries), strict=True)]
        for gap, column in enumerate(gaps):
            pieces[2 * gap + 1 :: width] = column
        # The end of a line, from its attempts on, has as many pieces as the template.
        head, blank = template[self._head].removesuffix(_FIRST_ATTEMPT), [b""] * (width - self._head - 5)
        for n, attempts in special.items():
            if attempts is not None:
                joined = b",".join([attempt.json for attempt in attempts])
                last = attempts[-1].entry.fragments[1] if attempts else b""
                closing = b"]," if attempts else b"]"
                pieces[n * width + self._head : (n + 1) * width - 1] = [head, *blank, joined, closing, last]
        return pieces

    def _holders(
        self, columns: Columns, began: int, histories: Histories, correlator: ErrorCorrelator, others: set[int]
    ) -> list[Entry | None]:
        """Return the entry of each line's address, except for the lines of `others`.

        None where the address has not had one holder since before the attempt, or where the error log says that an
        answer from it was cut off.
        """
        long_ago, lately = began - self._long, began - _SHORT
        keys = list(zip(*(columns.columns[place] for place in self._key), strict=True))
        entries = list(map(self._entries.get, keys))
        for n in others:
            entries[n] = None
        took, lasted = (columns.columns[place] for place in (self._took, self._lasted))
        for n in [n for n, entry in enumerate(entries) if entry is None or entry.since > long_ago]:
            entry = entries[n]
            if entry is None and n not in others:
                entry = self._entry(keys[n], histories, long_ago)
            if entry and entry.since > long_ago:
                short = took[n].startswith(b"0.") and lasted[n].startswith(b"0.")
                entry = entry if short and entry.since <= lately else None
            entries[n] = entry
        if cut_off := correlator.cut_off_upstreams():
            return [None if key[0] in cut_off else entry for key, entry in zip(keys, entries, strict=True)]
        return entries

    def _pod_clients(self, columns: Columns, began: int, histories: Histories) -> dict[int, Client]:
        """Return the clients that are pods, by line; lines whose client is not certain take the slow path."""
        if self._client is None:
            return {}
        column = columns.columns[self._client]
        held = histories.pods.ips
        pods = {addr for addr in {*column} if _ip(addr) in held}
        out = dict[int, Client]()
        for n in (n for n, addr in enumerate(column) if addr in pods) if pods else ():
            client = self._client_at(column[n], histories)
            if client and client.since <= began - self._long:
                out[n] = client
            else:
                columns.slow.add(n)
        return out

    def _client_at(self, addr: bytes, histories: Histories) -> Client | None:
        """Return the pod at a client's address; None if its holder is not certain."""
        if addr not in self._clients:
            ip = _ip(addr)
            since, client = sole_holder_since(histories.pods, ip), None
            holder = since is not None and attribute_client(histories, ip, Window(since, since, since))
            if since is not None and holder and holder.grade is Grade.EXACT:
                client = Client(since, holder.service, b"," + dump_line(client_fields(holder))[1:-2])
            self._clients[addr] = client
            self._keys_of.setdefault(ip, []).append((addr,))
        return self._clients[addr]

    # --- retries, failures, and lines without an upstream --------------------------------------------------------

    def _special(
        self, columns: Columns, times: list[BucketedTime], began: int, histories: Histories, correlator: ErrorCorrelator
    ) -> dict[int, list[SpecialAttempt] | None]:
        """Return the attempts of lines that do not have exactly one good one; None where the slow path is needed."""
        statuses = columns.columns[self._status]
        numbers = set[int]()
        if not _ANSWERED.issuperset(statuses):
            numbers.update(n for n, status in enumerate(statuses) if status not in _ANSWERED)
        if self._took:
            numbers |= _where(times, None)
        if self._length is not None:
            lengths = columns.columns[self._length]
            if not b"".join(lengths).isdigit():
                numbers.update(n for n, length in enumerate(lengths) if not length.isdigit())
        numbers -= columns.slow
        failing = correlator.upstreams() if numbers else set()
        return {n: self._special_attempts(columns, n, began, histories, failing) for n in sorted(numbers)}

    def _special_attempts(
        self, columns: Columns, n: int, began: int, histories: Histories, failing: set[bytes]
    ) -> list[SpecialAttempt] | None:
        """Return the attempts of one line; None unless the fast path can be sure of them.

        Each address must have had one holder since before the first attempt, and no error line may name it.
        """
        lists = [None if place is None else columns.columns[place][n].split(b", ") for place in self._lists]
        addrs = lists[0] or []
        statuses, times, lengths = (values or [b"-"] * len(addrs) for values in lists[1:])
        if not len(addrs) == len(statuses) == len(times) == len(lengths):
            return None
        if len(addrs) > 1 and self._has_other_lists:
            return None  # they should be as long, and are not
        if addrs == [b"-"]:
            return [] if statuses == times == lengths == addrs else None
        timed = self._counts.parse_times(times)
        took = int(SECOND * sum([time_and_bucket[0] for time_and_bucket in timed if time_and_bucket]))
        lasted = parse_decimal_seconds(columns.columns[self._lasted][n]) if self._lasted else None
        began -= (took + MAX_REQUEST_TIME if lasted is None else max(lasted, took)) + SECOND
        names = [columns.columns[place][n] for place in self._names]
        out = list[SpecialAttempt]()
        for addr, status, time_and_bucket, time, length in zip(addrs, statuses, timed, times, lengths, strict=True):
            entry = self._entry((addr, *names), histories, began)
            if entry is None or entry.since > began or addr in failing:
                return None
            error = None
            if status[:1] == b"5":
                if self._has_header_time:
                    return None
                error = _error(status, length not in {b"0", b"-"}, len(out) + 1 < len(addrs))
            values = [b"null" if value == b"-" else value for value in (status, time, length)]
            data = _ATTEMPT % (
                addr,
                *values,
                entry.fragments[0],
                _ORIGIN_FIELDS[error.origin if error else ""],
            )
            out.append(SpecialAttempt(entry, time_and_bucket, data, error))
        return out

    def _count(self, attempts: Sequence[SpecialAttempt]) -> None:
        for attempt in attempts:
            attempt.entry.times.append(attempt.took)
            if attempt.error:
                attempt.entry.errors[attempt.error] = attempt.entry.errors.get(attempt.error, 0) + 1

    def _count_edges(
        self,
        clients: Iterable[tuple[int, Client]],
        entries: Sequence[Entry],
        special: Mapping[int, list[SpecialAttempt] | None],
    ) -> None:
        for n, client in clients:
            if n not in special:
                self._counts.count_edge(client.service, entries[n].service, failed=False)
            elif attempts := special[n]:
                last = attempts[-1]
                self._counts.count_edge(client.service, last.entry.service, failed=last.error is not None)

    def take_counts(self) -> list[tuple[Attribution, list[BucketedTime], dict[ErrorLabels, int]]]:
        """Return what came since the last call: the times and errors of attempts, by attribution."""
        used = [entry for entry in (*self._entries.values(), *self._retired) if entry and entry.times]
        counts = [(entry.attribution, entry.times, entry.errors) for entry in used]
        for entry in used:
            entry.times, entry.errors = [], {}
        self._retired.clear()
        return counts

    # --- entries of addresses ------------------------------------------------------------------------------------

    def _refresh(self, histories: Histories) -> None:
        if histories is not self._histories or len(self._entries) > _MAX_ENTRIES:
            self._histories = histories
            self._retired += filter(None, self._entries.values())
            self._entries.clear()
            self._clients.clear()
            self._keys_of.clear()
            histories.pods.on_change.add(self._forget)

    def stop_listening(self) -> None:
        """Unsubscribe from the history, which would otherwise hold on to this."""
        if self._histories:
            self._histories.pods.on_change.discard(self._forget)

    def _forget(self, ip: str) -> None:
        """Forget an address whose history has changed."""
        for key in self._keys_of.pop(ip, ()):
            self._clients.pop(key[0], None)
            if entry := self._entries.pop(key, None):
                self._retired.append(entry)

    def _entry(self, key: Key, histories: Histories, at: int) -> Entry | None:
        """Return the entry of an address, made if there is none yet; None if its holder is not certain."""
        if key in self._entries:
            return self._entries[key]
        addr, primary, alternative = (*key, b"", b"")[:3]
        ip, _ = split_address(addr.decode())
        since = sole_holder_since(histories.pods, ip)
        entry = None
        if since is not None:
            when = max(since, at)
            attribution = attribute(
                histories,
                addr.decode(),
                Window(when, when, when),
                answered=True,
                upstream_name=effective_upstream_name(primary, alternative),
            )
            if attribution.grade is Grade.EXACT:
                fragments, service = (
                    attribution_fragments(attribution),
                    service_of_attribution(histories, ip, attribution),
                )
                entry = Entry(since, attribution, fragments, service=service)
        self._entries[key] = entry
        self._keys_of.setdefault(ip, []).append(key)
        return entry

    def _earliest_time(self, columns: Columns) -> int:
        """Return a time (ns) before which no line was written, neither by its stamp nor by nginx's own time.

        Return -FOREVER if there is no such time. Stamps of one time zone are in order as texts, except for fractions of
        a second.
        """
        stamps = [*filter(None, columns.columns[0])]
        utc = b"".join(stamps).count(b"Z")
        if not stamps or (utc != len(stamps) and (utc or len({stamp[-6:] for stamp in stamps}) > 1)):
            return -FOREVER
        earliest = parse_rfc3339(min(stamps))
        if earliest is None or None in {parse_rfc3339(second + b"Z") for second in set(map(_second, stamps))}:
            return -FOREVER
        times = [earliest]
        for place, read in self._end_times:
            own = {*columns.columns[place]} - {b""}
            times += [at for at in map(read, [min(own)] if read is parse_decimal_seconds else own) if at is not None]
        return min(times)


def _ip(addr: bytes) -> str:
    """Return an address as the history has it; there is only one way to write an IPv4 address."""
    return canonical_ip(addr.decode()) if b":" in addr else addr.decode()


@lru_cache(maxsize=1 << 10)
def _error(status: bytes, has_body: bool, retried: bool) -> ErrorLabels:
    """Return the labels of a failed attempt; `has_body` is whether its answer had a length."""
    attempt = Attempt("", int(status), None, int(has_body))
    return ErrorLabels.from_attempt(attempt, retried=retried, origin=error_origin(attempt, ""))


def _where(values: Sequence[T], value: T) -> set[int]:
    """Return the indexes of the values that are equal to `value`, which mostly does not occur."""
    return {n for n, element in enumerate(values) if element == value} if value in values else set()


def patterns(log_format: LogFormat, *, count_only: bool = False) -> Patterns | None:
    """Return the patterns of a format; None if it cannot be read in this way.

    With `count_only`, only the variables that matter to the counts have groups.
    """
    names = [token.variable for token in log_format.tokens if token.variable]
    if len(set(names)) < len(names) or not {"upstream_addr", "upstream_status"} <= set(names):
        return None
    if log_format.dialect is not NGINX:
        return None
    if log_format.escape == "none" or not _is_unambiguous(log_format.tokens):
        return None  # under "none" a quote may be in any text
    groups = _groups(log_format.tokens)
    if groups is None:
        return None
    looser = {_TEXT: _LOOSE_TEXT[log_format.escape], _WORD: _LOOSE_WORD}
    named = [(token.variable, group) for token, group in zip(log_format.tokens, groups, strict=True)]
    if count_only:
        named = [(name, group if not name or name in _COUNTED else _ungrouped(group)) for name, group in named]
        looser = {_ungrouped(group): _ungrouped(loose) for group, loose in looser.items()}
    return Patterns(
        _compile([group for _, group in named]),
        _compile([looser.get(group, group) for _, group in named]),
        [name for name in names if not count_only or name in _COUNTED],
        *([name for name, group in named if group == kind] for kind in (_TEXT, _WORD)),
    )


def _ungrouped(group: str) -> str:
    return group.replace("(", "(?:", 1)


def _compile(groups: Sequence[str]) -> re.Pattern[bytes]:
    return re.compile(f"(?:{_STAMP}{''.join(groups)}|[^\\n]*+)\\n".encode(errors="surrogateescape"))


def _is_unambiguous(tokens: Sequence[Token]) -> bool:
    """Return whether a line can be read in one way only.

    There must be no two texts without a quote between them, where one might continue into the other, and no list beside
    what looks like its separator.
    """
    texts = 0
    for token in tokens:
        texts += bool(token.variable) and token.variable not in LIST_VARIABLES and _usual_shape(token.variable) is None
        if texts > 1 or token.literal in {", ", " : "}:
            return False
        if '"' in token.literal:
            texts = 0
    return True


def _groups(tokens: Sequence[Token]) -> list[str] | None:
    """Return a group for each token; None if the end of a text is ambiguous."""
    groups = [_group(*three) for three in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False)]
    return None if None in groups else [group for group in groups if group is not None]


def _group(before: Token | None, token: Token, after: Token | None) -> str | None:
    name = token.variable
    if not name:
        return re.escape(token.literal)
    if shape := _SHAPES.get(name) or _usual_shape(name):
        return f"({shape})"
    follows = after.literal if after else " "
    if follows.startswith('"') and before and before.literal.endswith('"'):
        return _TEXT
    return _WORD if follows.startswith(" ") else None


def _usual_shape(name: str) -> str | None:
    if name in INTEGER_VARIABLES:
        return _INTEGER
    if name in SECONDS_VARIABLES:
        return r"(?:0|[1-9]\d{0,8})\.\d{3}"
    return r"\d++(?:\.\d{3})?+|-" if name in LIST_VARIABLES else variable_shape(name)
