"""Reading a gzipped file so that no call takes long, whatever the file holds.

The standard library's `gzip` reads a header byte by byte, and goes on through any number of empty members, before it
returns.
"""

import os
import zlib

READ_SIZE = 64 * 1024
"""Compressed bytes read at once."""
MAX_BARREN = 4 * 1024 * 1024
"""Compressed bytes that may bring not one decompressed byte: gzip writes a file name there, of at most 4 KiB."""
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class CorruptGzipError(OSError):
    """A gzipped file whose rest cannot be decompressed."""


class GzipReader:
    """The decompressed bytes of an open file, from its beginning on.

    `offset` counts the decompressed bytes that have been returned, and `compressed_offset` those that they took.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor, self._path = descriptor, path
        self.rewind()

    def rewind(self) -> None:
        """Begin again."""
        self.offset = self.compressed_offset = 0
        self._input = b""
        self._member, self._is_between_members = zlib.decompressobj(_GZIP_FORMAT), True

    def read(self, size: int) -> bytes:
        """Return up to `size` further bytes, none at the end; raise CorruptGzipError or OSError."""
        barren = 0
        while barren <= MAX_BARREN:
            before = len(self._input) or self._fill()
            try:
                data = self._decompress(size)
            except zlib.error as error:
                raise CorruptGzipError(0, str(error), self._path) from error
            if data:
                self.offset += len(data)
                return data
            if not before:
                if self._is_between_members:
                    return b""
                raise CorruptGzipError(0, "compressed file ended before its end was reached", self._path)
            barren += before - len(self._input)
        raise CorruptGzipError(0, f"no content in {MAX_BARREN} bytes", self._path)

    def _fill(self) -> int:
        self._input = os.pread(self._descriptor, READ_SIZE, self.compressed_offset)
        self.compressed_offset += len(self._input)
        return len(self._input)

    def _decompress(self, size: int) -> bytes:
        if self._is_between_members:
            self._input = self._input.lstrip(b"\0")  # gzip files may be padded
            if not self._input:
                return b""
            self._is_between_members = False
        member = self._member
        data = member.decompress(self._input, size)
        self._input = member.unused_data if member.eof else member.unconsumed_tail
        if member.eof:
            self._member, self._is_between_members = zlib.decompressobj(_GZIP_FORMAT), True
        return data
