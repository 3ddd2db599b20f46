"""The formats that a source's lines may have: as configured or as detected from its lines, at each time. Pure.

A controller's format changes while it runs, and lines are read late. So formats have times, as addresses do. Around a
change, lines of both formats are read for a while, because an old worker of nginx goes on until its last request is
done.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from copy import copy
from functools import cache
from itertools import islice, tee
from typing import NamedTuple

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.profiles import (
    DEFAULT_PROFILE,
    PROFILES,
    Format,
    Formats,
    profile_formats,
    shape_of_lines,
    text_and_escape,
)
from enricher.accesslog.record import Record
from enricher.accesslog.request_ids import ends_with_id, have_a_field_more, id_with_more
from enricher.timestamps import SECOND

CHANGE_LEAD = 10 * SECOND
"""How long (ns) before a change is noticed the proxy may already write the new format."""
CHANGE_LAG = 600 * SECOND
"""How long (ns) after a change lines of the old format may come: more than twice ingress-nginx's
worker-shutdown-timeout.
"""
MAX_CHANGES = 100
"""Number of changes of the format that are remembered."""
DETECTION_LINES = 200
"""Number of a source's first lines that are examined to detect which proxy wrote them."""
DETECTION_VOTES = 20
"""Number of access lines that are enough to decide which proxy it is."""
RECHECKED_LINES = 5
"""Number of lines of each chunk that are examined after the first DETECTION_LINES, or after a decision for a profile
other than the default.
"""

MISFIT = "the line does not fit the log format"
AMBIGUOUS = "the line fits the log format in more than one way: put quotes around the variables that may contain spaces"
"""What `parse_error` says."""

_BACKSLASHES = {
    "default": re.compile(rb"(?:[^\\]|\\x[0-9A-F]{2})*+", re.DOTALL),
    "json": re.compile(rb'(?:[^\\]|\\["\\/bfnrtu])*+', re.DOTALL),
}
"""Patterns of the lines in which every backslash can come from this way to escape."""


class _Change(NamedTuple):
    """A change to other formats at some time (ns) between `earliest` and `latest`."""

    earliest: float
    latest: float
    formats: Formats


class FormatTimeline:
    """Formats that follow one another in time."""

    def __init__(self, first: Formats, *, exclusive: bool = False) -> None:
        self.exclusive = exclusive
        """Whether no line can fit two of the formats."""
        self._ids_are_words = False
        self._changes = [_Change(float("-inf"), float("-inf"), first)]

    def with_ids_as_words(self) -> "FormatTimeline":
        """Return the formats without lines that have something after the id at their end (see request_ids.py)."""
        timeline = copy(self)
        timeline._ids_are_words = True
        return timeline

    def start_with(self, formats: Formats, at: int) -> None:
        """Set the formats that a controller has when it is first seen, at a time in ns.

        Lines written before then may have these formats, or the first ones.
        """
        first = self._changes[0].formats
        if list(map(text_and_escape, formats)) != list(map(text_and_escape, first)):
            self._changes[0] = _Change(float("-inf"), float("-inf"), tuple(dict.fromkeys((*formats, *first))))
            self.add_change(formats, at, at)

    def add_change(self, formats: Formats, earliest: int, latest: int) -> None:
        """Add a change to these formats at some time (ns) between the two."""
        self._changes.append(_Change(earliest, latest, formats))
        del self._changes[1:-MAX_CHANGES]
        self.exclusive = False

    def formats_at(self, at: int | None) -> Formats:
        """Return the formats that a line written at a time (ns; None if unknown) may have, the longest first."""
        if len(self._changes) == 1:
            return self._changes[0].formats
        in_force = [self._changes[n].formats for n in self._changes_in_force(at)]
        if len(in_force) == 1:
            return in_force[0]
        # The text at the end of a shorter format may match what a longer format has beyond it.
        newest_first = (log_format for formats in reversed(in_force) for log_format in formats)
        return tuple(sorted(dict.fromkeys(newest_first), key=lambda log_format: -len(log_format.names)))

    def common_formats(self, stamps: Callable[[], Iterable[int | None]]) -> Formats | None:
        """Return the formats that lines with these stamps (ns) may have; None if each line must be looked at."""
        if self._ids_are_words:
            return None
        if len(self._changes) == 1:
            return self._changes[0].formats
        times = {at: tuple(self._changes_in_force(at)) for at in stamps()}
        return self.formats_at(next(iter(times))) if len(set(times.values())) == 1 else None

    def _changes_in_force(self, at: int | None) -> list[int]:
        """Return the indices of the changes whose formats a line written at a time may have."""
        ends = [change.latest + CHANGE_LAG for change in self._changes[1:]] + [float("inf")]
        return [
            n
            for n, (change, end) in enumerate(zip(self._changes, ends, strict=True))
            if at is None or change.earliest - CHANGE_LEAD <= at < end
        ]

    def parse(self, line: bytes, at: int | None) -> tuple[Format, Record] | None:
        """Return the first format that fits a line written at a time (ns), and the line's record.

        Return None if no format fits, or if two formats yield different attempts: a client may have chosen a text that
        another format takes for upstreams.
        """
        reading = self._parse(line, at)
        return None if reading and self._ids_are_words and id_with_more(*reading)[1] else reading

    def _parse(self, line: bytes, at: int | None) -> tuple[Format, Record] | None:
        formats = self.formats_at(at)
        readings = (
            (log_format, record)
            for log_format in formats
            if (record := log_format.parse(line)) and _can_be_escaped_by(log_format, formats, line)
        )
        first = next(readings, None)
        if first is None or self.exclusive or len(formats) == 1:
            return first
        return first if all(record.attempts == first[1].attempts for _, record in readings) else None

    def explain(self, line: bytes, at: int | None) -> str:
        """Return why `parse` returns None for a line written at a time (ns)."""
        formats = [log_format for log_format in self.formats_at(at) if isinstance(log_format, LogFormat)]
        return AMBIGUOUS if any(log_format.fits(line) for log_format in formats) else MISFIT


