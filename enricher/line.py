"""Log lines and the container log that they come from. Pure data."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, overload


@dataclass(frozen=True, slots=True)
class Source:
    """One container whose log is followed.

    `path` is the directory or file that holds the log. `profile` is the name of the proxy's profile; it is empty unless
    the user gave it. `guess` is that of the profile whose proxies usually have such a name, for logs that were found by
    their names alone.
    """

    path: str
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    profile: str = ""
    guess: str = ""


class Line(NamedTuple):
    """One line of a log as the container runtime framed it, with its fragments joined.

    `stamp` is the runtime's RFC 3339 stamp of the first fragment, as written. `stream` is "stdout" or "stderr". Both
    are empty if the line has no valid frame. `cut` is the number of bytes dropped from the end of a line that exceeds
    the size limit.
    """

    text: bytes
    stamp: bytes = b""
    stream: str = ""
    cut: int = 0


_FEW = 8
"""Number of lines that are parsed one by one before all of them are."""


class Block(Sequence[Line]):
    """Lines that have not been parsed from their frames yet.

    `body` holds `size` whole physical lines, each of which is exactly one Line: `<stamp> stdout F <text>` if it is
    framed, or else only the text. `stream` is the stream that `stdout` stands for in these frames. A consumer of Lines
    iterates over the block; a consumer that can read `body` as a whole saves that work. `parse_frames` makes Lines of
    any bytes of `body` that are whole physical lines.
    """

    def __init__(
        self,
        body: bytes,
        size: int,
        parse_frames: Callable[[bytes], Sequence[Line]],
        *,
        framed: bool = True,
        stream: str = "stdout",
        gaps: Collection[int] = (),
    ) -> None:
        self.gaps = gaps
        """The numbers of lines that the body does not have: there are empty lines in their places."""
        self.body, self.parse_frames, self.framed, self.stream = body, parse_frames, framed, stream
        self._size = size
        self._lines: Sequence[Line] | None = None

    @cached_property
    def raw_lines(self) -> list[bytes]:
        """Return the physical lines without their newlines."""
        return self.body.split(b"\n")[:-1]

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, int) and self._lines is None:  # few lines of a block are looked at by themselves
            last = self.body.rfind(b"\n", 0, -1) + 1
            return self.parse_frames(self.body[last:] if index == -1 else self.raw_lines[index] + b"\n")[0]
        return self._get_lines()[index]

    def __iter__(self) -> Iterator[Line]:
        if self._lines is None:  # whoever looks at a log's format stops after a few lines
            first = self.body.split(b"\n", _FEW)[:_FEW] if self._size > _FEW else []
            yield from (self.parse_frames(raw + b"\n")[0] for raw in first)
            yield from (self._get_lines()[number] for number in range(len(first), self._size))
        else:
            yield from self._lines

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def _get_lines(self) -> Sequence[Line]:
        if self._lines is None:
            self._lines = self.parse_frames(self.body)
        return self._lines


def _fits(text: bytes, stamp: bytes) -> bool:
    """Return whether a line can be written in a body."""
    return b"\n" not in text and b"\n" not in stamp and b" " not in stamp


def make_block(lines: Sequence[Line]) -> Block:
    """Return lines as a block whose body has an empty line in place of each that cannot be written in it."""
    first = next((line for line in lines if line.stream != "stderr"), Line(b""))
    framed, stream = bool(first.stamp), first.stream
    gaps = {
        number
        for number, (text, stamp, line_stream, cut) in enumerate(lines)
        if line_stream != stream or bool(stamp) != framed or cut or not _fits(text, stamp)
    }
    body = b"".join(
        [
            b"\n" if number in gaps else b"%b stdout F %b\n" % (stamp, text) if framed else text + b"\n"
            for number, (text, stamp, _, _) in enumerate(lines)
        ]
    )
    return Block(body, len(lines), lambda _: lines, framed=framed, stream=stream, gaps=gaps)
