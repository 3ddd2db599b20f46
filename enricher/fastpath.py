"""The quick way for ordinary lines: one regular expression over a whole block, one template per line. Pure.

It gives the same bytes and the same counts as the plain way in enriching.py, which does everything; a property test
holds the two together. A line is ordinary if it is a whole CRI line of stdout that fits the log format with nothing to
escape in it, of one attempt, answered with less than 500, at an address whose holder has long been the same: nearly
every line of a busy proxy. All others go the plain way one by one, in their place.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from enricher.accesslog.log_format import LogFormat, Token, upstream_name
from enricher.accesslog.variables import ATTEMPT_LISTS, INTEGERS, LISTS, SECONDS, shape
from enricher.cluster.attribution import Attribution, Known, Window, attribute, settled_since
from enricher.cluster.endpoints import split_address
from enricher.cluster.history import FOREVER
from enricher.times import SECOND, rfc3339_ns, seconds_ns, time_local_ns
from enricher.timing import LONGEST

Row = tuple[bytes, ...]
"""What the pattern finds of a line: the raw line, its stamp (empty: not ordinary), the format's variables."""

_STAMP = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d\d:\d\d)) stdout F "
_TEXT = r'([^"\\\x00-\x1f\x7f-\xff]*+)'
_WORD = r'([^\s"\\\x00-\x1f\x7f-\xff]++)'
_LOOSE_TEXT, _LOOSE_WORD = r'([^"]*+)', r'([^ "\n]++)'
_ESCAPED_TEXT = {"default": r'([^"\n]*+)', "json": r'((?:[^"\\\n]|\\.)*+)'}
_MARKS = bytes(not (32 <= byte < 127 and byte != 0x5C) and byte != 10 for byte in range(256))
"""Maps what may need escaping to 1."""
_INTEGER = r"0|[1-9]\d{0,17}"
_DURATION = r"(?:0|[1-9]\d?)\.\d{3}"
_STATUS = r"[1-9]\d\d"
_ADDR = r"\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}|\[[0-9a-f:]++\]:\d{1,5}"
_OF_THE_REQUEST = {"status": _STATUS, "request_time": _DURATION, "msec": r"[1-9]\d{9}\.\d{3}"}
_SHAPES = _OF_THE_REQUEST | {
    "upstream_addr": _ADDR,
    "upstream_status": r"(?!499)[1-4]\d\d",
    "upstream_response_time": _DURATION,
    "upstream_response_length": _INTEGER,
}


def _listed(element: str) -> str:
    """One or more, each of which may be missing; no group of upstreams after another."""
    return f"(?:{element}|-)(?:, (?:{element}|-))*+"


_UNCOMMON = _OF_THE_REQUEST | {
    "upstream_addr": f"(?:{_ADDR})(?:, (?:{_ADDR}))*+|-",
    "upstream_status": _listed(_STATUS),
    "upstream_response_time": _listed(_DURATION),
    "upstream_response_length": _listed(_INTEGER),
}
_LONG = 203 * SECOND
"""An attempt with durations as above began no earlier than this before the earlier of its line's two times; where the
format does not tell how long the request took, LONGEST comes to it.
"""
_SHORT = 5 * SECOND
"""The same, if both durations begin with `0.`."""
_KEPT = 100_000
"""How many addresses' entries are kept."""


class Patterns(NamedTuple):
    """What ordinary lines of a format look like: groups as in Row. `loose` is the quicker one: it finds the same in
    lines of printable ASCII without a backslash, as long as no text of theirs goes on in the next line.
    """

    strict: re.Pattern[bytes]
    loose: re.Pattern[bytes]
    uncommon: re.Pattern[bytes]
    """What uncommon.py can read: without the first group."""


@dataclass(slots=True, eq=False)
class Entry:
    """An address with one holder since `since` (ns): what goes into the template, and the times to be counted."""

    since: int
    attribution: Attribution
    fragments: tuple[bytes, bytes]
    times: list[bytes] = field(default_factory=list)


