"""The files of one log, in the order in which they were written, by their names alone.

kubelet: `<restarts>.log`, rotated `<restarts>.log.YYYYMMDD-HHMMSS[.gz]`. logrotate: `access.log`, rotated
`access.log.1`, `access.log.2.gz` (a higher number is older) or `access.log-20261122[.gz]`.
"""

import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

MAX_ENTRIES = 10_000
"""Largest number of entries of a container's directory: with more it is not listed, since listing holds up all logs.

The runtime leaves some ten files there.
"""
MAX_ENTRIES_BESIDE = 100_000
"""The same for a directory of plain files, where those of many programs may lie."""

_NUMBERED, _DATED, _LIVE = range(3)
# A container does not restart a billion times: any larger number is not one of kubelet's names.
_CONTAINER_LOG = re.compile(r"([0-9]{1,9})\.log(?:\.([0-9]{8}-[0-9]{6})(?:\.gz)?)?")
_DATE = re.compile(r"[0-9]{8}[0-9-]{0,32}")
_ROTATION_SUFFIX = re.compile(r"(?:[.-]([0-9]{8}[0-9-]{0,32})|\.([0-9]{1,7}))(?:\.gz)?")
_ROTATED = re.compile(r".*(?:[.-][0-9]{8}[0-9-]*|\.[0-9]{1,7}|\.tmp|\.gz|\.bz2|\.xz|\.zst)")


class TooManyFilesError(OSError):
    """A directory with more entries than can be listed time and again without holding up other logs."""


SortKey = tuple[int, int, str, int]
"""(restart count, kind of name, date, -number): sorts the files of a log from the oldest to the live one."""


class LogName(NamedTuple):
    """The path of a file of a log, and its place among the log's files as its name implies it."""

    sort_key: SortKey
    path: str
    is_regular: bool = True
    """Whether the name leads to a regular file, and not to a directory, a FIFO or in a circle."""

    @property
    def restart_count(self) -> int:
        """Return the container's restart count. Files of different counts share no lines."""
        return self.sort_key[0]

    @property
    def is_gzipped(self) -> bool:
        return self.path.endswith(".gz")

    def size(self) -> int:
        """Return the file's size on disk in bytes; 0 if the name leads nowhere."""
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def mtime(self) -> int:
        """Return when the file was modified, in ns; 0 if the name leads nowhere."""
        try:
            return os.stat(self.path).st_mtime_ns
        except OSError:
            return 0

    @property
    def is_numbered(self) -> bool:
        """Return whether the next rotation will change the name, so that it does not identify the file for long."""
        return self.sort_key[1] == _NUMBERED


def parse_sort_key(saved: object) -> SortKey:
    """Return a sort key that was saved as JSON values. Raise ValueError if no name has it, nor comes before all."""
    match saved:
        case [int(restart_count), int(kind), str(date), int(number)]:
            is_date = not date or (kind == _DATED and _DATE.fullmatch(date))
            if is_date and -1 <= restart_count < 1 << 32 and -1 <= kind <= _LIVE and -(10**9) < number <= 0:
                return int(restart_count), int(kind), date, int(number)
    raise ValueError("not the key of a file's name")


def is_before_run_end(key: SortKey, restart_count: int) -> bool:
    """Return whether a file's key may come before that of a file of a restart count; the live one is the last of it."""
    return key < (restart_count, _LIVE, "", 0)


def is_rotated(name: str) -> bool:
    """Return whether a file's name looks like a rotated or compressed sibling of a log."""
    return _ROTATED.fullmatch(name) is not None


def list_files(path: str) -> list[LogName]:
    """List the existing files of a log, oldest first; `path` is a container's directory or a plain file.

    Return an empty list if there are none. Raise OSError if the directory cannot be read, or has too many entries.
    While a file is being compressed it exists in both forms: the plain one is listed, because the other may be
    incomplete.
    """
    try:
        files = _list_container_files(path)
    except (NotADirectoryError, FileNotFoundError):
        files = _list_siblings(path)
    chosen: dict[SortKey, LogName] = {}
    for file in files:
        other = chosen.get(file.sort_key)
        if not other or (file.is_regular, not file.is_gzipped) > (other.is_regular, not other.is_gzipped):
            chosen[file.sort_key] = file
    return [chosen[key] for key in sorted(chosen)]


def total_size(files: list[LogName]) -> int:
    """Return the files' total size on disk in bytes."""
    return sum(file.size() for file in files)


def _list_container_files(directory: str) -> list[LogName]:
    files = []
    for entry in _scan(directory, MAX_ENTRIES):
        if not (match := _CONTAINER_LOG.fullmatch(entry.name)):
            continue
        restart_count, date = int(match[1]), match[2]
        if date is None and entry.is_symlink():
            # Docker rotates by itself, beside the file that kubelet's link leads to.
            files += _list_linked_files(entry.path, restart_count)
        else:
            key = (restart_count, _DATED if date else _LIVE, date or "", 0)
            files.append(LogName(key, entry.path, _is_regular(entry)))
    return files


def _list_linked_files(link: str, restart_count: int) -> list[LogName]:
    """List the file that a link leads to, and its rotated siblings; none of them exists if the link dangles."""
    try:
        return _list_siblings(os.path.realpath(link), restart_count)
    except OSError:
        return [LogName((restart_count, _LIVE, "", 0), link, is_regular=False)]


def _list_siblings(path: str, restart_count: int = 0) -> list[LogName]:
    """List a log file and its rotated siblings, as logrotate and Docker name them, in no particular order."""
    directory, base = os.path.split(path)
    files = []
    try:
        for entry in _scan(directory or ".", MAX_ENTRIES_BESIDE):
            if entry.name == base:
                files.append(LogName((restart_count, _LIVE, "", 0), path, _is_regular(entry)))
            elif entry.name.startswith(base) and (match := _ROTATION_SUFFIX.fullmatch(entry.name, len(base))):
                date, number = match.groups()
                key = (restart_count, _DATED, date, 0) if date else (restart_count, _NUMBERED, "", -int(number))
                files.append(LogName(key, os.path.join(directory, entry.name), _is_regular(entry)))
    except (NotADirectoryError, FileNotFoundError):
        return []
    return files


def _scan(directory: str, limit: int) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a directory; raise OSError if it cannot be read or has more entries than the limit."""
    with os.scandir(directory) as entries:
        yield from islice(entries, limit)
        if next(entries, None):
            raise TooManyFilesError(0, f"more than {limit} files in the directory", directory)


def _is_regular(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry may be opened as a log file; also if it dangles, since it may be renamed just now."""
    try:
        return entry.is_file() or not os.path.exists(entry.path)
    except OSError:
        return False
