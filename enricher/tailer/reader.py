"""Reading a log once, from its beginning to its end, as `enricher enrich` does."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

from enricher.errors import ConfigurationError
from enricher.line import Line
from enricher.tailer.framing import MAX_LINE, Framer

_READ_SIZE = 64 * 1024
"""Bytes read at once."""


def open_stdin() -> BinaryIO:
    """Return stdin as bytes; raise ConfigurationError if it was closed before this program was started."""
    if sys.stdin is None:
        raise ConfigurationError("stdin is closed")
    return sys.stdin.buffer


def read_file(
    file: str | BinaryIO, *, progress: Callable[[int], object] | None = None, max_line: int = MAX_LINE
) -> Iterator[Sequence[Line]]:
    """Yield the lines of a file, or of an open stream such as stdin, in lists as they are read.

    gzip is recognised by its first bytes. `progress` is called with the number of the file's bytes read so far, before
    decompression. Raise ConfigurationError if the file cannot be opened or read to its end.
    """
    name = file if isinstance(file, str) else getattr(file, "name", "input")
    framer = Framer(max_line)
    try:
        with _CountingReader(file) as raw:
            stream = io.BufferedReader(raw, _READ_SIZE)
            is_gzipped = stream.peek(2)[:2] == b"\x1f\x8b"
            content = gzip.GzipFile(fileobj=stream) if is_gzipped else stream
            while data := content.read1(_READ_SIZE):
                yield framer.feed(data)
                if progress:
                    progress(raw.bytes_read)
            yield framer.flush()
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


class _CountingReader(io.RawIOBase):
    """A raw stream that counts the bytes read from a file; it closes the file only if it opened it."""

    def __init__(self, file: str | BinaryIO) -> None:
        self.bytes_read = 0
        self._owns_file = False  # if opening fails, there is nothing to close
        self._file = open(file, "rb", buffering=0) if isinstance(file, str) else file  # noqa: SIM115  closed in close()
        self._owns_file = isinstance(file, str)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        read = getattr(self._file, "read1", self._file.read)
        data: bytes = read(len(view))
        view[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)

    def close(self) -> None:
        if self._owns_file and not self.closed:
            self._file.close()
        super().close()