class FastPath:
    """For one log format. `render` makes an entry's fragments from its attribution."""

    def __init__(
        self, log_format: LogFormat, found: Patterns, render: Callable[[Attribution], tuple[bytes, bytes]]
    ) -> None:
        self._patterns, self._render = found, render
        place = {name: n for n, name in enumerate(log_format.names, 2)}
        self._place = place
        self._tail = _getter([place[name] for name in ATTEMPT_LISTS if name in place])
        names = ("upstream_addr", "proxy_upstream_name", "proxy_alternative_upstream_name")
        self._key = _getter([place[name] for name in names if name in place])
        # A format without them: the stamp in their place is no duration, neither a short one nor one to be counted.
        self._took, self._lasted = place.get("upstream_response_time", 1), place.get("request_time", 1)
        self._long = _LONG if "request_time" in place else _LONG + LONGEST
        self._known: Known | None = None
        self._entries: dict[Row, Entry | None] = {}
        self._keys_of: dict[str, list[Row]] = {}
        self._retired: list[Entry] = []
        """Entries that are forgotten, but not counted yet."""

    def rows(self, body: bytes) -> list[Row]:
        """One row for each line."""
        rows = self._patterns.loose.findall(body)
        if len(rows) != body.count(b"\n"):
            return self._patterns.strict.findall(body)  # a text that ended in another line
        marks = body.translate(_MARKS)
        at = marks.find(b"\1")
        n = begin = 0
        while at >= 0:
            n += body.count(b"\n", begin, at)
            rows[n] = (rows[n][0], *[b""] * (len(rows[n]) - 1))
            begin = body.find(b"\n", at)
            at = marks.find(b"\1", begin)
        return rows

    def written_before(self, horizon: int, rows: list[Row]) -> bool:
        """Whether all ordinary rows were (ns): beyond, nothing is certain."""
        if horizon == FOREVER:
            return True
        latest = rfc3339_ns(max((row[1] for row in rows if row[1].endswith(b"Z")), default=b""))
        return latest is not None and latest < horizon and all(row[1][-1:] in b"Z" for row in rows)

    def run(
        self,
        rows: list[Row],
        template: bytes,
        known: Known,
        suspects: Collection[bytes],
        plainly: Callable[[int], bytes | None],
    ) -> tuple[list[bytes], int]:
        """The JSON lines of all rows up to the first for which `plainly` (given its number) returns None; and how many
        of them went the plain way. Lines of `suspects`, addresses, go it too.
        """
        self._refresh(known)
        began = self._began(rows)
        long_ago, lately = began - self._long, began - _SHORT
        out, plain = list[bytes](), 0
        key_of, tail_of, get = self._key, self._tail, self._entries.get
        addr, took, lasted = self._place["upstream_addr"], self._took, self._lasted
        for row in rows:
            entry = get(key_of(row))
            if entry is None and row[1]:
                entry = self.entry(key_of(row), known, long_ago)
            if (
                entry is not None
                and (
                    entry.since <= long_ago
                    or (entry.since <= lately and row[took][:2] == b"0." and row[lasted][:2] == b"0.")
                )
                and not (suspects and row[addr] in suspects)
            ):
                out.append(template % (row + tail_of(row) + entry.fragments))
                entry.times.append(row[took])
                continue
            data = plainly(len(out))
            if data is None:
                break
            out.append(data)
            plain += 1
        return out, plain

    def take_times(self) -> list[tuple[Attribution, list[bytes]]]:
        """What is to be counted since the last call: the times of ordinary attempts, by attribution."""
        used = [entry for entry in (*self._entries.values(), *self._retired) if entry and entry.times]
        found = [(entry.attribution, entry.times) for entry in used]
        for entry in used:
            entry.times = []
        self._retired.clear()
        return found

    def _refresh(self, known: Known) -> None:
        if known is not self._known or len(self._entries) > _KEPT:
            self._known = known
            self._retired += filter(None, self._entries.values())
            self._entries.clear()
            self._keys_of.clear()
            known.pods.on_change = self._forget

    def _forget(self, ip: str) -> None:
        """What was known of an address may be true no more."""
        for key in self._keys_of.pop(ip, ()):
            if entry := self._entries.pop(key, None):
                self._retired.append(entry)

    def entry(self, key: Row, known: Known, at: int) -> Entry | None:
        """The entry for an address, made if there is none yet; None where its holder is not settled."""
        if key in self._entries:
            return self._entries[key]
        addr, primary, alternative = (*key, b"", b"")[:3]
        ip, _ = split_address(addr.decode())
        since = settled_since(known.pods, ip)
        entry = None
        if since is not None:
            when = max(since, at)
            found = attribute(
                known,
                addr.decode(),
                Window(when, when, when),
                answered=True,
                upstream_name=upstream_name(primary, alternative),
            )
            if found.grade == "exact":
                entry = Entry(since, found, self._render(found))
        self._entries[key] = entry
        self._keys_of.setdefault(ip, []).append(key)
        return entry

    def _began(self, rows: list[Row]) -> int:
        """A time (ns) before which no ordinary row says it was written, neither by its stamp nor by nginx's own time.

        Stamps of one time zone are ordered as text.
        """
        stamps = list(filter(None, map(itemgetter(1), rows)))
        if not stamps or (set(map(_last, stamps)) != {b"Z"} and len(set(map(_zone, stamps))) > 1):
            return -FOREVER
        earliest = rfc3339_ns(min(stamps))
        if earliest is None:
            return -FOREVER
        times = [earliest]
        for name, read in (("msec", seconds_ns), ("time_local", time_local_ns), ("time_iso8601", rfc3339_ns)):
            if name in self._place:
                own = set(map(itemgetter(self._place[name]), rows)) - {b""}
                times += [at for at in map(read, [min(own)] if name == "msec" else own) if at is not None]
        return min(times)


