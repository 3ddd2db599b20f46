"""What writes logs, with the reference model: which lines have to come out, in which order, and with which text."""

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from enricher.timestamps import format_rfc3339
from tests.support.kubelet import Container, compress

ACCESS = (
    '192.0.2.7 - - [22/Nov/2026:00:00:00 +0000] "%s" 200 39 "-" "-" 128 0.007 [shop-web-80] [] %s 5 0.001 200 id-%d'
)
ADDRESSES = ["10.0.0.1:80"] * 8 + ["10.0.0.2:80", "10.9.9.9:80", "10.8.8.8:80"]
"""The last two are unknown: such lines are held for a while."""
_SEQUENCE = re.compile(r"seq=(\d+) ")
Stream = tuple[str, str]
"""A container's directory and one of its streams: what has an order."""


@dataclass
class Expected:
    """The lines of one stream by number: the text that the line itself, or its request, has to have."""

    texts: list[str] = field(default_factory=list)
    open: bytes = b""
    """Fragments of a line that has not ended; its number is the next."""


class Log(Container):
    """A container's log with numbered lines. `clock` gives ns since the epoch."""

    def __init__(self, directory: Path, rng: random.Random, clock: Callable[[], int]) -> None:
        super().__init__(directory)
        self.rng, self.clock = rng, clock
        self.streams = {"stdout": Expected(), "stderr": Expected()}
        self.renamed = False
        self.in_fragments = False
        """Whether lines came in fragments that no checkpoint is known to cover."""
        self._torn = b""
        self._tear = False
        self._stamps = 0

    # --- lines ---------------------------------------------------------------------------------------------------

    def line(self, stream: str = "stdout", size: int = 0) -> None:
        """A line, or the rest of an open one."""
        expected, rng = self.streams[stream], self.rng
        number = len(expected.texts)
        if expected.open:
            tail = "." * size
            expected.texts.append(expected.open.decode() + tail)
            expected.open = b""
            self._frame(stream, b"F", tail.encode())
            return
        if stream == "stderr" or rng.random() < 0.3:
            text = text_expected = f"seq={number} {'x' * size}"
        else:
            text_expected = f"GET /?seq={number} {'y' * size} HTTP/1.1"
            text = ACCESS % (text_expected, rng.choice(ADDRESSES), number)
        expected.texts.append(text_expected)
        self._frame(stream, b"F", text.encode())

    def fragment(self, stream: str, size: int) -> None:
        """A part of a line that goes on."""
        expected = self.streams[stream]
        part = b"-" * size if expected.open else b"seq=%d %s" % (len(expected.texts), b"z" * size)
        expected.open += part
        self.in_fragments = True
        self._frame(stream, b"P", part)

    def finish_lines(self) -> None:
        for stream, expected in self.streams.items():
            if expected.open:
                self.line(stream)

    def torn(self) -> None:
        """A line of which only a part is written for now."""
        self._tear = True
        self.line()

    def _frame(self, stream: str, tag: bytes, text: bytes) -> None:
        self.mend()
        self._stamps += 1
        stamp = format_rfc3339(self.clock() + self._stamps).encode()
        line = b"%s %s %s %s\n" % (stamp, stream.encode(), tag, text)
        cut = self.rng.randrange(1, len(line)) if self._tear else len(line)
        self._torn, self._tear = line[cut:], False
        self.write_raw(line[:cut])

    def mend(self) -> None:
        """Writes the rest of a torn line."""
        torn, self._torn = self._torn, b""
        if torn:
            self.write_raw(torn)

    # --- what kubelet and the runtime do ---------------------------------------------------------------------------

    def begin_rotation(self) -> None:
        self.mend()
        if not self.live.stat().st_size:
            self.line()  # only what has grown is rotated
        self.renamed = True
        self.rename()

    def end_rotation(self, late: int = 0) -> None:
        """`late` lines go to the old file when the new one is there already."""
        self.begin_new()
        for _ in range(late):
            self.late("stdout")
        self.leave_old()

    def begin_new(self) -> None:
        """The runtime opens the new file for one stream after the other: until `leave_old` it has both."""
        self.mend()
        self._old, self._file, self.renamed = self._file, self._new(), False

    def late(self, stream: str) -> None:
        """A line to the old file."""
        self.mend()
        self._old, self._file = self._file, self._old
        self.line(stream)
        self._old, self._file = self._file, self._old

    def leave_old(self) -> None:
        self._old.close()

    def restart(self) -> None:
        """Lines that are open are all there will be of them."""
        self.mend()
        super().restart()
        self.renamed = False
        self._end_lines()

    def _end_lines(self) -> None:
        for expected in self.streams.values():
            if expected.open:
                expected.texts.append(expected.open.decode())
                expected.open = b""

    def pack(self) -> None:
        for path in self.rotated()[:-1]:
            if path.suffix != ".gz" and path.stat().st_size:
                compress(path)

    def delete_rotated(self) -> None:
        for path in self.rotated()[:-1]:
            path.unlink()

    def truncate(self) -> None:
        self.mend()
        self._file.truncate(0)

    def remove(self) -> None:
        """The pod is gone."""
        self.close()
        shutil.rmtree(self.directory.parent)

    def close(self) -> None:
        self._file.close()

    @property
    def open_lines(self) -> bool:
        return any(expected.open for expected in self.streams.values())


