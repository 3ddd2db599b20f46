"""A position in a log that can be found again after rotation, compression and restarts."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from enricher.tailer.file_names import LogName, SortKey, is_before_run_end, parse_sort_key
from enricher.tailer.framing import Framing
from enricher.tailer.plain_or_gzip import HEAD_SIZE, LogFile

MAX_LINES_WRITTEN = 2 * 1024 * 1024
"""Largest number of lines of one chunk: a saved position with more would have lines skipped that were never read."""
_DIGEST_SIZE = 16
_DIGEST = re.compile(f"[0-9a-f]{{{2 * _DIGEST_SIZE}}}|")


@dataclass(slots=True)
class FileIdentity:
    """A file as it was last seen, with enough detail to recognise it renamed, compressed or copied.

    `device` and `inode` alone are not sufficient, because inodes are reused. `length` and `digest` are those of the
    file's first decompressed bytes, at most `HEAD_SIZE`. `predecessor` is the sort key of the file before it when it
    was opened: files up to that key already existed. Numbered names shift, though, so once the file is gone only those
    modified since `mtime` (ns since the epoch) count as newer. `restart_count` is the container's.
    """

    restart_count: int = 0
    predecessor: SortKey = (-1, 0, "", 0)
    device: int = 0
    inode: int = 0
    length: int = 0
    digest: str = ""
    mtime: int = 0

    @classmethod
    def from_listing(cls, files: Sequence[LogName], index: int) -> "FileIdentity":
        """Return the identity of a listed file that has not been read yet."""
        restart_count = files[index].restart_count
        return cls(restart_count, files[index - 1].sort_key if index else (restart_count, -1, "", 0))

    def update(self, file: LogFile) -> None:
        """Update the identity from the open file."""
        self.device, self.inode = file.device_and_inode
        status = file.stat()
        # Anybody who may write a file may date it, into a future that never comes, or beyond any number of 64 bits.
        self.mtime = max(0, min(status.st_mtime_ns, status.st_ctime_ns))
        if self.length != len(file.head) or not self.digest:
            self.length, self.digest = len(file.head), _digest(file.head)

    def is_at(self, name: LogName) -> bool:
        """Return whether the file has this name now, by its inode."""
        try:
            status = os.stat(name.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == (self.device, self.inode)

    def could_be(self, name: LogName) -> bool:
        """Return whether the file may have this name by now.

        A head that is shorter than `HEAD_SIZE`, perhaps half a line, matches many files: then files that are older by
        their names are excluded.
        """
        return name.restart_count == self.restart_count and (self.length == HEAD_SIZE or not self.predates(name))

    def predates(self, name: LogName) -> bool:
        """Return whether, judging by its name, the named file existed before this one was opened."""
        return name.restart_count == self.restart_count and not name.is_numbered and name.sort_key <= self.predecessor

    def match(self, file: LogFile, offset: int) -> int:
        """Return how well the open file matches this one: 2 if it is the file, 1 a copy or its gzipped form, 0 another.

        A copy must reach up to the offset.
        """
        same_inode = file.device_and_inode == (self.device, self.inode)
        if not self.length:
            return 2 if same_inode else 0
        if _digest(file.head[: self.length]) != self.digest:
            return 0
        if same_inode:
            return 2
        return 1 if file.gzipped or file.stat().st_size >= offset else 0


class Position(NamedTuple):
    """The place in a log from which reading continues.

    `offset` is the start of a physical line in the file's decompressed bytes, and `framing` is the state of the framing
    there. `lines_written` is the number of lines after it that have been written out already. `exhausted` is true if
    the file has been read to its end and nothing more is expected of it.
    """

    file: FileIdentity
    offset: int
    framing: Framing
    lines_written: int = 0
    exhausted: bool = False

    def dump(self) -> dict[str, Any]:
        """Return the position as JSON values."""
        file = self.file
        return {
            "after": list(file.predecessor),
            "run": file.restart_count,
            "device": file.device,
            "inode": file.inode,
            "head": [file.length, file.digest],
            "mtime": file.mtime,
            "offset": self.offset,
            "skip": self.lines_written,
            "left": self.exhausted,
            "framing": self.framing.dump(),
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> "Position | None":
        """Return the position that `dump` saved, or None if these are not values that it can have written."""
        try:
            length, digest = saved["head"]
            numbers = [saved[name] for name in ("run", "device", "inode", "mtime", "offset", "skip")]
            restart_count, device, inode, mtime, offset, lines_written = numbers
            framing, predecessor = Framing.load(saved["framing"]), parse_sort_key(saved["after"])
            if not all(type(value) is int and 0 <= value < 1 << 64 for value in (*numbers, length)):
                return None
            if not _DIGEST.fullmatch(digest) or length > HEAD_SIZE or lines_written > MAX_LINES_WRITTEN:
                return None
            if not is_before_run_end(predecessor, restart_count):
                return None
            file = FileIdentity(restart_count, predecessor, device, inode, length, digest, mtime)
            return cls(file, offset, framing, lines_written, saved["left"] is True)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=_DIGEST_SIZE).hexdigest()
