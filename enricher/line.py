"""Log lines and the container log that they come from. Pure data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload


@dataclass(frozen=True, slots=True)
class Source:
    """One container whose log is followed.

    `path` is the directory or file that holds the log. `profile` is the name of the proxy's profile; it is empty unless
    the user gave it.
    """

    path: str
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    profile: str = ""


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


class Block(Sequence[Line]):
    """Lines that have not been parsed from their frames yet.

    `body` holds whole physical lines, each of which is exactly one Line. A consumer of Lines iterates over the block; a
    consumer that can read `body` as a whole saves that work. `parse_frames` makes Lines of any bytes of `body` that are
    whole physical lines.
    """

    def __init__(self, body: bytes, parse_frames: Callable[[bytes], list[Line]]) -> None:
        self.body = body
        self.raw_lines = body.split(b"\n")[:-1]
        """The physical lines without their newlines."""
        self.parse_frames = parse_frames
        self._lines: list[Line] | None = None

    def __len__(self) -> int:
        return len(self.raw_lines)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if index == -1 and self._lines is None:  # all that is needed of a block whose body was read as a whole
            return self.parse_frames(self.raw_lines[-1])[0]
        return self._get_lines()[index]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._get_lines())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def _get_lines(self) -> list[Line]:
        if self._lines is None:
            self._lines = self.parse_frames(self.body)
        return self._lines
