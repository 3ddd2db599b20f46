"""One open log file, plain or gzipped: whether it may be read, which file it is, and its bytes from an offset."""

import errno
import os
import stat
from collections.abc import Sequence

from enricher.tailer.gzip_reader import CorruptGzipError, GzipReader

MAX_FRAGMENT = 64 * 1024
"""Bytes at the end of a plain file in which the beginning of its last line is looked for."""
HEAD_SIZE = 1024
"""Bytes that make a fingerprint. The first line's nanosecond stamp, or its time and request, make them distinct."""


class RefusedError(OSError):
    """A file that may not be read: not a regular one, outside the allowed directories, or our own output."""


_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.ENAMETOOLONG})
_BROKEN = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})
_LASTING = _FORBIDDEN | _BROKEN
"""Errors of files that cannot be opened or read, however often one tries; all others may pass."""
_SKIPPED_AT_ONCE = 1024 * 1024
"""Decompressed bytes that are skipped before other logs get their turns."""


def is_lasting(error: OSError) -> bool:
    """Return whether a file that could not be opened will not be readable later under its name either."""
    return isinstance(error, RefusedError | FileNotFoundError | NotADirectoryError) or error.errno in _LASTING


class LogFile:
    """One open log file. Offsets count decompressed bytes.

    `head` is those of the first `HEAD_SIZE` bytes that have been read; `is_corrupt` is true if they cannot be
    decompressed. `device_and_inode` identifies the file until it is deleted.
    """

    def __init__(self, path: str, *, gzipped: bool, roots: Sequence[str]) -> None:
        """Open the file; raise RefusedError, or OSError as `os.open` does. Opening a FIFO does not block."""
        self.path = path
        self.gzipped = gzipped
        self.head = b""
        self.is_corrupt = False
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            self._check_allowed(roots)
            self._gzip = GzipReader(self._fd, path) if gzipped else None
            status = self.stat()
            self.device_and_inode = (status.st_dev, status.st_ino)
            self._read_head()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        os.close(self._fd)

    def stat(self) -> os.stat_result:
        return os.fstat(self._fd)

    def is_at(self, path: str) -> bool:
        """Return whether the path leads to this file now."""
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.device_and_inode

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes, none at the end; raise CorruptGzipError or OSError."""
        if self._gzip:
            while not self.approach(offset):
                pass
            data = self._gzip.read(size)
        else:
            data = os.pread(self._fd, size, offset)
        if offset <= len(self.head) < HEAD_SIZE:
            self.head = (self.head[:offset] + data)[:HEAD_SIZE]
        return data

    def approach(self, offset: int) -> bool:
        """Go on towards an offset, which may take long in a gzipped file; return whether it has been reached.

        An offset beyond the end counts as reached there. Raise CorruptGzipError or OSError.
        """
        if not self._gzip or self._gzip.offset == offset:
            return True
        if self._gzip.offset > offset:
            self._gzip.rewind()
        limit = min(offset, self._gzip.offset + _SKIPPED_AT_ONCE)
        while self._gzip.offset < limit:
            if not self._gzip.read(limit - self._gzip.offset):
                return True
        return self._gzip.offset == offset

    def unread_bytes(self, offset: int) -> int:
        """Return the number of bytes between the offset and the end; for a gzipped file, of compressed ones."""
        bytes_read = self._gzip.compressed_offset if self._gzip else offset
        return max(0, self.stat().st_size - bytes_read)

    def is_replaced(self) -> bool:
        """Return whether other content replaced the file's head: it was truncated, perhaps after it was copied."""
        return not self.gzipped and os.pread(self._fd, len(self.head), 0) != self.head

    def is_shorter(self, offset: int) -> bool:
        """Return whether the file ends before the offset."""
        return not self.gzipped and self.stat().st_size < offset

    def last_line_start(self) -> int:
        """Return the offset after the last newline of a plain file, so that a line being written is read as a whole.

        If there is no newline in the last MAX_FRAGMENT bytes, return the end of the file, or 0 in a file that is not
        longer.
        """
        size = self.stat().st_size
        begin = max(0, size - MAX_FRAGMENT)
        newline = os.pread(self._fd, size - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        return size if begin else 0

    def _read_head(self) -> None:
        try:
            while len(self.head) < HEAD_SIZE and self.read(len(self.head), HEAD_SIZE - len(self.head)):
                pass
        except CorruptGzipError:
            self.is_corrupt = True  # reading on raises the error again

    def _check_allowed(self, roots: Sequence[str]) -> None:
        """Raise RefusedError unless the file is a regular one in one of the directories, and not our own output."""
        # The real path is that of the open descriptor: a path could be exchanged between checking and opening it.
        real = os.readlink(f"/proc/self/fd/{self._fd}")
        if not any(real.startswith(os.path.join(os.path.realpath(root), "")) for root in roots):
            raise RefusedError(0, f"refused: leads to {real}, outside the allowed directories", self.path)
        status = self.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(0, "refused: not a regular file", self.path)
        if any(_is_open_as(descriptor, status) for descriptor in (1, 2)):
            raise RefusedError(0, "refused: this program writes to it", self.path)


def _is_open_as(descriptor: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), status)
    except OSError:
        return False
