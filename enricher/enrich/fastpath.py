"""The quick way for ordinary lines: one regular expression over a whole block, one join for all that comes of it. Pure.

It gives the same bytes and the same counts as the plain way in enriching.py, which does everything; a property test
holds the two together. What it takes are whole CRI lines of stdout that fit the log format, at addresses whose holder
has long been the same: nearly every line of a busy proxy. Most of them are of one attempt that did not fail; those of
retries and failures are looked at one by one. All others are *odd*: they go the plain way, and what comes of each takes
its place in the block.
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
from enricher.enrich.error_correlation import ErrorCorrelator, origin
from enricher.enrich.output import ESCAPED, called, dumps, fragments, json_text
from enricher.enrich.windows import LONGEST
from enricher.labels import Grade
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
    """One or more, each of which may be missing; no group of upstreams after another."""
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
"""What stands for one attempt that was answered, and did not fail."""
OWN_TIMES = (("msec", parse_decimal_seconds), ("time_local", parse_time_local), ("time_iso8601", parse_rfc3339))
"""The variables in which nginx says when the request ended."""
ORIGINS = {
    made_by: b',"origin":"%b"' % made_by.encode() if made_by else b"" for made_by in ("", "pod", "proxy", "unknown")
}
_COUNTED = frozenset(
    {
        *(*ATTEMPT_LISTS, "proxy_upstream_name", "proxy_alternative_upstream_name", "request_time", "remote_addr"),
        *(name for name, _ in OWN_TIMES),
    }
)
"""The variables that matter to what is counted."""
_LONG = 203 * SECOND
"""An attempt with durations as above began no earlier than this before the earlier of its line's two times; where the
format does not tell how long the request took, LONGEST comes to it.
"""
_SHORT = 5 * SECOND
"""The same, if both durations begin with `0.`."""
_KEPT = 100_000
"""How many addresses' entries are kept."""


class Patterns(NamedTuple):
    """What lines of a format look like: a group for the stamp and for each of the format's variables. `strict` fits
    what needs no escaping; `loose`, the quicker one, finds the same in such lines, as long as no text of theirs goes on
    in the next line. In what does not fit, groups are empty.
    """

    strict: re.Pattern[bytes]
    loose: re.Pattern[bytes]
    names: list[str]
    """The variables that have a group."""
    texts: list[str]
    """The variables between quotes of their own that may hold anything."""
    words: list[str]
    """Those that may hold anything but spaces."""


class Counts(Protocol):
    """What is counted here; see metrics.py."""

    def read_times(self, texts: Iterable[bytes]) -> list[BucketedTime]: ...

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Entry:
    """An address with one holder since `since` (ns): what goes out for it, and what is to be counted of its attempts:
    the times of all, and how many failed.
    """

    since: int
    attribution: Attribution
    fragments: tuple[bytes, bytes]
    times: list[BucketedTime] = field(default_factory=list)
    errors: dict[ErrorLabels, int] = field(default_factory=dict)
    service: Service | None = None
    """The pod's, or the first by name of its services."""


class Client(NamedTuple):
    """A client's address with one holder since `since` (ns), and what goes out for it."""

    since: int
    service: Service | None
    json: bytes


_FIRST_ATTEMPT = b'{"addr":"'
_ATTEMPT = _FIRST_ATTEMPT + b'%b","status":%b,"response_time":%b,"response_length":%b,%b%b}'
_second = itemgetter(slice(19))
"""A stamp without its fraction and its zone."""
_fragments: "attrgetter[tuple[bytes, bytes]]" = attrgetter("fragments")


class Found(NamedTuple):
    """A block as columns, the stamps and then the format's variables, all as JSON has them within a string; and the
    numbers of its odd lines, which have something else there.
    """

    columns: list[Sequence[bytes]]
    odd: set[int]

    @property
    def size(self) -> int:
        return len(self.columns[0])


class Done(NamedTuple):
    """The JSON lines of the first `size` lines, of which so many went the quick way."""

    data: bytes
    size: int
    quickly: int


class Tried(NamedTuple):
    """One attempt of a line that is looked at by itself; `error` if it failed."""

    entry: Entry
    took: BucketedTime
    json: bytes
    error: ErrorLabels | None


