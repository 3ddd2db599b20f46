"""A log read once from its beginning to its end, as `enricher enrich` does."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

from enricher.errors import ConfigurationError
from enricher.line import Line
from enricher.tailer.framing import MAX_LINE, Framer

_PIECE = 64 * 1024


def stdin() -> BinaryIO:
    """Raises ConfigurationError where it was closed before we were started."""
    if sys.stdin is None:
        raise ConfigurationError("stdin is closed")
    return sys.stdin.buffer


def read_file(
    file: str | BinaryIO, *, progress: Callable[[int], object] | None = None, max_line: int = MAX_LINE
) -> Iterator[Sequence[Line]]:
    """The lines of a file (or of an open stream, as stdin is) in lists, as they come; gzip is told by its first bytes.

    `progress` hears the bytes of the file taken so far, packed ones where it is packed. Raises ConfigurationError for
    a file that can't be opened, or read on.
    """
    name = file if isinstance(file, str) else getattr(file, "name", "input")
    framer = Framer(max_line)
    try:
        with _Counting(file) as raw:
            stream = io.BufferedReader(raw, _PIECE)
            packed = stream.peek(2)[:2] == b"\x1f\x8b"
            unpacked = gzip.GzipFile(fileobj=stream) if packed else stream
            while data := unpacked.read1(_PIECE):
                yield framer.feed(data)
                if progress:
                    progress(raw.taken)
            yield framer.flush()
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


class _Counting(io.RawIOBase):
    """Counts the bytes taken from a file; closes it only if it was opened here."""

    def __init__(self, file: str | BinaryIO) -> None:
        self.taken = 0
        self._ours = isinstance(file, str)
        self._file = open(file, "rb", buffering=0) if isinstance(file, str) else file  # noqa: SIM115  closed in close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        read = getattr(self._file, "read1", self._file.read)
        data: bytes = read(len(view))
        view[: len(data)] = data
        self.taken += len(data)
        return len(data)

    def close(self) -> None:
        if self._ours and not self.closed:
            self._file.close()
        super().close()
