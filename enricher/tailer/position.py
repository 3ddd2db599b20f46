"""A place in a log that is found again after rotation, compression and restarts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from enricher.tailer.framing import Framing
from enricher.tailer.logfile import HEAD, LogFile
from enricher.tailer.rotation import LogName, Order


@dataclass(slots=True)
class FileIdentity:
    """A file as it was last seen, enough to know it under another name, packed, or copied.

    `device` and `inode` alone don't tell: inodes are reused. `length` and `digest` are of its first unpacked bytes, at
    most `opening.HEAD`. What had been there before it when it was opened is up to `after`; but numbered names shift, so
    once the file is gone only those last written since `mtime` (ns) count as newer.
    """

    run: int = 0
    after: Order = (-1, 0, "", 0)
    device: int = 0
    inode: int = 0
    length: int = 0
    digest: str = ""
    mtime: int = 0

    @classmethod
    def of(cls, files: Sequence[LogName], index: int) -> "FileIdentity":
        run = files[index].run
        return cls(run, files[index - 1].order if index else (run, -1, "", 0))

    def update(self, file: LogFile) -> None:
        """Takes in what the open file shows by now."""
        self.device, self.inode = file.identity
        self.mtime = file.status().st_mtime_ns
        if self.length != len(file.head) or not self.digest:
            self.length, self.digest = len(file.head), _digest(file.head)

    def could_be(self, name: LogName) -> bool:
        """Whether the file may have this name by now. A short head, of a line half written, fits many files."""
        return name.run == self.run and (self.length == HEAD or not self.predates(name))

    def predates(self, name: LogName) -> bool:
        """Whether the file was there when this one was opened, as far as a name tells."""
        return name.run == self.run and not name.numbered and name.order <= self.after

    def rank(self, file: LogFile, offset: int) -> int:
        """How surely the opened file is this one: 2 itself, 1 a copy or its packed form, 0 another one."""
        same_inode = file.identity == (self.device, self.inode)
        if not self.length:
            return 2 if same_inode else 0
        if _digest(file.head[: self.length]) != self.digest:
            return 0
        if same_inode:
            return 2
        return 1 if file.gzipped or file.status().st_size >= offset else 0


class Position(NamedTuple):
    """Where to go on: `offset` is the start of a physical line in the file's unpacked bytes, `framing` what was open
    there, `skip` how many of the lines that follow are already out; `left` says that nothing more is expected of it.
    """

    file: FileIdentity
    offset: int
    framing: Framing
    skip: int = 0
    left: bool = False

    def dump(self) -> dict[str, Any]:
        known = self.file
        return {
            "after": list(known.after),
            "run": known.run,
            "device": known.device,
            "inode": known.inode,
            "head": [known.length, known.digest],
            "mtime": known.mtime,
            "offset": self.offset,
            "skip": self.skip,
            "left": self.left,
            "framing": self.framing.dump(),
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> "Position | None":
        """None for what `dump` did not write."""
        try:
            length, digest = saved["head"]
            numbers = [int(saved[name]) for name in ("run", "device", "inode", "mtime", "offset", "skip")]
            if min(numbers) < 0 or max(numbers) >= 1 << 64:
                return None
            run, device, inode, mtime, offset, skip = numbers
            known = FileIdentity(run, _order(saved["after"]), device, inode, int(length), str(digest), mtime)
            return cls(known, offset, Framing.load(saved["framing"]), skip, bool(saved["left"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None


def _order(saved: list[Any]) -> Order:
    run, kind, date, number = saved
    return int(run), int(kind), str(date), int(number)


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=16).hexdigest()
