"""Reading a log once, from its beginning to its end, as `enricher enrich` does."""

import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

import orjson

from enricher.errors import ConfigurationError
from enricher.line import Line
from enricher.tailer.encodings import decode, decompress
from enricher.tailer.exports import flatten
from enricher.tailer.framing import MAX_LINE, Framer, Framing, detect_kind

_READ_SIZE = 64 * 1024
"""Bytes read at once."""
_DOCKER_KEYS = {"log", "stream", "time", "attrs"}
_DOCKER_LINES = 20
"""First lines that are examined to see whether Docker wrote them."""
_SHORT = 8 * 1024
"""Characters of a text that Docker did not cut: it cuts at 16 KiB."""


def open_stdin() -> BinaryIO:
    """Return stdin as bytes; raise ConfigurationError if it was closed before this program was started."""
    if sys.stdin is None:
        raise ConfigurationError("stdin is closed")
    return sys.stdin.buffer


def read_file(
    file: str | BinaryIO, *, progress: Callable[[int], object] | None = None, max_line: int = MAX_LINE
) -> Iterator[Sequence[Line]]:
    """Yield the lines of a file, or of an open stream such as stdin, in lists as they are read.

    `progress` is called with the number of the file's bytes read so far, before decompression. Raise
    ConfigurationError if the file cannot be opened or read to its end.
    """
    reader = LogReader(max_line)
    yield from reader.read(file, progress)
    yield reader.flush()


class LogReader:
    """A reader of the files of one log, oldest first, or of a stream; a line may go on in the next file."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._framer: Framer | None = None

    def read(self, file: str | BinaryIO, progress: Callable[[int], object] | None = None) -> Iterator[Sequence[Line]]:
        """Yield the lines of the next file; see `read_file`."""
        name = file if isinstance(file, str) else getattr(file, "name", "input")
        try:
            with _CountingReader(file) as raw:
                content = decompress(io.BufferedReader(raw, _READ_SIZE), str(name))
                pieces = iter(lambda: content.read1(_READ_SIZE), b"")  # type: ignore[attr-defined]
                for data in flatten(decode(pieces)):
                    self._framer = self._framer or Framer(self._max_line, _framing_of(data))
                    yield self._framer.feed(data)
                    if progress:
                        progress(raw.bytes_read)
            if self._framer:
                yield self._framer.end_file()
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ConfigurationError(f"{name}: {getattr(error, 'strerror', None) or error}") from error

    def flush(self) -> list[Line]:
        """Return the lines of the log whose ends did not come."""
        return self._framer.flush() if self._framer else []


def _framing_of(head: bytes) -> Framing | None:
    """Return "plain" for records of a shipper that only look like Docker's, as Fluent Bit writes them; or None.

    These have other keys as well, or no newline in the first texts, which would make all of them one line.
    """
    lines = head.lstrip(b"\n").split(b"\n", _DOCKER_LINES)[:_DOCKER_LINES]
    if detect_kind(lines[0]) != "docker":
        return None
    entries = [orjson.loads(line) for line in lines if detect_kind(line) == "docker"]
    is_short = not any(entry["log"].endswith("\n") or len(entry["log"]) > _SHORT for entry in entries)
    return Framing("plain") if is_short or not entries[0].keys() <= _DOCKER_KEYS else None


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