def _can_be_escaped_by(log_format: Format, formats: Formats, line: bytes) -> bool:
    """Return whether the line's backslashes can be this format's, if another of the formats differs in nothing else."""
    if b"\\" not in line or not any(other.text == log_format.text for other in formats if other is not log_format):
        return True
    allowed = _BACKSLASHES.get(getattr(log_format, "escape", ""))
    return allowed is None or allowed.fullmatch(line) is not None


class FormatDetector:
    """A detector of the formats that the lines of each source have.

    `configured` are the formats that the user set. Without them, and without a profile, a source has the default
    profile's formats, unless its first lines fit those of exactly one other profile.
    """

    def __init__(self, configured: Formats | None = None, profile: str | None = None) -> None:
        self._detects = configured is None and profile is None
        self._profile = profile or DEFAULT_PROFILE
        self.default = FormatTimeline(configured or profile_formats(self._profile), exclusive=configured is None)
        """The formats of sources without another profile; the format in a controller's ConfigMap is added here."""
        self._detected: dict[Hashable, FormatTimeline] = {}
        self._profiles: dict[Hashable, str] = {}
        """The profile of each source in `_detected`; empty for the default formats."""
        self._examined: dict[Hashable, int] = {}
        """The number of lines that have been examined, by source."""
        self._have_a_field_more: dict[Hashable, bool] = {}
        """Whether all lines of a source have had something after their ids so far."""

    def timeline_for(self, source: Hashable, profile: str, lines: Iterable[bytes], guess: str = "") -> FormatTimeline:
        """Return the formats of a source whose next lines (of stdout, without frames) are `lines`.

        `profile` is the source's own profile, or empty. If the formats are detected, those of the profile `guess` stand
        in place of the default profile's.
        """
        if self._have_a_field_more.get(source) is False:
            return self._timeline_of(source, profile, lines, guess)
        lines, same_lines = tee(lines)  # they cost something, and may not be needed at all
        timeline = self._timeline_of(source, profile, lines, guess)
        if not any(map(ends_with_id, timeline.formats_at(None))):
            self._have_a_field_more[source] = False
            return timeline
        readings = (timeline.parse(line, None) for line in islice(same_lines, DETECTION_LINES))
        result = have_a_field_more(filter(None, readings))
        if result is not None:
            self._have_a_field_more[source] = result
        return timeline.with_ids_as_words() if self._have_a_field_more.get(source) else timeline

    def _timeline_of(self, source: Hashable, profile: str, lines: Iterable[bytes], guess: str) -> FormatTimeline:
        if profile and profile != self._profile:
            return _profile_timeline(profile)
        if profile or not self._detects:
            return self.default
        default = _profile_timeline(guess) if guess and guess != self._profile else self.default
        if self._detected.get(source) is not default:
            self._examine(source, lines, default)
        return self._detected.get(source, default)

    def _examine(self, source: Hashable, lines: Iterable[bytes], default: FormatTimeline) -> None:
        """Decide on a source's profile by its lines.

        Once lines had the `default` formats, no more lines are examined. Otherwise some of each chunk are, because a
        log may begin with something else.
        """
        examined = self._examined.get(source, 0)
        if source in self._detected or examined >= DETECTION_LINES:
            lines = islice(lines, RECHECKED_LINES)
        votes = Counter[str]()
        for line in islice(lines, DETECTION_LINES):
            examined += 1
            if parse_error_line(line) or is_other_line(line, default.formats_at(None)):
                continue
            if default.parse(line, None):
                votes[""] += 1
            elif (current := self._profiles.get(source)) and _profile_timeline(current).parse(line, None):
                votes[current] += 1  # it costs less than to find out whether others fit as well
            elif profile := detect_profile(line):
                votes[profile] += 1
            if votes.total() == DETECTION_VOTES:
                break
        self._examined[source] = examined
        if votes:
            winner = max(votes, key=lambda profile: (votes[profile], not profile))
            self._detected[source] = _profile_timeline(winner) if winner else default
            self._profiles[source] = winner

    def fits(self, line: bytes) -> bool:
        """Return whether a line fits the default formats or, if formats are detected, those of any profile."""
        timelines = [self.default, *(map(_profile_timeline, PROFILES) if self._detects else ())]
        return any(timeline.parse(line, None) for timeline in timelines)

    def possible_formats(self) -> Formats:
        """Return the default formats and, if formats are detected, those of all profiles."""
        detected = (log_format for name in PROFILES for log_format in profile_formats(name)) if self._detects else ()
        return tuple(dict.fromkeys((*self.default.formats_at(None), *detected)))

    def forget(self, source: Hashable) -> None:
        """Drop the state of a source that is gone."""
        self._detected.pop(source, None)
        self._profiles.pop(source, None)
        self._examined.pop(source, None)
        self._have_a_field_more.pop(source, None)


@cache
def _profile_timeline(profile: str) -> FormatTimeline:
    return FormatTimeline(profile_formats(profile), exclusive=True)


def detect_profile(line: bytes) -> str | None:
    """Return the only profile whose proxy can have written the line, or None.

    Of two profiles whose formats the line does not tell apart, it is the first.
    """
    profiles: dict[tuple[str, str], str] = {}
    for profile in PROFILES:
        if reading := _profile_timeline(profile).parse(line, None):
            profiles.setdefault(shape_of_lines(reading[0]), profile)
    return next(iter(profiles.values())) if len(profiles) == 1 else None
