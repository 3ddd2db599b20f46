"""Which formats a source's lines may have: as told, as its first lines show, and as of then. Pure.

A controller's format changes while it runs, and lines are read late. So formats have times, as addresses do: for a
while around a change, lines of either are read (an old worker of nginx goes on until its last request is done).
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from itertools import islice

from enricher.accesslog.error_log import is_other_line, parse_error_line
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Format, Formats, formats
from enricher.accesslog.record import Record
from enricher.timestamps import SECOND

EARLY = 10 * SECOND
"""How long before we heard of a change the proxy may have written as changed."""
LATE = 600 * SECOND
"""How long after it lines of the old format may come: more than twice ingress-nginx's worker-shutdown-timeout."""
CHANGES = 100
"""How many changes of formats are remembered."""
LOOKED_AT = 200
"""So many of a source's first lines are looked at to find out which proxy wrote them."""
VOTES = 20
"""So many access lines decide it."""
A_FEW = 5
"""So many lines of each chunk are looked at after that."""

_BACKSLASHES = {
    "default": re.compile(rb"(?:[^\\]|\\x[0-9A-F]{2})*+", re.DOTALL),
    "json": re.compile(rb'(?:[^\\]|\\["\\/bfnrtu])*+', re.DOTALL),
}


class FormatTimeline:
    """Formats that follow one another; times are in ns. `apart`: no line fits two of them."""

    def __init__(self, first: Formats, *, apart: bool = False) -> None:
        self.apart = apart
        self._changes: list[tuple[float, float, Formats]] = [(float("-inf"), float("-inf"), first)]

    def begin(self, found: Formats, at: int) -> None:
        """What a controller is found with: its lines have these formats; those of before then, or the usual ones."""
        usual = self._changes[0][2]
        if list(map(_spelled, found)) != list(map(_spelled, usual)):
            self._changes[0] = float("-inf"), float("-inf"), tuple(dict.fromkeys((*found, *usual)))
            self.change(found, at, at)

    def change(self, to: Formats, earliest: int, latest: int) -> None:
        """Lines came to have these formats some time between the two."""
        self._changes.append((earliest, latest, to))
        del self._changes[1:-CHANGES]
        self.apart = False

    def at(self, at: int | None) -> Formats:
        """Those that a line written then (None: at an unknown time) may have, the most telling first."""
        if len(self._changes) == 1:
            return self._changes[0][2]
        in_force = [self._changes[n][2] for n in self._in_force(at)]
        if len(in_force) == 1:
            return in_force[0]
        # A longer format is the more telling: the text at the end of a shorter one may take what it has more.
        newest_first = (found for one in reversed(in_force) for found in one)
        return tuple(sorted(dict.fromkeys(newest_first), key=lambda found: -len(found.names)))

    def throughout(self, stamps: Callable[[], Iterable[int | None]]) -> Formats | None:
        """The formats of lines with these stamps, if no change is near any of them."""
        if len(self._changes) == 1:
            return self._changes[0][2]
        in_force = {tuple(self._in_force(at)) for at in stamps()}
        if len(in_force) != 1 or len(places := in_force.pop()) != 1:
            return None
        return self._changes[places[0]][2]

    def _in_force(self, at: int | None) -> list[int]:
        """By their places."""
        ends = [latest + LATE for _, latest, _ in self._changes[1:]] + [float("inf")]
        times = zip(self._changes, ends, strict=True)
        return [n for n, ((earliest, _, _), end) in enumerate(times) if at is None or earliest - EARLY <= at < end]

    def parse(self, line: bytes, at: int | None) -> tuple[Format, Record] | None:
        """The line that was written then, read with the first format that it fits; None where it fits none, or where
        two tell different things of its upstreams: a client may have chosen a text that another format takes for them.
        """
        possible = self.at(at)
        found = ((one, record) for one in possible if (record := one.parse(line)) and _is_escaped(one, possible, line))
        first = next(found, None)
        if first is None or self.apart or len(possible) == 1:
            return first
        return first if all(other.attempts == first[1].attempts for _, other in found) else None

    def quick(self, possible: Formats, usual: Format | None) -> Format | None:
        """The format that lines can be read with as if there were no others; `usual` is what they seem to have."""
        if self.apart and usual in possible:
            return usual
        twins = any(one.text == possible[0].text for one in possible[1:])
        return None if twins or (len(possible) > 1 and not self.apart) else possible[0]


def _is_escaped(found: Format, possible: Formats, line: bytes) -> bool:
    """Whether the line's backslashes can be this format's, where it differs from another in nothing else."""
    if b"\\" not in line or not any(one.text == found.text for one in possible if one is not found):
        return True
    allowed = _BACKSLASHES.get(getattr(found, "escape", ""))
    return allowed is None or allowed.fullmatch(line) is not None


def _spelled(found: Format) -> tuple[str, str]:
    return found.text, getattr(found, "escape", "")


class FormatDetector:
    """For each source its formats. `given` are those that the user wrote down; without them, and without a profile, the
    usual ones, unless a source's first lines fit those of one other profile.
    """

    def __init__(self, given: Formats | None = None, profile: str | None = None) -> None:
        self._detects = given is None and profile is None
        self._profile = profile or DEFAULT_PROFILE
        self.usual = FormatTimeline(given or formats(self._profile), apart=given is None)
        """Of sources that have no other profile; what a controller's ConfigMap says goes in here."""
        self._detected: dict[Hashable, FormatTimeline] = {}
        self._looked_at: dict[Hashable, int] = {}

    def of(self, source: Hashable, profile: str, lines: Iterable[bytes]) -> FormatTimeline:
        """The formats of a source, of which these are the next lines (of stdout, without frames)."""
        if profile and profile != self._profile:
            return _of_profile(profile)
        if profile or not self._detects:
            return self.usual
        if self._detected.get(source) is not self.usual:
            self._look(source, lines)
        return self._detected.get(source, self.usual)

    def _look(self, source: Hashable, lines: Iterable[bytes]) -> None:
        """Once lines were of the usual formats, nothing is looked at any more. Else the first of each chunk are: a log
        may begin with something else.
        """
        looked_at = self._looked_at.get(source, 0)
        if source in self._detected or looked_at >= LOOKED_AT:
            lines = islice(lines, A_FEW)
        votes = Counter[str]()
        for line in islice(lines, LOOKED_AT):
            looked_at += 1
            if is_other_line(line) or parse_error_line(line):
                continue
            if self.usual.parse(line, None):
                votes[""] += 1
            elif profile := fitting(line):
                votes[profile] += 1
            if votes.total() == VOTES:
                break
        self._looked_at[source] = looked_at
        if votes:
            profile = max(votes, key=lambda one: (votes[one], not one))
            self._detected[source] = _of_profile(profile) if profile else self.usual

    def forget(self, source: Hashable) -> None:
        """The source is gone."""
        self._detected.pop(source, None)
        self._looked_at.pop(source, None)


@cache
def _of_profile(profile: str) -> FormatTimeline:
    return FormatTimeline(formats(profile), apart=True)


def fitting(line: bytes) -> str | None:
    """The only profile whose proxy can have written the line; of two that share the line's format, the first."""
    found: dict[tuple[str, str], str] = {}
    for profile in PROFILES:
        if read := _of_profile(profile).parse(line, None):
            found.setdefault(_spelled(read[0]), profile)
    return next(iter(found.values())) if len(found) == 1 else None