class FastPath:
    """For one log format."""

    def __init__(self, log_format: LogFormat, found: Patterns, counts: Counts) -> None:
        self.log_format = log_format
        self._to_count = len(found.names) < len(log_format.names)
        self._patterns, self._counts, self._escape = found, counts, log_format.escape
        place = {name: n for n, name in enumerate(found.names, 1)}
        self._texts = [place[name] for name in found.texts]
        self._words = [place[name] for name in found.words]
        self._lists = [place.get(name) for name in ATTEMPT_LISTS]
        self._head = 2 * (1 + len(place))
        """Which piece of a skeleton comes before the attempts."""
        self._order = [*range(1 + len(place)), *(n for n in self._lists if n is not None)]
        """Which column goes into which gap: the lists stand there twice."""
        names = ("upstream_addr", "proxy_upstream_name", "proxy_alternative_upstream_name")
        self._client = place.get("remote_addr")
        self._key = [place[name] for name in names if name in place]
        self._names = self._key[1:]
        self._status, self._length = place["upstream_status"], place.get("upstream_response_length")
        self._has_other_lists = any(name in LIST_VARIABLES and name not in ATTEMPT_LISTS for name in log_format.names)
        self._tells_origin = "upstream_header_time" in log_format.names
        # A format without them: the stamp in their place is no duration, neither a short one nor one to be counted.
        self._took, self._lasted = place.get("upstream_response_time", 0), place.get("request_time", 0)
        self._long = _LONG if "request_time" in place else _LONG + LONGEST
        self._own_times = [(place[name], read) for name, read in OWN_TIMES if name in place]
        self._known: Histories | None = None
        self._entries: dict[Key, Entry | None] = {}
        self._keys_of: dict[str, list[Key]] = {}
        self._clients: dict[bytes, Client | None] = {}
        """What is known of clients' addresses that are pods'."""
        self._retired: list[Entry] = []
        """Entries that are forgotten, but not counted yet."""
        self._nobody = Entry(0, Attribution(Grade.UNKNOWN), (b"", b""))
        """Stands where a line is odd."""

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, block: Block) -> Found:
        body, lines = block.body, block.raw
        rows = self._patterns.loose.findall(body)
        if len(rows) != len(lines):
            rows = self._patterns.strict.findall(body)  # a text that ended in another line
        columns: list[Sequence[bytes]] = list(zip(*rows, strict=True))
        found = Found(columns, _where(columns[0], b""))
        if not self._to_count:
            self._escape_texts(found, body)
        return found

    def _escape_texts(self, found: Found, body: bytes) -> None:
        """Where something stands in a line that JSON may have to escape, it is in a text, or the line is odd."""
        marks, marked = body.translate(_MARKS), list[int]()
        n = begin = 0
        while (at := marks.find(b"\1", begin)) >= 0:
            n += marks.count(b"\n", begin, at)
            begin = marks.find(b"\n", at)
            marked.append(n)
        if not marked:
            return
        for place in self._words:
            found.odd.update(n for n in marked if ESCAPED.search(found.columns[place][n]))
        for place in self._texts:
            column = [*found.columns[place]]
            for n in marked:
                column[n] = json_text(column[n], self._escape)
            found.columns[place] = column

    def written_before(self, horizon: int, found: Found) -> bool:
        """Whether all ordinary lines were (ns): beyond, nothing is certain."""
        if horizon == FOREVER:
            return True
        stamps = [stamp for n, stamp in enumerate(found.columns[0]) if n not in found.odd]
        latest = parse_rfc3339(max((stamp for stamp in stamps if stamp.endswith(b"Z")), default=b""))
        # As texts, stamps are in order but for the fractions of a second, whose trailing zeros a runtime may leave out.
        return latest is not None and latest + SECOND < horizon and all(stamp.endswith(b"Z") for stamp in stamps)

    # --- attributing and writing ---------------------------------------------------------------------------------

    def run(
        self,
        found: Found,
        skeleton: Sequence[bytes],
        known: Histories,
        failures: ErrorCorrelator,
        plainly: Callable[[int], bytes | None],
    ) -> Done:
        """The JSON lines of all lines up to the first odd one for which `plainly` (given its number) returns None.
        `skeleton` is a JSON line with a gap for each column, see rendering.py; without one, lines are counted only.
        """
        self._refresh(known)
        began = self._began(found)
        clients = self._asking(found, began, known)
        times: list[BucketedTime] = [None] * found.size
        if self._took:
            times = self._counts.read_times(found.columns[self._took])
        special = self._special(found, times, began, known, failures)
        holders = self._holders(found, began, known, failures, found.odd | special.keys())
        odd = {n for n in _where(holders, None) if special.get(n) is None}
        entries = [entry or self._nobody for entry in holders]
        pieces, width = self._filled(found, skeleton, entries, special), len(skeleton)
        for n, client in clients.items() if skeleton else ():
            pieces[(n + 1) * width - 2] += client.json
        size, blank = found.size, [b""] * (width - 1)
        for n in sorted(odd):
            data = plainly(n)
            if data is None:
                size = n
                break
            if skeleton:
                pieces[n * width : (n + 1) * width] = [data, *blank]
        for entry, took in zip(entries[:size], times, strict=False):
            entry.times.append(took)
        self._nobody.times.clear()
        for n, tried in special.items():
            if n < size:
                self._count(tried or ())
        self._count_edges([(n, client) for n, client in clients.items() if n < size and n not in odd], entries, special)
        if size < found.size:
            del pieces[size * width :]
        return Done(b"".join(pieces), size, size - sum(n < size for n in odd))

    def _filled(
        self,
        found: Found,
        skeleton: Sequence[bytes],
        entries: Sequence[Entry],
        special: Mapping[int, list[Tried] | None],
    ) -> list[bytes]:
        """All pieces of all lines: joined they are the block's JSON, but for its odd lines."""
        if not skeleton:
            return []
        pieces, width = [*skeleton] * found.size, len(skeleton)
        columns = [*(found.columns[place] for place in self._order), *zip(*map(_fragments, entries), strict=True)]
        for gap, column in enumerate(columns):
            pieces[2 * gap + 1 :: width] = column
        # A line's end from its attempts on, in as many pieces as the skeleton has there.
        head, blank = skeleton[self._head].removesuffix(_FIRST_ATTEMPT), [b""] * (width - self._head - 5)
        for n, tried in special.items():
            if tried is not None:
                attempts, last = b",".join([one.json for one in tried]), tried[-1].entry.fragments[1] if tried else b""
                closing = b"]," if tried else b"]"
                pieces[n * width + self._head : (n + 1) * width - 1] = [head, *blank, attempts, closing, last]
        return pieces

    def _holders(
        self, found: Found, began: int, known: Histories, failures: ErrorCorrelator, others: set[int]
    ) -> list[Entry | None]:
        """Who held the address of each line, but for those of `others`; None where it has not had one holder since
        before the attempt, or the error log says that an answer of this address broke off.
        """
        long_ago, lately = began - self._long, began - _SHORT
        keys = list(zip(*(found.columns[place] for place in self._key), strict=True))
        entries = list(map(self._entries.get, keys))
        for n in others:
            entries[n] = None
        took, lasted = (found.columns[place] for place in (self._took, self._lasted))
        for n in [n for n, entry in enumerate(entries) if entry is None or entry.since > long_ago]:
            entry = entries[n]
            if entry is None and n not in others:
                entry = self._entry(keys[n], known, long_ago)
            if entry and entry.since > long_ago:
                short = took[n].startswith(b"0.") and lasted[n].startswith(b"0.")
                entry = entry if short and entry.since <= lately else None
            entries[n] = entry
        if suspects := failures.suspects():
            return [None if key[0] in suspects else entry for key, entry in zip(keys, entries, strict=True)]
        return entries

    def _asking(self, found: Found, began: int, known: Histories) -> dict[int, Client]:
        """The clients that are pods, by line. Of one that may not have been there all the time, the line is odd."""
        if self._client is None:
            return {}
        column = found.columns[self._client]
        held = known.pods.ips
        pods = {addr for addr in {*column} if _ip(addr) in held}
        out = dict[int, Client]()
        for n in (n for n, addr in enumerate(column) if addr in pods) if pods else ():
            client = self._who_asks(column[n], known)
            if client and client.since <= began - self._long:
                out[n] = client
            else:
                found.odd.add(n)
        return out

    def _who_asks(self, addr: bytes, known: Histories) -> Client | None:
        """None where the address's holder is not settled."""
        if addr not in self._clients:
            ip = _ip(addr)
            since, client = sole_holder_since(known.pods, ip), None
            found = since is not None and attribute_client(known, ip, Window(since, since, since))
            if since is not None and found and found.grade == "exact":
                client = Client(since, found.service, b"," + dumps(called(found))[1:-2])
            self._clients[addr] = client
            self._keys_of.setdefault(ip, []).append((addr,))
        return self._clients[addr]

    # --- retries, failures, and lines without an upstream --------------------------------------------------------

    def _special(
        self, found: Found, times: list[BucketedTime], began: int, known: Histories, failures: ErrorCorrelator
    ) -> dict[int, list[Tried] | None]:
        """The attempts of lines that have not just one that was answered well; None where the plain way is needed."""
        statuses = found.columns[self._status]
        numbers = set[int]()
        if not _ANSWERED.issuperset(statuses):
            numbers.update(n for n, status in enumerate(statuses) if status not in _ANSWERED)
        if self._took:
            numbers |= _where(times, None)
        if self._length is not None:
            lengths = found.columns[self._length]
            if not b"".join(lengths).isdigit():
                numbers.update(n for n, length in enumerate(lengths) if not length.isdigit())
        numbers -= found.odd
        failing = failures.upstreams() if numbers else set()
        return {n: self._tried(found, n, began, known, failing) for n in sorted(numbers)}

    def _tried(self, found: Found, n: int, began: int, known: Histories, failing: set[bytes]) -> list[Tried] | None:
        """The attempts of one line; None unless each address has had one holder since before the first of them, of
        which the error log does not speak.
        """
        lists = [None if place is None else found.columns[place][n].split(b", ") for place in self._lists]
        addrs = lists[0] or []
        statuses, times, lengths = (values or [b"-"] * len(addrs) for values in lists[1:])
        if not len(addrs) == len(statuses) == len(times) == len(lengths):
            return None
        if len(addrs) > 1 and self._has_other_lists:
            return None  # they should be as long, and are not
        if addrs == [b"-"]:
            return [] if statuses == times == lengths == addrs else None
        timed = self._counts.read_times(times)
        took = int(SECOND * sum([one[0] for one in timed if one]))
        lasted = parse_decimal_seconds(found.columns[self._lasted][n]) if self._lasted else None
        began -= (took + LONGEST if lasted is None else max(lasted, took)) + SECOND
        names = [found.columns[place][n] for place in self._names]
        out = list[Tried]()
        for addr, status, one, time, length in zip(addrs, statuses, timed, times, lengths, strict=True):
            entry = self._entry((addr, *names), known, began)
            if entry is None or entry.since > began or addr in failing:
                return None
            error = None
            if status[:1] == b"5":
                if self._tells_origin:
                    return None
                error = _error(status, length not in {b"0", b"-"}, len(out) + 1 < len(addrs))
            values = [b"null" if value == b"-" else value for value in (status, time, length)]
            data = _ATTEMPT % (addr, *values, entry.fragments[0], ORIGINS[error.origin if error else ""])
            out.append(Tried(entry, one, data, error))
        return out

    def _count(self, tried: Sequence[Tried]) -> None:
        for one in tried:
            one.entry.times.append(one.took)
            if one.error:
                one.entry.errors[one.error] = one.entry.errors.get(one.error, 0) + 1

    def _count_edges(
        self,
        clients: Iterable[tuple[int, Client]],
        entries: Sequence[Entry],
        special: Mapping[int, list[Tried] | None],
    ) -> None:
        for n, client in clients:
            if n not in special:
                self._counts.count_edge(client.service, entries[n].service, failed=False)
            elif tried := special[n]:
                last = tried[-1]
                self._counts.count_edge(client.service, last.entry.service, failed=last.error is not None)

    def take_counts(self) -> list[tuple[Attribution, list[BucketedTime], dict[ErrorLabels, int]]]:
        """What is to be counted since the last call: attempts' times and errors, by attribution."""
        used = [entry for entry in (*self._entries.values(), *self._retired) if entry and entry.times]
        found = [(entry.attribution, entry.times, entry.errors) for entry in used]
        for entry in used:
            entry.times, entry.errors = [], {}
        self._retired.clear()
        return found

    # --- what is known of addresses ------------------------------------------------------------------------------

    def _refresh(self, known: Histories) -> None:
        if known is not self._known or len(self._entries) > _KEPT:
            self._known = known
            self._retired += filter(None, self._entries.values())
            self._entries.clear()
            self._clients.clear()
            self._keys_of.clear()
            known.pods.on_change.add(self._forget)

    def stop_listening(self) -> None:
        """Before it is given up: the history would keep it."""
        if self._known:
            self._known.pods.on_change.discard(self._forget)

    def _forget(self, ip: str) -> None:
        """What was known of an address may be true no more."""
        for key in self._keys_of.pop(ip, ()):
            self._clients.pop(key[0], None)
            if entry := self._entries.pop(key, None):
                self._retired.append(entry)

    def _entry(self, key: Key, known: Histories, at: int) -> Entry | None:
        """The entry for an address, made if there is none yet; None where its holder is not settled."""
        if key in self._entries:
            return self._entries[key]
        addr, primary, alternative = (*key, b"", b"")[:3]
        ip, _ = split_address(addr.decode())
        since = sole_holder_since(known.pods, ip)
        entry = None
        if since is not None:
            when = max(since, at)
            found = attribute(
                known,
                addr.decode(),
                Window(when, when, when),
                answered=True,
                upstream_name=effective_upstream_name(primary, alternative),
            )
            if found.grade == "exact":
                entry = Entry(since, found, fragments(found), service=service_of_attribution(known, ip, found))
        self._entries[key] = entry
        self._keys_of.setdefault(ip, []).append(key)
        return entry

    def _began(self, found: Found) -> int:
        """A time (ns) before which no ordinary line says it was written, neither by its stamp nor by nginx's own time;
        -FOREVER where it can't be told. Stamps of one time zone are ordered as text, but for fractions of a second.
        """
        stamps = [*filter(None, found.columns[0])]
        utc = b"".join(stamps).count(b"Z")
        if not stamps or (utc != len(stamps) and (utc or len({stamp[-6:] for stamp in stamps}) > 1)):
            return -FOREVER
        earliest = parse_rfc3339(min(stamps))
        if earliest is None or None in {parse_rfc3339(second + b"Z") for second in set(map(_second, stamps))}:
            return -FOREVER
        times = [earliest]
        for place, read in self._own_times:
            own = {*found.columns[place]} - {b""}
            times += [at for at in map(read, [min(own)] if read is parse_decimal_seconds else own) if at is not None]
        return min(times)


