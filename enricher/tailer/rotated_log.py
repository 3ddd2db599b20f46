"""Where a log goes on: the file a mark lies in, whatever it is called by now, and the files after it."""

import os
from collections.abc import Sequence

from enricher.tailer.logfile import LogFile, RefusedError
from enricher.tailer.position import FileIdentity, Position
from enricher.tailer.rotation import LogName, list_files


class RotatedLog:
    """The files of one log on disk. Everything here may raise OSError."""

    def __init__(self, path: str, roots: Sequence[str]) -> None:
        self._path = path
        self._roots = roots

    def files(self) -> list[LogName]:
        """Oldest first."""
        return list_files(self._path)

    def open(self, name: LogName) -> LogFile:
        return LogFile(name.path, gzipped=name.gzipped, roots=self._roots)

    def locate(self, files: Sequence[LogName], mark: Position) -> int | None:
        """Index of the file the mark lies in; None if it is gone. Raises where one that may be it can't be opened."""
        best, index, trouble = 0, None, None
        for candidate, name in enumerate(files):
            try:
                rank = self._rank(name, mark) if mark.file.could_be(name) else 0
            except (FileNotFoundError, RefusedError):
                continue
            except OSError as error:
                trouble = error
                continue
            if rank > best:
                best, index = rank, candidate
        if index is None and trouble:
            raise trouble
        return index

    def followers(self, files: Sequence[LogName], mark: Position) -> list[LogName]:
        """What is newer than the mark's file, which may be gone."""
        index = self.locate(files, mark)
        if index is None:
            if files and files[-1].run < mark.file.run:  # the directory was made anew, and its runs count from 0 again
                return [name for name in files if os.stat(name.path).st_mtime_ns >= mark.file.mtime]
            return [name for name in files if _is_newer(name, mark.file)]
        return _after(files[index + 1 :], mark.file)

    def successors(self, file: LogFile, mark: Position) -> list[LogName]:
        """What the writer went on with after the open file. A new file of the same run that is still empty doesn't
        count: the writer may not have been told of it yet, as nginx isn't until logrotate has done with all its logs.
        """
        files = self.files()
        if files and file.is_at(files[-1].path):
            return []
        index = next((i for i, name in enumerate(files) if file.is_at(name.path)), None)
        newer = self.followers(files, mark) if index is None else _after(files[index + 1 :], mark.file)
        return [name for name in newer if name.run != mark.file.run or os.stat(name.path).st_size]

    def _rank(self, name: LogName, mark: Position) -> int:
        file = self.open(name)
        try:
            return mark.file.rank(file, mark.offset)
        finally:
            file.close()


def _after(names: Sequence[LogName], known: FileIdentity) -> list[LogName]:
    """Without what had been there before the file: a clock that was set back gives it a name that is too old."""
    return [name for name in names if not known.predates(name)]


def _is_newer(name: LogName, known: FileIdentity) -> bool:
    """Whether a file comes after one that is gone."""
    if not name.numbered or name.run != known.run:
        return name.order > known.after
    # Not `>`: the clock of a file system ticks every few ms, and twice is better than never.
    return os.stat(name.path).st_mtime_ns >= known.mtime
