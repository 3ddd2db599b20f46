"""Following one log through its files. Synchronous, without a clock or wake-ups of its own."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from enricher.line import Line, Source
from enricher.tailer.chunk import Chunk
from enricher.tailer.file_names import LogName, total_size
from enricher.tailer.framing import MAX_LINE, Framer, Framing
from enricher.tailer.gzip_reader import CorruptGzipError
from enricher.tailer.plain_or_gzip import LogFile, is_lasting
from enricher.tailer.position import FileIdentity, Position
from enricher.tailer.rotation import RotatedLog

CONTAINER_LINGER = 1.0
"""Seconds for which a container's file is still read after its successor was seen, and after its last byte: containerd
writes the last lines of the old file beside the first ones of the new file, and a busy node delays them."""
PLAIN_FILE_LINGER = 2.0
"""The same for a plain file, in seconds: each of nginx's workers opens the new file when it gets round to it."""
DELETED_LINGER = 15.0
"""Seconds for which a deleted file without a successor is kept open after its last byte. The runtime goes on writing to
it until kubelet, which checks every 10 s, tells it to open a new one. Then the file's disk space is given back."""
_FIRST_LINE_REACH = 128 * 1024
"""Bytes at the beginning of a file in which its first line ends, if that has a frame."""
_READS_PER_CALL = 16
"""Reads without a complete line after which `read` returns, so that a very long line does not hold up the caller."""


