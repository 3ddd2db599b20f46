"""The files of one log, in the order in which they were written, by their names alone.

kubelet: `<restarts>.log`, rotated `<restarts>.log.YYYYMMDD-HHMMSS[.gz]`. logrotate: `access.log`, rotated
`access.log.1`, `access.log.2.gz` (a higher number is older) or `access.log-20261122[.gz]`.
"""

import os
import re
from typing import NamedTuple

_NUMBERED, _DATED, _LIVE = range(3)
# A container does not restart a billion times: any larger number is not one of kubelet's names.
_CONTAINER_LOG = re.compile(r"([0-9]{1,9})\.log(?:\.([0-9]{8}-[0-9]{6})(?:\.gz)?)?")
_ROTATION_SUFFIX = re.compile(r"(?:[.-]([0-9]{8}[0-9-]{0,32})|\.([0-9]{1,7}))(?:\.gz)?")
_ROTATED = re.compile(r".*(?:[.-][0-9]{8}[0-9-]*|\.[0-9]{1,7}|\.tmp|\.gz|\.bz2|\.xz|\.zst)")

SortKey = tuple[int, int, str, int]
"""(restart count, kind of name, date, -number): sorts the files of a log from the oldest to the live one."""


class LogName(NamedTuple):
    """The path of a file of a log, and its place among the log's files as its name implies it."""

    sort_key: SortKey
    path: str

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


def is_rotated(name: str) -> bool:
    """Return whether a file's name looks like a rotated or compressed sibling of a log."""
    return _ROTATED.fullmatch(name) is not None


def list_files(path: str) -> list[LogName]:
    """List the existing files of a log, oldest first; `path` is a container's directory or a plain file.

    Return an empty list if there are none. Raise OSError if the directory cannot be read. While a file is being
    compressed it exists in both forms: the plain one is listed, because the other may be incomplete.
    """
    try:
        files = _list_container_files(path)
    except (NotADirectoryError, FileNotFoundError):
        files = _list_siblings(path)
    chosen: dict[SortKey, LogName] = {}
    for file in files:
        if file.sort_key not in chosen or not file.is_gzipped:
            chosen[file.sort_key] = file
    return [chosen[key] for key in sorted(chosen)]


def total_size(files: list[LogName]) -> int:
    """Return the files' total size on disk in bytes."""
    return sum(file.size() for file in files)


def _list_container_files(directory: str) -> list[LogName]:
    files = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if not (match := _CONTAINER_LOG.fullmatch(entry.name)):
                continue
            restart_count, date = int(match[1]), match[2]
            if date is None and entry.is_symlink():
                # Docker rotates by itself, beside the file that kubelet's link leads to.
                files += _list_siblings(os.path.realpath(entry.path), restart_count)
            else:
                files.append(LogName((restart_count, _DATED if date else _LIVE, date or "", 0), entry.path))
    return files


def _list_siblings(path: str, restart_count: int = 0) -> list[LogName]:
    """List a log file and its rotated siblings, as logrotate and Docker name them, in no particular order."""
    directory, base = os.path.split(path)
    try:
        names = os.listdir(directory or ".")
    except (NotADirectoryError, FileNotFoundError):
        return []
    files = []
    for name in names:
        if name == base:
            files.append(LogName((restart_count, _LIVE, "", 0), path))
        elif name.startswith(base) and (match := _ROTATION_SUFFIX.fullmatch(name, len(base))):
            date, number = match.groups()
            key = (restart_count, _DATED, date, 0) if date else (restart_count, _NUMBERED, "", -int(number))
            files.append(LogName(key, os.path.join(directory, name)))
    return files
