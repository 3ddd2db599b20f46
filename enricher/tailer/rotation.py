"""Navigation in a rotated log: the file of a position, whatever its name is by now, and the files after it."""

from collections.abc import Sequence

from enricher.tailer.file_names import LogName, list_files
from enricher.tailer.plain_or_gzip import LogFile, is_lasting
from enricher.tailer.position import FileIdentity, Position


class RotatedLog:
    """The files of one log on disk. Every method may raise OSError."""

    def __init__(self, path: str, roots: Sequence[str]) -> None:
        self._path = path
        self._roots = roots

    def list_files(self) -> list[LogName]:
        """List the log's files, oldest first."""
        return list_files(self._path)

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
        nginx does not until logrotate has finished with all its logs.
        """
        files = self.list_files()
        if files and file.is_at(files[-1].path):
            return []
        identity = position.file
        index = next((index for index, name in enumerate(files) if file.is_at(name.path)), None)
        newer = self.newer_files(files, position) if index is None else _exclude_older(files[index + 1 :], identity)
        return [name for name in newer if name.restart_count != identity.restart_count or name.size()]

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