class LogFollower:
    """A follower of one source's log, which returns every line once and in order.

    For the caller's log and metrics, `problem` describes in one line what prevents reading, or which file was passed
    over, or is None. `missed_files` counts the files that were gone or corrupt before they had been read to their end.
    `truncations` counts how often content was replaced in place.
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
        """Start at a saved `position`, or without one at `start`.

        An empty position means that there was no file when it was saved, so that all files are new. `roots` are the
        directories in which a log file may really lie. `clock` returns seconds. `chunk_size` and `max_line` are in
        bytes.
        """
        self.source = source
        self.problem: str | None = None
        self.missed_files = 0
        self.truncations = 0
        self._log = RotatedLog(source.path, roots, clock)
        self._clock = clock
        self._chunk_size = chunk_size
        self._max_line = max_line
        self._from_end = start == "end" and position is None
        self._file: LogFile | None = None
        self._quiet_since: float | None = None
        self._linger = 0.0
        self._size = 0  # bytes read since the last chunk
        self._last_chunk: Chunk | None = None
        self._position = Position.load(position) if position else None  # where the last chunk ended
        self._committed = self._position
        self._restore(self._position)

    @property
    def has_open_file(self) -> bool:
        return self._file is not None

    @property
    def finished(self) -> bool:
        """Return whether everything was read and the log no longer exists: the container's directory was deleted."""
        try:
            return self._file is None and not self._log.list_files() and not os.path.lexists(self.source.path)
        except OSError:
            return False

    def read(self) -> Chunk | None:
        """Return the next lines, or None if there are none now.

        Errors of files are reported in `problem`, not raised.
        """
        self.problem = None
        chunk = None
        try:
            chunk = self._read()
        except OSError as error:
            self._report(error)
        self.problem = self.problem or self._log.problem
        return chunk

    def retry_in(self) -> float | None:
        """Return the seconds after which `read` should be called even without a change, or None if it need not be.

        There is such a time while the open file is about to be given up.
        """
        if self._quiet_since is None:
            return None
        return max(0.0, self._quiet_since + self._linger - self._clock())

    def commit(self, chunk: Chunk, lines_written: int) -> None:
        """Mark the chunk's first lines as written out. Chunks are committed in the order in which they were read."""
        if lines_written < len(chunk.lines):
            start = chunk.start
            self._committed = start._replace(lines_written=start.lines_written + lines_written)
        else:
            # Reads after the last chunk brought no complete line: their position is equivalent, and newer.
            self._committed = self._position if chunk is self._last_chunk else chunk.end

    def position(self) -> dict[str, Any]:
        """Return the position after which exactly the lines that are not committed follow; empty if there is none."""
        self._update_identity()
        return self._committed.dump() if self._committed else {}

    def lag(self) -> int:
        """Return the number of unread bytes; of gzipped files, as compressed on disk."""
        try:
            if self._file:
                return self._file.unread_bytes(self._offset) + total_size(self._successors(self._file))
            files = self._log.list_files()
            return total_size(self._log.newer_files(files, self._position) if self._position else files)
        except OSError:
            return 0

    def close(self) -> None:
        """Close the file. A later `read` continues where the last one ended."""
        if self._file:
            self._update_identity()
            file, self._file = self._file, None
            file.close()
            self._quiet_since = None
            self._restore(self._position)

    def _restore(self, position: Position | None) -> None:
        """Set the state from which `_make_chunk` builds positions."""
        self._identity, self._offset, framing, self._lines_to_skip, self._exhausted = position or Position(
            FileIdentity(), 0, Framing()
        )
        self._framer = Framer(self._max_line, framing)

    def _read(self) -> Chunk | None:
        chunk = None
        for _ in range(_READS_PER_CALL):
            lines = self._read_file(self._file) if self._file else self._open_next()
            if lines is None:
                return None
            chunk = self._make_chunk(lines)
            if chunk.lines:
                break
        self._size = 0
        return chunk

    def _make_chunk(self, lines: Sequence[Line]) -> Chunk:
        start = self._position
        skipped = min(self._lines_to_skip, len(lines))
        self._lines_to_skip -= skipped
        end = self._position = Position(
            self._identity,
            self._offset - self._framer.unfinished_bytes,
            self._framer.framing,
            self._lines_to_skip,
            self._exhausted,
        )
        chunk = Chunk(lines[skipped:] if skipped else lines, self._size, start or end, end)
        if chunk.lines:
            self._last_chunk = chunk
        elif self._committed is start:
            self._committed = end
        return chunk

    # --- the open file -------------------------------------------------------------------------------------------

    def _read_file(self, file: LogFile) -> Sequence[Line] | None:
        """Return the next lines of the open file, or None at its end while it may still grow."""
        try:
            if file.is_replaced():
                return self._handle_replacement(file)
            if file.is_shorter(self._offset):
                return self._handle_truncation(file)
            if not file.approach(self._offset):
                return []
            data = file.read(self._offset, self._chunk_size)
        except OSError as error:
            if isinstance(error, CorruptGzipError) or (is_lasting(error) and self._successors(file)):
                self._report(error)
                self.missed_files += 1
                return self._finish_file(file)
            self.close()
            raise
        if not data:
            return self._finish_file(file) if self._is_exhausted(file) else None
        self._quiet_since = None
        self._offset += len(data)
        self._size += len(data)
        return self._framer.feed(data)

    def _handle_replacement(self, file: LogFile) -> Sequence[Line]:
        """Continue in the copy of the old content if there is one, and otherwise with the new content."""
        self.truncations += 1
        self._update_identity()
        if self._position and self._log.find(self._log.list_files(), self._position) is not None:
            self.close()
            return []
        return self._finish_file(file)

    def _handle_truncation(self, file: LogFile) -> Sequence[Line]:
        """Continue at the end of a file with the same beginning that is shorter than what was read.

        It was truncated, or the node went down before the rest was on disk.
        """
        self.truncations += 1
        lines = self._framer.end_file()
        self._offset = file.stat().st_size
        return lines

    def _is_exhausted(self, file: LogFile) -> bool:
        """Return whether a file that was read to its end can be given up: at once, or when quiet for some time."""
        successors = self._successors(file)
        if len(successors) > 1 or (successors and file.gzipped):
            return True
        if not successors and file.stat().st_nlink:
            self._quiet_since = None
            return False
        linger = DELETED_LINGER
        if successors:
            linger = CONTAINER_LINGER if self.source.container else PLAIN_FILE_LINGER
        now = self._clock()
        if self._quiet_since is None or linger != self._linger:
            self._quiet_since, self._linger = now, linger
        return now - self._quiet_since >= linger

    def _finish_file(self, file: LogFile) -> Sequence[Line]:
        self._update_identity()
        file.close()
        self._file, self._exhausted, self._quiet_since = None, True, None
        return self._framer.end_file()

    def _successors(self, file: LogFile) -> list[LogName]:
        self._update_identity()
        return self._log.successors(file, self._position) if self._position else []

    def _update_identity(self) -> None:
        with suppress(OSError):  # the previous identity is still valid
            if self._file:
                self._identity.update(self._file)

    def _report(self, error: OSError) -> None:
        self.problem = f"{error.filename or self.source.path}: {error.strerror or error}"

    # --- the next file -------------------------------------------------------------------------------------------

    def _open_next(self) -> Sequence[Line] | None:
        """Open the file from which reading continues; return the lines that this completes, or None if there is none.

        An empty list without an open file means that the files have just changed: the caller should look again.
        """
        files = self._log.list_files()
        if not self._position:
            candidates = files[::-1] if self._from_end else files
            self._from_end = self._from_end and bool(files)
            return self._open_first_of(candidates, files)
        if not self._exhausted and (index := self._log.find(files, self._position)) is not None:
            return self._reopen(files[index])
        newer = self._log.newer_files(files, self._position)
        lines = self._open_first_of(newer, files)
        if (
            lines is None
            and self._exhausted
            and not (newer and newer[-1].restart_count == self._identity.restart_count)
        ):
            # The log was deleted for good, or its container ended: partial lines will not be continued.
            return self._framer.flush() or None
        return lines

    def _open_first_of(self, candidates: list[LogName], files: list[LogName]) -> Sequence[Line] | None:
        """Open the first of the candidates that can be opened and is not empty; count those passed over as missed."""
        passed_over = 0
        for name in candidates:
            try:
                file = self._log.open(name)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not os.path.islink(name.path):
                    return []  # it was renamed just now
                if not is_lasting(error):
                    raise
                self._report(error)
                passed_over += not self._identity.is_at(name)  # that one is counted as the position's file
            else:
                if file.head or self._from_end:
                    self.missed_files += passed_over
                    return self._start_file(file, files, files.index(name))
                # An empty file could not be recognised later, and has nothing to read.
                if file.is_corrupt:
                    self.problem = f"{name.path}: cannot be decompressed"
                file.close()
        return None

    def _start_file(self, file: LogFile, files: list[LogName], index: int) -> Sequence[Line]:
        lines = self._end_previous_file(files, files[index].restart_count) if self._position else []
        self._offset = 0
        is_past = self._from_end and file.gzipped
        if self._from_end:
            self._skip_history(file)
        self._identity = FileIdentity.from_listing(files, index)
        self._file, self._exhausted = file, False
        self._update_identity()
        return self._finish_file(file) if is_past else lines

    def _skip_history(self, file: LogFile) -> None:
        try:
            self._offset = 0 if file.gzipped else file.last_line_start()
            self._framer.detect(file.head if file.gzipped else file.read(0, min(self._offset, _FIRST_LINE_REACH)))
        except OSError:
            file.close()
            raise
        self._from_end = False

    def _end_previous_file(self, files: list[LogName], restart_count: int) -> Sequence[Line]:
        """Return the last lines of the previous file, given the restart count of the next one; count missed files."""
        if not self._exhausted:
            self.missed_files += 1
            self._lines_to_skip = 0
        previous = self._identity.restart_count
        if restart_count == previous:
            return []
        between = {name.restart_count for name in files if previous < name.restart_count < restart_count}
        self.missed_files += max(0, restart_count - previous - 1 - len(between))
        lines = self._framer.flush()
        self._framer = Framer(self._max_line)
        return lines

    def _reopen(self, name: LogName) -> Sequence[Line]:
        try:
            file = self._log.open(name)
        except FileNotFoundError:
            return []
        if not self._identity.match(file, self._offset):
            file.close()  # it has been renamed since
            return []
        self._file = file
        self._update_identity()
        return []
