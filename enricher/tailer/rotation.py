"""Navigation in a rotated log: the file of a position, whatever its name is by now, and the files after it."""

from collections.abc import Callable, Sequence

from enricher.tailer.file_names import LogName, TooManyFilesError, list_files
from enricher.tailer.plain_or_gzip import LogFile, is_lasting
from enricher.tailer.position import FileIdentity, Position

LISTING_PAUSE = 10.0
"""Seconds for which a directory with too many files is not looked at again: that alone takes milliseconds."""


class RotatedLog:
    """The files of one log on disk. Every method may raise OSError.

    `problem` describes in one line a name in the last listing that does not lead to a file that can be read, or is
    None. Such names are passed over.
    """

    def __init__(self, path: str, roots: Sequence[str], clock: Callable[[], float]) -> None:
        self._path = path
        self._roots = roots
        self._clock = clock
        self._overfull: tuple[float, TooManyFilesError] | None = None
        self.problem: str | None = None

    def list_files(self) -> list[LogName]:
        """List the log's regular files, oldest first."""
        if self._overfull:
            until, error = self._overfull
            if self._clock() < until:
                raise error
            self._overfull = None
        try:
            names = list_files(self._path)
        except TooManyFilesError as error:
            self._overfull = self._clock() + LISTING_PAUSE, error
            raise
        irregular = next((name for name in names if not name.is_regular), None)
        self.problem = f"{irregular.path}: not a regular file" if irregular else None
        return [name for name in names if name.is_regular] if irregular else names

    def open(self, name: LogName) -> LogFile:
        """Open one of the log's files."""
        return LogFile(name.path, gzipped=name.is_gzipped, roots=self._roots)

    def find(self, files: Sequence[LogName], position: Position) -> int | None:
        """Return the index of the position's file, or None if the file is gone.

        Raise OSError if the file was not found and a candidate cannot be opened at present.
        """
        best, best_index, failure = 0, None, None
        for index, name in enumerate(files):
            try:
                rank = self._match(name, position) if position.file.could_be(name) else 0
            except OSError as error:
                failure = failure if is_lasting(error) else error
                continue
            if rank > best:
                best, best_index = rank, index
        if best_index is None and failure:
            raise failure
        return best_index

    def newer_files(self, files: Sequence[LogName], position: Position) -> list[LogName]:
        """Return the files that are newer than the position's file, which may be gone."""
        index = self.find(files, position)
        if index is not None:
            return _exclude_older(files[index + 1 :], position.file)
        if files and files[-1].restart_count < position.file.restart_count:
            # The directory was created anew, and its restarts count from 0 again.
            return [name for name in files if name.mtime() >= position.file.mtime]
        return [name for name in files if _is_newer(name, position.file)]

    def successors(self, file: LogFile, position: Position) -> list[LogName]:
        """Return the files in which the writer continued after the open file.

        A new file of the same restart count that is still empty does not count: the writer may not use it yet, as
        nginx does not until logrotate has finished with all its logs. Nor does one that can never be opened: the open
        file is not given up for its sake.
        """
        if file.is_at(self._path):
            return []  # a plain file that has not been rotated: its directory, which may be large, need not be listed
        files = self.list_files()
        if files and file.is_at(files[-1].path):
            return []
        identity = position.file
        index = next((index for index, name in enumerate(files) if file.is_at(name.path)), None)
        newer = self.newer_files(files, position) if index is None else _exclude_older(files[index + 1 :], identity)
        written = [name for name in newer if name.restart_count != identity.restart_count or name.size()]
        return [name for name in written if self._is_readable(name)]

    def _is_readable(self, name: LogName) -> bool:
        """Return whether a file can be opened now, or may be later."""
        try:
            self.open(name).close()
        except OSError as error:
            if not is_lasting(error):
                return True
            self.problem = f"{name.path}: {error.strerror}"
            return False
        return True

    def _match(self, name: LogName, position: Position) -> int:
        file = self.open(name)
        try:
            return position.file.match(file, position.offset)
        finally:
            file.close()


def _exclude_older(names: Sequence[LogName], identity: FileIdentity) -> list[LogName]:
    """Return the names without files that existed before the identified one.

    Those sort after it if the clock was set back, which gave it a name that is too old.
    """
    return [name for name in names if not identity.predates(name)]


def _is_newer(name: LogName, identity: FileIdentity) -> bool:
    """Return whether a file comes after the identified one, which is gone."""
    if not name.is_numbered or name.restart_count != identity.restart_count:
        return name.sort_key > identity.predecessor
    # `>=` because a file system's clock ticks only every few ms, and reading a file twice is better than never.
    return name.mtime() >= identity.mtime
