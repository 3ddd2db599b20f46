"""Follows one log through its files. Synchronous, without a clock or a wake-up of its own."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from enricher.line import Line, Source
from enricher.tailer.framing import MAX_LINE, Framer, Framing
from enricher.tailer.logfile import BrokenError, LogFile, RefusedError
from enricher.tailer.position import FileIdentity, Position
from enricher.tailer.rotated_log import RotatedLog
from enricher.tailer.rotation import LogName, total_size

LINGER = 0.2
"""Seconds a file is still read after its successor was seen, and after its last byte: the writer may be late."""
LINGER_OF_MANY = 2.0
"""The same for a plain file: each of nginx's workers opens the new one when it gets to it."""
DELETED_LINGER = 15.0
"""Seconds a deleted file without successor is kept open after its last byte: the runtime writes on into it until
kubelet, which looks every 10 s, has it open a new one. Then its disk space is given back."""
_FIRST_LINE = 128 * 1024
"""Bytes in which the first line of a file ends, if it has a frame."""
_PIECES = 16
"""Reads without a complete line before the caller gets its turn."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of one file and the number of bytes they were read from. `lines` may be empty: just read on."""

    lines: Sequence[Line]
    size: int
    start: Position
    end: Position


class Follower:
    """One source's log, every line once and in order.

    For the caller's log and metrics: `problem` says in one line what keeps it from reading (None: nothing),
    `missed_files` counts files that were gone or broken before they were known to be read to their end, `truncations`
    how often content was replaced in place.
    """

    def __init__(
        self,
        source: Source,
        *,
        start: Literal["beginning", "end"],
        position: dict[str, Any] | None = None,
        roots: Sequence[str],
        clock: Callable[[], float],
        chunk_size: int = 128 * 1024,
        max_line: int = MAX_LINE,
    ) -> None:
        """`start` counts without a `position`; an empty position means that nothing had been there.

        `roots` are the directories a log file may really lie in; `clock` gives seconds.
        """
        self.source = source
        self.problem: str | None = None
        self.missed_files = 0
        self.truncations = 0
        self._trail = RotatedLog(source.path, roots)
        self._clock = clock
        self._chunk_size = chunk_size
        self._max_line = max_line
        self._from_end = start == "end" and position is None
        self._file: LogFile | None = None
        self._quiet_since: float | None = None
        self._patience = 0.0
        self._size = 0  # bytes read since the last chunk
        self._last: Chunk | None = None
        self._mark = Position.load(position) if position else None
        self._committed = self._mark
        self._known = FileIdentity()
        self._left = False  # the known file has been read to its end and given up
        self._framer = Framer(max_line)
        self._go_on_from(self._mark)

    @property
    def files_open(self) -> int:
        return 1 if self._file else 0

    @property
    def finished(self) -> bool:
        """Everything was read and nothing is there any more: the container's directory has been deleted."""
        try:
            return self._file is None and not self._trail.files() and not os.path.lexists(self.source.path)
        except OSError:
            return False

    def read(self) -> Chunk | None:
        """The next lines; None when nothing is there now. Trouble with files is told in `problem`, not raised."""
        self.problem = None
        try:
            return self._read()
        except OSError as error:
            self._trouble(error)
            return None

    def retry_in(self) -> float | None:
        """Seconds after which `read` is worth a call though nothing stirs: a file is about to be left. None: never."""
        if self._quiet_since is None:
            return None
        return max(0.0, self._quiet_since + self._patience - self._clock())

    def commit(self, chunk: Chunk, taken: int) -> None:
        """The first `taken` lines of the chunk are out. Chunks are committed in the order they were read."""
        if taken < len(chunk.lines):
            self._committed = chunk.start._replace(skip=chunk.start.skip + taken)
        else:
            # Nothing that was read after the last chunk made a line: the mark is as good, and newer.
            self._committed = self._mark if chunk is self._last else chunk.end

    def position(self) -> dict[str, Any]:
        """Where to go on so that no committed line comes again and every other one does; empty: nothing known yet."""
        self._refresh()
        return self._committed.dump() if self._committed else {}

    def lag(self) -> int:
        """Unread bytes; packed files count as they lie on disk."""
        try:
            if self._file:
                return self._file.unread(self._offset) + total_size(self._successors(self._file))
            files = self._trail.files()
            return total_size(self._trail.followers(files, self._mark) if self._mark else files)
        except OSError:
            return 0

    def close(self) -> None:
        """Gives the descriptor back; a later `read` goes on where the last one ended."""
        if self._file:
            self._refresh()
            file, self._file = self._file, None
            file.close()
            self._quiet_since = None
            self._go_on_from(self._mark)

    def _read(self) -> Chunk | None:
        chunk = None
        for _ in range(_PIECES):
            lines = self._read_on(self._file) if self._file else self._open_next()
            if lines is None:
                return None
            chunk = self._chunk(lines)
            if chunk.lines:
                break
        self._size = 0
        return chunk

    def _chunk(self, lines: Sequence[Line]) -> Chunk:
        start = self._mark
        skipped = min(self._skip, len(lines))
        self._skip -= skipped
        self._mark = Position(
            self._known, self._offset - self._framer.unfinished, self._framer.state(), self._skip, self._left
        )
        chunk = Chunk(lines[skipped:] if skipped else lines, self._size, start or self._mark, self._mark)
        if chunk.lines:
            self._last = chunk
        elif self._committed is start:
            self._committed = self._mark
        return chunk

    def _read_on(self, file: LogFile) -> Sequence[Line] | None:
        """None: at the end, and the file may still grow."""
        try:
            if file.is_replaced():
                return self._replaced(file)
            if file.is_shorter(self._offset):
                return self._shortened(file)
            data = file.read(self._offset, self._chunk_size)
        except BrokenError as error:
            self._trouble(error)
            self.missed_files += 1
            return self._leave(file)
        except OSError:
            self.close()
            raise
        if not data:
            return self._leave(file) if self._is_over(file) else None
        self._quiet_since = None
        self._offset += len(data)
        self._size += len(data)
        return self._framer.feed(data)

    def _replaced(self, file: LogFile) -> Sequence[Line]:
        """Goes on in the copy, if one was made; otherwise with the new content."""
        self.truncations += 1
        self._refresh()
        if self._mark and self._trail.locate(self._trail.files(), self._mark) is not None:
            self.close()
            return []
        return self._leave(file)

    def _shortened(self, file: LogFile) -> Sequence[Line]:
        """The same beginning, but less than was read: cut, or lost with the node before it was on disk."""
        self.truncations += 1
        lines = self._framer.end_file()
        self._offset = file.status().st_size
        return lines

    def _is_over(self, file: LogFile) -> bool:
        """Whether a file that is at its end can be left; only the clock may make it so."""
        successors = self._successors(file)
        if len(successors) > 1 or (successors and file.gzipped):
            return True
        if not successors and file.status().st_nlink:
            self._quiet_since = None
            return False
        linger = LINGER if self.source.container else LINGER_OF_MANY
        patience = linger if successors else DELETED_LINGER
        now = self._clock()
        if self._quiet_since is None or patience != self._patience:
            self._quiet_since, self._patience = now, patience
        return now - self._quiet_since >= patience

    def _leave(self, file: LogFile) -> Sequence[Line]:
        self._refresh()
        file.close()
        self._file, self._left, self._quiet_since = None, True, None
        return self._framer.end_file()

    def _open_next(self) -> Sequence[Line] | None:
        """None: nothing is there to be opened."""
        files = self._trail.files()
        if not self._mark:
            return self._open_first(files)
        if not self._left and (index := self._trail.locate(files, self._mark)) is not None:
            return self._reopen(files[index])
        followers = self._trail.followers(files, self._mark)
        lines = self._open_one_of(followers, files)
        if lines is None and self._left and not (followers and followers[-1].run == self._known.run):
            # Deleted for good, or of a container that ended: what was open is all there is of it.
            return self._framer.flush() or None
        return lines

    def _open_first(self, files: list[LogName]) -> Sequence[Line] | None:
        wanted = files[-1:] if self._from_end else files
        self._from_end = self._from_end and bool(files)
        return self._open_one_of(wanted, files)

    def _open_one_of(self, wanted: list[LogName], files: list[LogName]) -> Sequence[Line] | None:
        for name in wanted:
            try:
                file = self._trail.open(name)
            except RefusedError as error:
                self._trouble(error)
            except FileNotFoundError as error:
                if not os.path.islink(name.path):
                    return []  # renamed just now: look again
                self._trouble(error)
            else:
                if file.head or self._from_end:
                    return self._begin(file, files, files.index(name))
                # An empty file could not be told from others later, and has nothing for us.
                if file.broken:
                    self.problem = f"{name.path}: can't be unpacked"
                file.close()
        return None

    def _begin(self, file: LogFile, files: list[LogName], index: int) -> Sequence[Line]:
        lines = self._end_run(files, files[index].run) if self._mark else []
        self._offset = 0
        if self._from_end:
            self._skip_history(file)
        self._known = FileIdentity.of(files, index)
        self._file, self._left = file, False
        self._refresh()
        return lines

    def _skip_history(self, file: LogFile) -> None:
        try:
            self._offset = file.last_line_start()
            self._framer.decide(file.read(0, min(self._offset, _FIRST_LINE)))
        except OSError:
            file.close()
            raise
        self._from_end = False

    def _end_run(self, files: list[LogName], run: int) -> Sequence[Line]:
        """What is left of the file before, when the next one belongs to this run."""
        if not self._left:
            self.missed_files += 1
            self._skip = 0
        if run == self._known.run:
            return []
        between = {name.run for name in files if self._known.run < name.run < run}
        self.missed_files += max(0, run - self._known.run - 1 - len(between))
        lines = self._framer.flush()
        self._framer = Framer(self._max_line)
        return lines

    def _reopen(self, name: LogName) -> Sequence[Line]:
        try:
            file = self._trail.open(name)
        except FileNotFoundError:
            return []
        if not self._known.rank(file, self._offset):
            file.close()  # renamed since it was found: look again
            return []
        self._file = file
        self._refresh()
        return []

    def _go_on_from(self, mark: Position | None) -> None:
        self._known, self._offset, framing, self._skip, self._left = mark or Position(FileIdentity(), 0, Framing())
        self._framer = Framer(self._max_line, framing)

    def _successors(self, file: LogFile) -> list[LogName]:
        self._refresh()
        return self._trail.successors(file, self._mark) if self._mark else []

    def _refresh(self) -> None:
        with suppress(OSError):  # what was known stays as good
            if self._file:
                self._known.update(self._file)

    def _trouble(self, error: OSError) -> None:
        self.problem = f"{error.filename or self.source.path}: {error.strerror or error}"
