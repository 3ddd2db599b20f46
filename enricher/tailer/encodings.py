"""Bytes of text files as people save them: compressed, in UTF-16, with a byte order mark or with Windows' newlines."""

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, cast

from enricher.errors import ConfigurationError

_OTHER_COMPRESSIONS = {b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"), b"PK\x03\x04": ("zip", "unzip -p")}
"""Compressions that the standard library of Python 3.11 cannot read as a stream, and commands that can."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_HEAD_SIZE = 6
"""Bytes that show how a file is encoded."""
_MAX_HEAD = 64 * 1024
"""Bytes in which a newline is looked for to see what newlines a file has."""


def decompress(stream: io.BufferedReader, name: str) -> BinaryIO:
    """Return the stream's content, decompressed if its first bytes say that it is gzip, bzip2 or xz.

    Raise ConfigurationError for another compression.
    """
    head = stream.peek(_HEAD_SIZE)[:_HEAD_SIZE]
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if head.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(stream))
    if head.startswith(b"\xfd7zXZ"):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    if head[:4] in _OTHER_COMPRESSIONS:
        compression, command = _OTHER_COMPRESSIONS[head[:4]]
        raise ConfigurationError(f"{name} is compressed with {compression}: decompress it with `{command}`")
    return cast(BinaryIO, stream)


def decode(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield a text file's bytes in UTF-8 without byte order marks; if all lines end with `\r\n`, these become `\n`."""
    remaining = iter(pieces)
    head = b""
    while len(head) < 4 and b"\n" not in head and (piece := next(remaining, b"")):
        head += piece
    if not head:
        return
    pieces = chain([head], remaining)
    if encoding := _detect_utf16(head):
        pieces = _decode_utf16(pieces, encoding)
    elif head.startswith(codecs.BOM_UTF8):
        pieces = _strip_marks(pieces)
    yield from _normalise_newlines(pieces)


def _detect_utf16(head: bytes) -> str:
    """Return the name of the encoding, also if there is no mark: in ASCII every other byte is 0. Empty if it is not."""
    if encoding := _BYTE_ORDER_MARKS.get(head[:2]):
        return encoding
    first, second, third, fourth = head[:4].ljust(4, b"\xff")
    if first and third and not second and not fourth:
        return "utf-16-le"
    return "utf-16-be" if second and fourth and not first and not third else ""


def _decode_utf16(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for piece in pieces:
        yield decoder.decode(piece).replace("\ufeff", "").encode()
    yield decoder.decode(b"", final=True).encode()


def _strip_marks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Take off the mark at the beginning, and those of files that were appended to it."""
    at_line_start = True
    for piece in _with_whole_marks(pieces):
        if at_line_start:
            piece = piece.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
        if piece:
            at_line_start = piece.endswith(b"\n")
            yield piece.replace(b"\n" + codecs.BOM_UTF8, b"\n")


def _with_whole_marks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces that do not end inside a mark."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        size = next((size for size in (2, 1) if data.endswith(codecs.BOM_UTF8[:size])), 0)
        rest = data[len(data) - size :]
        yield data[: len(data) - size]
    yield rest


def _normalise_newlines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Replace `\r\n` by `\n` if all newlines of the first piece that has one are such."""
    remaining = iter(pieces)
    head = b""
    for piece in remaining:
        head += piece
        if b"\n" in piece or len(head) > _MAX_HEAD:
            break
    is_windows = 0 < head.count(b"\n") == head.count(b"\r\n")
    pieces = chain([head], remaining)
    yield from _replace_newlines(pieces) if is_windows else pieces


def _replace_newlines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        data = rest + piece
        rest = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(rest)].replace(b"\r\n", b"\n")
    yield rest
