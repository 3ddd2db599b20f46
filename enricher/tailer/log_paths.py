"""The logs that are meant by files and directories on a command line."""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from enricher.errors import ConfigurationError
from enricher.line import Source
from enricher.tailer.file_names import is_rotated, list_files, log_of

MAX_LOGS = 10_000
"""Largest number of logs that are read in a directory."""
MAX_DIRECTORIES = 100_000
"""Largest number of directories that are looked at below one."""


class LogPaths(NamedTuple):
    """The files of one log, oldest first, and its container, if the directories of the node name it."""

    paths: Sequence[str]
    source: Source | None = None

    def source_of(self, path: str) -> Source:
        """Return the source of the lines of a file."""
        return self.source or Source(path)


def find_logs(paths: Sequence[str], is_followed: Callable[[Source], bool] = lambda _: True) -> list[LogPaths]:
    """Return the logs of these files and of all files below these directories, in the order given.

    Files that follow one another in a rotation are one log. Of a directory of several pods' logs as the kubelet keeps
    it, those containers are read that are followed, or all if none is. Raise ConfigurationError if there is no log.
    """
    result = list[LogPaths]()
    for is_directory, group in groupby(paths, os.path.isdir):
        if is_directory:
            result += (log for directory in group for log in _find_below(directory, is_followed))
        else:
            result += _join_rotated(list(group))
    return result


def _join_rotated(paths: Sequence[str]) -> Iterator[LogPaths]:
    """Yield files that were given one by one; those that follow one another in a rotation together."""
    group = list[str]()
    for path in paths:
        name, key = log_of(path)
        if group:
            last_name, last_key = log_of(group[-1])
            if name != last_name or key <= last_key:
                yield LogPaths(group)
                group = []
        group.append(path)
    if group:
        yield LogPaths(group)


def _find_below(directory: str, is_followed: Callable[[Source], bool]) -> list[LogPaths]:
    logs = list[LogPaths]()
    for count, (path, directories, names) in enumerate(os.walk(directory, onerror=_raise)):
        directories.sort()
        logs += _find_in(path, names)
        if len(logs) > MAX_LOGS or count > MAX_DIRECTORIES:
            raise ConfigurationError(f"{directory} has too many files: give a directory below it")
    if not logs:
        raise ConfigurationError(f"{directory} has no log files")
    followed = [log for log in logs if log.source and is_followed(log.source)]
    pods = {(log.source.namespace, log.source.pod) for log in logs if log.source}
    return followed if followed and len(pods) > 1 else logs


def _find_in(directory: str, names: Sequence[str]) -> Iterator[LogPaths]:
    """Yield the logs whose files lie in a directory."""
    if container := _container_of(directory):
        files = [name for name in list_files(directory) if name.is_regular]
        runs = groupby(files, lambda name: name.restart_count)
        yield from (LogPaths([name.path for name in run], container) for _, run in runs)
        return
    paths = [os.path.join(directory, name) for name in sorted(names)]
    live = [path for path in paths if os.path.isfile(path) and not is_rotated(path)]
    listed = {path: [name.path for name in list_files(path) if name.is_regular] for path in live}
    beside = {path for files in listed.values() for path in files}
    orphans = [path for path in paths if path not in beside and os.path.isfile(path)]
    yield from (LogPaths(files) for files in listed.values())
    yield from _join_rotated(sorted(orphans, key=log_of))


def _container_of(directory: str) -> Source | None:
    """Return the container whose log the kubelet keeps in a directory: `<namespace>_<pod>_<uid>/<container>`."""
    parent, container = os.path.split(os.path.abspath(directory))
    parts = os.path.basename(parent).split("_")
    if len(parts) != 3 or not all(parts):
        return None
    namespace, pod, uid = parts
    return Source(directory, namespace, pod, uid, container)


def _raise(error: OSError) -> None:
    raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
