"""The last lines of a log, and how many of them fit the format that the daemon would read them with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from enricher.accesslog.detection import FormatDetector, detect_profile
from enricher.accesslog.profiles import PROFILES, Formats, profile_formats
from enricher.enrich.engine import read_line
from enricher.line import Line, Source
from enricher.tailer.framing import Framer
from enricher.tailer.logfile import LogFile
from enricher.tailer.rotation import LogName, list_files

LINES = 200
"""So many lines are looked at."""
REACH = 256 * 1024
"""In so many bytes, at most, at the end of the log."""


@dataclass(slots=True)
class Sample:
    """Of the lines looked at: how many are access lines, could be some and fit no format, or are none."""

    access: int = 0
    misfits: int = 0
    others: int = 0
    attempts: int = 0
    """At upstreams, in the access lines."""
    misfit: bytes = b""
    """The last that does not fit."""
    profile: str = ""
    """The known proxy whose formats the lines were read with; empty with a format of the user's own."""

    @property
    def fits_better(self) -> str:
        """The profile that the misfit fits, if it is one only."""
        return detect_profile(self.misfit) or "" if self.misfits else ""


def last_lines(path: str, roots: Sequence[str]) -> Sequence[Line]:
    """Whole lines, no more than LINES; from packed files none. Raises OSError."""
    pieces, size = list[_Piece](), 0
    names = list_files(path)
    for name in reversed(names):
        if name.is_gzipped or name.restart_count != names[-1].restart_count or size >= REACH:
            break
        pieces.insert(0, _end_of(name, roots, REACH - size))
        size += len(pieces[0].data)
    lines, framer = list[Line](), Framer()
    for piece in pieces:
        lines += framer.end_file()
        framer.detect(piece.head)
        lines += framer.feed(piece.data)
    # One of each stream may be the end of a line that the runtime had cut.
    return lines[2:][-LINES:] if pieces and pieces[0].cut else lines[-LINES:]


def sample(choosing: FormatDetector, source: Source, lines: Sequence[Line]) -> Sample:
    """Reads them as the daemon would if it started with the first of them."""
    timeline = choosing.formats_for(source, source.profile, (line.text for line in lines if line.stream != "stderr"))
    found = Sample(profile=profile_of(timeline.formats_at(None)))
    for line in lines:
        reading = read_line(timeline, line)
        if reading.record:
            found.access += 1
            found.attempts += len(reading.record.attempts)
        elif reading.kind == "parse_error":
            found.misfits += 1
            found.misfit = line.text
        else:
            found.others += 1
    return found


def profile_of(found: Formats | None) -> str:
    """Whose formats they are; empty for others."""
    return next((profile for profile in PROFILES if found == profile_formats(profile)), "")


class _Piece(NamedTuple):
    """The first and the last bytes of a file; `cut`: there are lines before the last ones."""

    head: bytes
    data: bytes
    cut: bool


def _end_of(name: LogName, roots: Sequence[str], reach: int) -> _Piece:
    file = LogFile(name.path, gzipped=False, roots=roots)
    try:
        begin = max(0, file.stat().st_size - reach)
        data = file.read(begin, reach)
        return _Piece(file.head, data.partition(b"\n")[2] if begin else data, begin > 0)
    finally:
        file.close()
