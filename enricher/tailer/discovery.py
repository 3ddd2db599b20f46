"""Discovery of the logs on this node that the selectors match."""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from enricher.errors import ConfigurationError
from enricher.line import Source
from enricher.tailer.file_names import is_rotated
from enricher.tailer.selector import Selector

MAX_MATCHES = 20_000
"""Largest number of files of a selector that are looked at: each takes some microseconds, time and again."""
MAX_LINKS = 40
"""Largest number of links in a row; Linux follows no more either."""


def check_log_dir(log_dir: str) -> None:
    """Raise ConfigurationError if the log directory is missing or unreadable."""
    try:
        os.scandir(log_dir).close()
    except OSError as error:
        raise ConfigurationError(f"log directory {log_dir}: {error.strerror}") from error


def discover(log_dir: str, selectors: Sequence[Selector], own_pod: tuple[str, str] | None = None) -> list[Source]:
    """Return the sources that any of the selectors matches now, sorted by path.

    `own_pod` is the (namespace, name) of this program's pod, whose log is never read. A directory that cannot be read
    counts as empty, because it may vanish and come back.
    """
    sources: dict[str, Source] = {}
    container_selectors = [selector for selector in selectors if selector.namespace]
    if container_selectors:
        sources.update((source.path, source) for source in _find_containers(log_dir, container_selectors, own_pod))
    for selector in selectors:
        if not selector.namespace:
            paths = _find_plain_files(selector.text, own_pod)
            sources.update((path, Source(path, profile=selector.profile)) for path in paths)
    return [sources[path] for path in sorted(sources)]


def _find_containers(log_dir: str, selectors: list[Selector], own_pod: tuple[str, str] | None) -> Iterator[Source]:
    for directory in _list_subdirectories(log_dir):
        # Names of namespaces and pods contain no underscore.
        parts = directory.split("_")
        if len(parts) != 3 or (parts[0], parts[1]) == own_pod:
            continue
        namespace, pod, uid = parts
        matching = [selector for selector in selectors if selector.matches_pod(namespace, pod)]
        for container in _list_containers(os.path.join(log_dir, directory), matching):
            if selector := next((candidate for candidate in matching if candidate.matches_container(container)), None):
                path = os.path.join(log_dir, directory, container)
                yield Source(path, namespace, pod, uid, container, selector.profile, selector.guess)


def _list_containers(directory: str, selectors: list[Selector]) -> list[str]:
    """Return the containers of a pod that selectors may match.

    To look for a single name takes less time than a list, and one of the usual selectors matches any pod.
    """
    names = {selector.container_name for selector in selectors}
    if "" in names:
        return _list_subdirectories(directory)
    return [name for name in names if os.path.isdir(os.path.join(directory, name))]


def _find_plain_files(pattern: str, own_pod: tuple[str, str] | None) -> Iterator[str]:
    own_directory = f"/{own_pod[0]}_{own_pod[1]}_" if own_pod else None
    for path in islice(glob.iglob(pattern), MAX_MATCHES):
        # A rotated file is part of another log, unless the user named exactly this file.
        if (path != pattern and is_rotated(os.path.basename(path))) or not os.path.isfile(path):
            continue
        if own_directory is None or not any(own_directory in hop for hop in _resolve_links(path)):
            yield path


def _resolve_links(path: str) -> Iterator[str]:
    """Yield the path, then the target of its link, then that target's, to the last one.

    The links may be replaced meanwhile, even by a circle.
    """
    yield path
    with suppress(OSError):  # it is not a link
        for _ in range(MAX_LINKS):
            path = os.path.join(os.path.dirname(path), os.readlink(path))
            yield path


def _list_subdirectories(directory: str) -> list[str]:
    """Return the names of the subdirectories; an empty list if the directory cannot be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if _is_directory(entry)]
    except OSError:
        return []


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, for instance
        return False
