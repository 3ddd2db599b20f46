"""One open log file, plain or gzipped: its bytes from an offset, who it is, and whether it may be read at all."""

import gzip
import os
import stat
import zlib
from collections.abc import Sequence

HEAD = 1024
"""Bytes that make a fingerprint. The first line's nanosecond stamp, or its time and request, make them distinct."""


class RefusedError(OSError):
    """Not a regular file, or a link that leads out of the allowed directories."""


class BrokenError(OSError):
    """The rest of a gzipped file can't be unpacked."""


class LogFile:
    """Offsets count unpacked bytes. `head` is what is known of the first `HEAD` bytes; `broken`: they can't be
    unpacked.
    """

    def __init__(self, path: str, *, gzipped: bool, roots: Sequence[str]) -> None:
        """Raises RefusedError, or OSError as `os.open` does. A FIFO doesn't block."""
        self.path = path
        self.gzipped = gzipped
        self.head = b""
        self.broken = False
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            self._refuse_strangers(roots)
            self._unpacked = gzip.GzipFile(fileobj=os.fdopen(self._fd, "rb", closefd=False)) if gzipped else None
            status = os.fstat(self._fd)
            self.identity = (status.st_dev, status.st_ino)
            self._read_head()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        os.close(self._fd)

    def status(self) -> os.stat_result:
        return os.fstat(self._fd)

    def is_at(self, path: str) -> bool:
        """Whether the path leads to this file now."""
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises BrokenError or OSError."""
        data = self._unpack(self._unpacked, offset, size) if self._unpacked else os.pread(self._fd, size, offset)
        if offset <= len(self.head) < HEAD:
            self.head = (self.head[:offset] + data)[:HEAD]
        return data

    def unread(self, offset: int) -> int:
        """Bytes between the offset and the end; of a gzipped file the packed ones."""
        done = os.lseek(self._fd, 0, os.SEEK_CUR) if self.gzipped else offset
        return max(0, self.status().st_size - done)

    def is_replaced(self) -> bool:
        """Whether other content took the place of what was read: truncated, or copied and truncated."""
        return not self.gzipped and os.pread(self._fd, len(self.head), 0) != self.head

    def is_shorter(self, offset: int) -> bool:
        """Whether the file ends before what was read of it."""
        return not self.gzipped and self.status().st_size < offset

    def last_line_start(self, reach: int = 64 * 1024) -> int:
        """The offset after the last newline, so that a line that is just being written is read as a whole."""
        if self.gzipped:
            return self._unpacked_size()
        size = self.status().st_size
        begin = max(0, size - reach)
        newline = os.pread(self._fd, size - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        return size if begin else 0

    def _unpacked_size(self) -> int:
        size = 0
        while data := self.read(size, 64 * 1024):
            size += len(data)
        return size

    def _unpack(self, packed: gzip.GzipFile, offset: int, size: int) -> bytes:
        try:
            if packed.tell() != offset:
                packed.seek(offset)
            return packed.read1(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenError(0, str(error), self.path) from error

    def _read_head(self) -> None:
        # A broken packed file says so again when it is read on.
        try:
            while len(self.head) < HEAD and self.read(len(self.head), HEAD - len(self.head)):
                pass
        except BrokenError:
            self.broken = True

    def _refuse_strangers(self, roots: Sequence[str]) -> None:
        # The path is asked of the open descriptor: it could be exchanged between a look at it and opening it.
        real = os.readlink(f"/proc/self/fd/{self._fd}")
        if not any(real.startswith(os.path.join(os.path.realpath(root), "")) for root in roots):
            raise RefusedError(0, f"refused: leads to {real}, outside the allowed directories", self.path)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(0, "refused: not a regular file", self.path)
        if any(_is_open_as(descriptor, status) for descriptor in (1, 2)):
            raise RefusedError(0, "refused: this program writes to it", self.path)


def _is_open_as(descriptor: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), status)
    except OSError:
        return False