def _ip(addr: bytes) -> str:
    """As a history has it: there is one way only to write an IPv4 address."""
    return canonical_ip(addr.decode()) if b":" in addr else addr.decode()


@lru_cache(maxsize=1 << 10)
def _error(status: bytes, sent: bool, retried: bool) -> ErrorLabels:
    """`sent`: an answer of some length."""
    attempt = Attempt("", int(status), None, int(sent))
    return ErrorLabels.from_attempt(attempt, retried=retried, origin=origin(attempt, ""))


def _where(values: Sequence[T], wanted: T) -> set[int]:
    """The numbers of those that are `wanted`, of which there are most often none."""
    return {n for n, value in enumerate(values) if value == wanted} if wanted in values else set()


def patterns(log_format: LogFormat, *, count_only: bool = False) -> Patterns | None:
    """None where the format can't be read in this way. `count_only`: with groups for no more than that takes."""
    names = [token.variable for token in log_format.tokens if token.variable]
    if len(set(names)) < len(names) or not {"upstream_addr", "upstream_status"} <= set(names):
        return None
    if log_format.dialect is not NGINX:
        return None
    if log_format.escape == "none" or not _is_told_apart(log_format.tokens):
        return None  # under "none" a quote may be in any text
    groups = _groups(log_format.tokens)
    if groups is None:
        return None
    looser = {_TEXT: _LOOSE_TEXT[log_format.escape], _WORD: _LOOSE_WORD}
    found = [(token.variable, group) for token, group in zip(log_format.tokens, groups, strict=True)]
    if count_only:
        found = [(name, group if not name or name in _COUNTED else _ungrouped(group)) for name, group in found]
        looser = {_ungrouped(group): _ungrouped(loose) for group, loose in looser.items()}
    return Patterns(
        _compiled([group for _, group in found]),
        _compiled([looser.get(group, group) for _, group in found]),
        [name for name in names if not count_only or name in _COUNTED],
        *([name for name, group in found if group == kind] for kind in (_TEXT, _WORD)),
    )


def _ungrouped(group: str) -> str:
    return group.replace("(", "(?:", 1)


def _compiled(groups: Sequence[str]) -> re.Pattern[bytes]:
    return re.compile(f"(?:{_STAMP}{''.join(groups)}|[^\\n]*+)\\n".encode(errors="surrogateescape"))


def _is_told_apart(tokens: Sequence[Token]) -> bool:
    """Whether words are all that any reading can find: no two texts without a quote between them, where one might go on
    into the other, and no list beside what looks like its separator.
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
    """One for each token; None where the end of a text can't be told."""
    groups = [_group(*three) for three in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False)]
    return None if None in groups else [group for group in groups if group is not None]


def _group(before: Token | None, token: Token, after: Token | None) -> str | None:
    name = token.variable
    if not name:
        return re.escape(token.literal)
    if known := _SHAPES.get(name) or _usual_shape(name):
        return f"({known})"
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
