"""The logs that are meant by files and directories on a command line."""

import os
import re
import stat
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
_LINK = re.compile(r"(?P<pod>[^_]+)_(?P<namespace>[^_]+)_(?P<container>[^_]+)-[0-9a-f]{64}\.log")


class LogPaths(NamedTuple):
    """The files of one log, oldest first, and its container, if the directories of the node name it."""

    paths: Sequence[str]
    source: Source | None = None

    def source_of(self, path: str) -> Source:
        """Return the source of the lines of a file."""
        return self.source or Source(path)


def has_several_files(logs: Sequence[LogPaths]) -> bool:
    """Return whether messages about lines have to name the file."""
    return sum(len(log.paths) for log in logs) > 1


def find_logs(
    paths: Sequence[str], is_proxy: Callable[[Source], bool], report: Callable[[str], object]
) -> list[LogPaths]:
    """Return the logs of these files and of all files below these directories, in the order given.

    Files that follow one another in a rotation are one log. A file under several names, as a link, is read once. Of a
    directory of several pods' logs as the kubelet keeps it, the proxies' logs are read, or all if there is none.
    `report` is called with a word about what is left out. Raise ConfigurationError if a directory has no log.
    """
    result = list[LogPaths]()
    for is_directory, group in groupby(paths, os.path.isdir):
        if is_directory:
            result += (log for directory in group for log in _find_below(directory, is_proxy, report))
        else:
            result += _join_rotated(list(group))
    return _without_other_names(result, report)


def _without_other_names(logs: Sequence[LogPaths], report: Callable[[str], object]) -> list[LogPaths]:
    """Return the logs with each file once: if possible not as a link, and in the log of a container."""
    files = dict[str, tuple[int, int]]()
    names = dict[tuple[int, int], tuple[tuple[bool, bool, int], str]]()
    for log in logs:
        for path in log.paths:
            if file := _identify(path):
                files[path] = file
                rank = (not os.path.islink(path), log.source is not None, len(log.paths))
                if file not in names or names[file][0] < rank:
                    names[file] = rank, path
    kept, left_out, read = list[LogPaths](), list[str](), set[str]()
    for log in logs:
        other_names = {path for path in log.paths if path in files and (names[files[path]][1] != path or path in read)}
        paths = [path for path in log.paths if path not in other_names]
        left_out += (path for path in log.paths if path in other_names)
        read.update(paths)
        kept += [log._replace(paths=paths)] if paths else []
    if left_out:
        _, name = names[files[left_out[0]]]
        more = f"; such files: {len(left_out)}" if len(left_out) > 1 else ""
        again = f"{left_out[0]} is {name} under another name" if left_out[0] != name else f"{name} is given twice"
        report(f"{again}: it is read once{more}")
    return kept


def _identify(path: str) -> tuple[int, int] | None:
    """Return what all names of a regular file have in common; None for others, and if there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


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


def _find_below(directory: str, is_proxy: Callable[[Source], bool], report: Callable[[str], object]) -> list[LogPaths]:
    logs = list[LogPaths]()
    for count, (path, directories, names) in enumerate(os.walk(directory, onerror=_raise)):
        directories.sort()
        logs += _find_in(path, names)
        if len(logs) > MAX_LOGS or count > MAX_DIRECTORIES:
            raise ConfigurationError(f"{directory} has too many files: give a directory below it")
    if not logs:
        raise ConfigurationError(f"{directory} has no log files")
    logs = _without_other_names(logs, report)
    containers = {log.source for log in logs if log.source}
    proxies = {container for container in containers if is_proxy(container)}
    if not proxies or len({(container.namespace, container.pod) for container in containers}) < 2:
        return logs
    if left_out := len(containers) - len(proxies):
        report(
            f"{directory}: the logs of {left_out} of {len(containers)} containers are left out, which no selector of a "
            "known proxy matches: give a container's directory to read its log"
        )
    return [log for log in logs if log.source in proxies]


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
    yield from (LogPaths(files, _container_of_link(path)) for path, files in listed.items())
    yield from _join_rotated(sorted(orphans, key=log_of))


def _container_of(directory: str) -> Source | None:
    """Return the container whose log the kubelet keeps in a directory: `<namespace>_<pod>_<uid>/<container>`."""
    parent, container = os.path.split(os.path.abspath(directory))
    parts = os.path.basename(parent).split("_")
    if len(parts) != 3 or not all(parts):
        return None
    namespace, pod, uid = parts
    return Source(directory, namespace, pod, uid, container)


def _container_of_link(path: str) -> Source | None:
    """Return the container whose log the kubelet links in /var/log/containers."""
    match = _LINK.fullmatch(os.path.basename(path))
    return Source(path, match["namespace"], match["pod"], "", match["container"]) if match else None


def _raise(error: OSError) -> None:
    raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
