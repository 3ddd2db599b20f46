"""Which formats a source's lines may have: as told, as its first lines show, and as of then. Pure.

A controller's format changes while it runs, and lines are read late. So formats have times, as addresses do: for a
while around a change, lines of either are read (an old worker of nginx goes on until its last request is done).
"""

import re
from collections.abc import Hashable, Iterable
from itertools import islice

from enricher.accesslog.error_log import is_other, read_error_line
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Format, Formats, formats
from enricher.accesslog.records import Record
from enricher.times import SECOND

EARLY = 10 * SECOND
"""How long before we heard of a change the proxy may have written as changed."""
LATE = 600 * SECOND
"""How long after it lines of the old format may come: more than twice ingress-nginx's worker-shutdown-timeout."""
CHANGES = 100
"""How many changes of formats are remembered."""
LOOKED_AT = 200
"""So many of a source's first lines are looked at to find out which proxy wrote them."""

_BACKSLASHES = {
    "default": re.compile(rb"(?:[^\\]|\\x[0-9A-F]{2})*+", re.DOTALL),
    "json": re.compile(rb'(?:[^\\]|\\["\\/bfnrtu])*+', re.DOTALL),
}


def parse(possible: Formats, line: bytes) -> tuple[Format, Record] | None:
    """The line, read with the first format that it fits; None where it fits none."""
    for found in possible:
        if (record := found.parse(line)) and (len(possible) == 1 or _is_escaped(found, line)):
            return found, record
    return None


def _is_escaped(found: Format, line: bytes) -> bool:
    """Whether the line's backslashes can be this format's: two may differ in nothing else."""
    allowed = _BACKSLASHES.get(getattr(found, "escape", ""))
    return allowed is None or b"\\" not in line or allowed.fullmatch(line) is not None


class Timeline:
    """Formats that follow one another; times are in ns."""

    def __init__(self, first: Formats) -> None:
        self._changes: list[tuple[float, Formats]] = [(float("-inf"), first)]

    def begin(self, first: Formats) -> None:
        """What a controller was found with: its lines of before have these formats, or the usual ones."""
        self._changes[0] = float("-inf"), tuple(dict.fromkeys((*first, *self._changes[0][1])))

    def change(self, to: Formats, at: int) -> None:
        """From about `at` on, lines have these formats."""
        self._changes.append((at, to))
        del self._changes[1:-CHANGES]

    def at(self, at: int | None) -> Formats:
        """Those that a line written then (None: at an unknown time) may have, the most telling first."""
        in_force = [self._changes[n][1] for n in self._in_force(at)]
        if len(in_force) == 1:
            return in_force[0]
        # A longer format is the more telling: the text at the end of a shorter one may take what it has more.
        newest_first = (found for one in reversed(in_force) for found in one)
        return tuple(sorted(dict.fromkeys(newest_first), key=lambda found: -len(found.names)))

    def throughout(self, first: int | None, last: int | None) -> Formats | None:
        """The formats of lines from `first` to `last`, if no change is near."""
        if len(self._changes) == 1:
            return self._changes[0][1]
        if first is None or last is None:
            return None
        # Stamps step back by a little.
        begin, end = self._in_force(min(first, last) - SECOND), self._in_force(max(first, last) + SECOND)
        return self._changes[begin[0]][1] if begin == end and len(begin) == 1 else None

    def _in_force(self, at: int | None) -> list[int]:
        """By their places."""
        ends = [since + LATE for since, _ in self._changes[1:]] + [float("inf")]
        times = zip(self._changes, ends, strict=True)
        return [n for n, ((since, _), end) in enumerate(times) if at is None or since - EARLY <= at < end]


def _spelled(found: Format) -> tuple[str, str]:
    return found.text, getattr(found, "escape", "")


class Choosing:
    """For each source its formats. `given` are those that the user wrote down; without them, and without a profile, the
    usual ones until a source's first lines turn out to fit one other format only.
    """

    def __init__(self, given: Formats | None = None, profile: str | None = None) -> None:
        self._detects = given is None and profile is None
        self.usual = Timeline(given or formats(profile or DEFAULT_PROFILE))
        """Of sources that have no profile of their own; what a controller's ConfigMap says goes in here."""
        self._of_profiles: dict[str, Timeline] = {}
        self._detected: dict[Hashable, Timeline] = {}
        self._looked_at: dict[Hashable, int] = {}

    def of(self, source: Hashable, profile: str, lines: Iterable[bytes]) -> Timeline:
        """The formats of a source, of which these are the next lines (of stdout, without frames)."""
        if profile:
            if profile not in self._of_profiles:
                self._of_profiles[profile] = Timeline(formats(profile))
            return self._of_profiles[profile]
        if not self._detects:
            return self.usual
        if source not in self._detected and self._looked_at.get(source, 0) < LOOKED_AT:
            self._detect(source, lines)
        return self._detected.get(source, self.usual)

    def _detect(self, source: Hashable, lines: Iterable[bytes]) -> None:
        begun = self._looked_at.get(source, 0)
        for line in islice(lines, LOOKED_AT - begun):
            self._looked_at[source] = begun = begun + 1
            if is_other(line) or read_error_line(line):
                continue
            if parse(self.usual.at(None), line):
                self._detected[source] = self.usual
                return
            if (found := fitting(line)) is not None:
                self._detected[source] = Timeline(found)
                return

    def forget(self, source: Hashable) -> None:
        """The source is gone."""
        self._detected.pop(source, None)
        self._looked_at.pop(source, None)


def fitting(line: bytes) -> Formats | None:
    """The formats of the only profile whose proxy can have written the line; of two that share the line's format, the
    first's.
    """
    found: dict[tuple[str, str], str] = {}
    for profile in PROFILES:
        if read := parse(formats(profile), line):
            found.setdefault(_spelled(read[0]), profile)
    return formats(next(iter(found.values()))) if len(found) == 1 else None