@dataclass
class Seen:
    """What has come out of one stream so far."""

    last: int = -1
    """The number of the newest line of this life of the daemon, or of what its checkpoint covers."""
    covered: int = -1
    numbers: set[int] = field(default_factory=set)
    doubled: int = 0


class Reference:
    """Takes what the daemon wrote in each of its lives, and says what is wrong with it."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}
        self.seen: dict[Stream, Seen] = {}
        self._life = list[tuple[int, Seen, int]]()

    def take(self, out: bytes, begin: int = 0) -> int:
        """Whole lines of a life's output from `begin` on. Where they end."""
        for raw in out[begin:].splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                break  # torn, for now or by the end of the daemon
            begin += len(raw)
            seen, number = self._check(orjson.loads(raw))
            assert number > seen.last, f"{number} came after {seen.last}"
            seen.last = number
            seen.doubled += number in seen.numbers
            seen.numbers.add(number)
            self._life.append((begin, seen, number))
        return begin

    def _check(self, row: dict) -> tuple[Seen, int]:
        source = row["logged_by"]
        key = f"{source['namespace']}_{source['pod']}", source["stream"]
        text = row["request"] if row["kind"] == "access" else row["message"]
        number = int(_SEQUENCE.search(text)[1])
        text_expected = self.logs[key[0]].streams[key[1]].texts[number]
        assert text == text_expected, f"{text[:100]!r} in place of {text_expected[:100]!r}"
        return self.seen.setdefault(key, Seen()), number

    def died(self, covered: int) -> int:
        """A life of the daemon is over; the first `covered` bytes of it must not come again. How many lines may."""
        may_double = 0
        for end, seen, number in self._life:
            if end <= covered:
                seen.covered = number
            else:
                may_double += 1
        self._life.clear()
        for seen in self.seen.values():
            seen.last = seen.covered
        return may_double

    @property
    def written(self) -> int:
        return sum(len(expected.texts) for log in self.logs.values() for expected in log.streams.values())

    @property
    def doubled(self) -> int:
        return sum(seen.doubled for seen in self.seen.values())

    @property
    def arrived(self) -> int:
        return sum(len(seen.numbers) for seen in self.seen.values())

    def missing(self) -> list[str]:
        lost = []
        for name, log in self.logs.items():
            for stream, expected in log.streams.items():
                numbers = self.seen[name, stream].numbers if (name, stream) in self.seen else set()
                lost += [f"{name} {stream} {n}" for n in range(len(expected.texts)) if n not in numbers]
        return lost
