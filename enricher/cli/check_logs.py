"""The last lines of a log, and the number of them that fit the format with which the daemon would parse them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import PROFILES, Format, Formats, profile_formats
from enricher.enrich.format_check import is_about_a_request
from enricher.enrich.parsed_line import parse_line
from enricher.line import Line, Source
from enricher.tailer.file_names import LogName, list_files
from enricher.tailer.framing import Framer
from enricher.tailer.plain_or_gzip import LogFile
from enricher.vocabulary import LineKind

MAX_LINES = 200
"""Lines of a log that are checked."""
MAX_BYTES = 256 * 1024
"""Bytes at the end of a log that are read to find these lines."""


@dataclass(slots=True)
class LogSample:
    """The numbers of a log's last lines that are access lines, that fit no format, and that are of other kinds."""

    access: int = 0
    misfits: int = 0
    others: int = 0
    errors: int = 0
    """Those of the other lines that are error lines about a request."""
    attempts: int = 0
    """Attempts in the access lines."""
    last_misfit: bytes = b""
    formats: Formats = ()
    """The formats with which the lines were parsed."""
    used: dict[Format, None] = field(default_factory=dict)
    """Those of them that access lines have."""

    @property
    def profile(self) -> str:
        """Return the profile of the formats; empty for a format that the user gave."""
        return profile_name(self.formats)


def read_last_lines(path: str, roots: Sequence[str]) -> Sequence[Line]:
    """Return the last whole lines of a log, at most MAX_LINES, ignoring gzipped files. Raise OSError."""
    ends, size = list[_FileEnd](), 0
    names = list_files(path)
    for name in reversed(names):
        if name.is_gzipped or name.restart_count != names[-1].restart_count or size >= MAX_BYTES:
            break
        ends.insert(0, _read_end(name, roots, MAX_BYTES - size))
        size += len(ends[0].data)
    lines, framer = list[Line](), Framer()
    for end in ends:
        lines += framer.end_file()
        framer.detect(end.head)
        lines += framer.feed(end.data)
    # The first line of each of the two streams may be the rest of a line that the runtime had cut.
    return lines[2:][-MAX_LINES:] if ends and ends[0].has_earlier_lines else lines[-MAX_LINES:]


def read_sample(detector: FormatDetector, source: Source, lines: Sequence[Line]) -> LogSample:
    """Parse the lines as the daemon would if it started with the first of them."""
    timeline = detector.timeline_for(source, source.profile, (line.text for line in lines if line.stream != "stderr"))
    sample = LogSample(formats=timeline.formats_at(None))
    for line in lines:
        parsed = parse_line(timeline, line)
        if parsed.record:
            sample.access += 1
            if parsed.format:
                sample.used[parsed.format] = None
            sample.attempts += len(parsed.record.attempts)
        elif parsed.kind == LineKind.PARSE_ERROR:
            sample.misfits += 1
            sample.last_misfit = line.text
        else:
            sample.others += 1
            sample.errors += parsed.kind == LineKind.ERROR and is_about_a_request(line)
    return sample


def profile_name(log_formats: Formats | None) -> str:
    """Return the profile that these formats belong to; empty for other formats."""
    return next((profile for profile in PROFILES if log_formats == profile_formats(profile)), "")


class _FileEnd(NamedTuple):
    """The first and the last bytes of a file."""

    head: bytes
    data: bytes
    has_earlier_lines: bool


def _read_end(name: LogName, roots: Sequence[str], max_bytes: int) -> _FileEnd:
    """Read the end of a file, from the beginning of a line on."""
    file = LogFile(name.path, gzipped=False, roots=roots)
    try:
        start = max(0, file.stat().st_size - max_bytes)
        data = file.read(start, max_bytes)
        return _FileEnd(file.head, data.partition(b"\n")[2] if start else data, start > 0)
    finally:
        file.close()