_last, _zone = itemgetter(slice(-1, None)), itemgetter(slice(-6, None))
"""The end of a stamp: `Z`, or `+01:00`."""


def _getter(places: list[int]) -> Callable[[Row], Row]:
    """The values at these places, as a tuple also if it is one."""
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    get: Any = itemgetter(*places)
    return get  # type: ignore[no-any-return]  # a tuple, of two or more


def patterns(log_format: LogFormat) -> Patterns | None:
    """None where the format can't be read in this way."""
    names = [token.variable for token in log_format.tokens if token.variable]
    if len(set(names)) < len(names) or not {"upstream_addr", "upstream_status"} <= set(names):
        return None
    if log_format.escape == "none" or not _is_told_apart(log_format.tokens):
        return None  # under "none" a quote may be in any text
    ordinary, uncommon = (_groups(log_format.tokens, shapes) for shapes in (_SHAPES, _UNCOMMON))
    if ordinary is None or uncommon is None:
        return None
    loose = ordinary.replace(_TEXT, _LOOSE_TEXT).replace(_WORD, _LOOSE_WORD)
    strict, loose = (f"((?:{p}|[^\\n]*+)\\n)" for p in (ordinary, loose))
    uncommon = uncommon.replace(_TEXT, _ESCAPED_TEXT[log_format.escape]) + r"\n"
    return Patterns(*(re.compile(p.encode(errors="surrogateescape")) for p in (strict, loose, uncommon)))


def _is_told_apart(tokens: Sequence[Token]) -> bool:
    """Whether words are all that any reading can find: no two texts without a quote between them, where one might go on
    into the other, and no list beside what looks like its separator.
    """
    texts = 0
    for token in tokens:
        texts += bool(token.variable) and token.variable not in LISTS and _usual_shape(token.variable) is None
        if texts > 1 or token.literal in {", ", " : "}:
            return False
        if '"' in token.literal:
            texts = 0
    return True


def _groups(tokens: Sequence[Token], shapes: Mapping[str, str]) -> str | None:
    """A line of these tokens; None where the end of a text can't be told."""
    groups = [_group(*three, shapes) for three in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False)]
    return None if None in groups else _STAMP + "".join(group for group in groups if group)


def _group(before: Token | None, token: Token, after: Token | None, shapes: Mapping[str, str]) -> str | None:
    name = token.variable
    if not name:
        return re.escape(token.literal)
    if known := shapes.get(name) or _usual_shape(name):
        return f"({known})"
    follows = after.literal if after else " "
    if follows.startswith('"') and before and before.literal.endswith('"'):
        return _TEXT
    return _WORD if follows.startswith(" ") else None


def _usual_shape(name: str) -> str | None:
    if name in INTEGERS:
        return _INTEGER
    if name in SECONDS:
        return r"(?:0|[1-9]\d{0,8})\.\d{3}"
    return r"\d++(?:\.\d{3})?+|-" if name in LISTS else shape(name)
