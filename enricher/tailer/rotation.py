"""The files of one log in the order they were written, by their names alone.

kubelet: `<restarts>.log`, rotated `<restarts>.log.YYYYMMDD-HHMMSS[.gz]`. logrotate: `access.log`, rotated
`access.log.1`, `access.log.2.gz` (a higher number is older) or `access.log-20261122[.gz]`.
"""

import contextlib
import os
import re
from typing import NamedTuple

_NUMBERED, _DATED, _LIVE = range(3)
_CONTAINER = re.compile(r"(\d+)\.log(?:\.(\d{8}-\d{6})(?:\.gz)?)?")
_SUFFIX = re.compile(r"(?:[.-](\d{8}[\d-]*)|\.(\d{1,7}))(?:\.gz)?")
_ROTATED = re.compile(r".*(?:[.-]\d{8}[\d-]*|\.\d{1,7}|\.tmp|\.gz|\.bz2|\.xz|\.zst)")

Order = tuple[int, int, str, int]
"""(restarts, how it is named, date, -number): sorts a log's files from the oldest to the live one."""


class LogName(NamedTuple):
    order: Order
    path: str

    @property
    def run(self) -> int:
        """The container's restart count; files of different runs share no lines."""
        return self.order[0]

    @property
    def gzipped(self) -> bool:
        return self.path.endswith(".gz")

    @property
    def numbered(self) -> bool:
        """Its name will change with the next rotation, so it says nothing for long."""
        return self.order[1] == _NUMBERED


def is_rotated(name: str) -> bool:
    """Whether a file's name looks like a rotated or compressed sibling of a log."""
    return _ROTATED.fullmatch(name) is not None


def list_files(path: str) -> list[LogName]:
    """What is there of a log, oldest first; `path` is a container's directory or a plain file.

    Nothing there is an empty list; raises OSError for what can't be looked at. While a file is being compressed it
    exists in both forms: the plain one is listed, for the other may be incomplete.
    """
    try:
        return _distinct(_container_files(path))
    except (NotADirectoryError, FileNotFoundError):
        return _distinct(_siblings(path))


def total_size(files: list[LogName]) -> int:
    """Bytes on disk."""
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += os.stat(file.path).st_size
    return total


def _distinct(files: list[LogName]) -> list[LogName]:
    chosen: dict[Order, LogName] = {}
    for file in files:
        if file.order not in chosen or not file.gzipped:
            chosen[file.order] = file
    return [chosen[order] for order in sorted(chosen)]


def _container_files(directory: str) -> list[LogName]:
    files = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if not (found := _CONTAINER.fullmatch(entry.name)):
                continue
            run, stamp = int(found[1]), found[2]
            if stamp is None and entry.is_symlink():
                # Docker rotates on its own, beside the file that kubelet's link leads to.
                files += _siblings(os.path.realpath(entry.path), run)
            else:
                files.append(LogName((run, _DATED if stamp else _LIVE, stamp or "", 0), entry.path))
    return files


def _siblings(path: str, run: int = 0) -> list[LogName]:
    directory, base = os.path.split(path)
    try:
        names = os.listdir(directory or ".")
    except (NotADirectoryError, FileNotFoundError):
        return []
    files = []
    for name in names:
        if name == base:
            files.append(LogName((run, _LIVE, "", 0), path))
        elif name.startswith(base) and (found := _SUFFIX.fullmatch(name, len(base))):
            order = (run, _DATED, found[1], 0) if found[1] else (run, _NUMBERED, "", -int(found[2]))
            files.append(LogName(order, os.path.join(directory, name)))
    return files
