"""The words that pass between the packages: where a line comes from, and the line. Pure data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload


@dataclass(frozen=True, slots=True)
class Source:
    """One container whose log is followed; `path` is the directory or file that holds it. `profile` is the name of its
    proxy's, if it was given.
    """

    path: str
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    profile: str = ""


class Line(NamedTuple):
    """One line of a log as the container runtime framed it, its fragments joined.

    `stamp` is the runtime's RFC 3339 stamp of the first fragment as written, `stream` is "stdout" or "stderr";
    both are empty where the line carries no (valid) frame. `cut` counts the bytes that were dropped from the end of
    a line longer than the follower's limit.
    """

    text: bytes
    stamp: bytes = b""
    stream: str = ""
    cut: int = 0


class Block(Sequence[Line]):
    """Lines that nobody has framed yet: `body` holds whole physical lines, each of them one Line.

    Who wants Lines gets them; who can read `body` at once saves the work. `frame` makes Lines of any of its lines.
    """

    def __init__(self, body: bytes, frame: Callable[[bytes], list[Line]]) -> None:
        self.body = body
        self.raw = body.split(b"\n")[:-1]
        """The physical lines without their newlines."""
        self.frame = frame
        self._lines: list[Line] | None = None

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if index == -1 and self._lines is None:  # of a block that was read as a whole, this one is still of interest
            return self.frame(self.raw[-1])[0]
        return self._framed()[index]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._framed())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def _framed(self) -> list[Line]:
        if self._lines is None:
            self._lines = self.frame(self.body)
        return self._lines
