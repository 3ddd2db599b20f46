"""Which logs to follow: the selectors, and what of this node's log directory fits them."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

from enricher.errors import ConfigurationError, UsageError
from enricher.line import Source
from enricher.tailer.rotation import is_rotated

_GLOB = re.compile(r"[a-z0-9.*?!\[\]-]+")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which containers, by three patterns; or, with `files`, which plain files outside Kubernetes."""

    text: str
    namespace: re.Pattern[str] | None = None
    pod: re.Pattern[str] | None = None
    container: re.Pattern[str] | None = None
    profile: str = ""
    """The name of the profile of what is selected, if it was given."""

    def takes_pod(self, namespace: str, pod: str) -> bool:
        """Whether it may select a container of the pod."""
        return _fits(self.namespace, namespace) and _fits(self.pod, pod)

    def takes(self, container: str) -> bool:
        """Whether it selects the container, of a pod that it takes."""
        return _fits(self.container, container)

    @classmethod
    def parse(cls, text: str, profile: str = "") -> "Selector":
        """Raises UsageError."""
        if text.startswith("/"):
            if fixed_directory(text) == "/":
                raise UsageError(
                    "a directory that the path of log files can't leave is expected before its first * ? ["
                )
            return cls(text, profile=profile)
        parts = text.split("/")
        if len(parts) != 3 or not all(_GLOB.fullmatch(part) for part in parts):
            raise UsageError(
                "NAMESPACE/POD-GLOB/CONTAINER, names with * ? [ ], is expected, "
                "as in */*ingress-nginx-controller*/controller; or an absolute path of log files"
            )
        namespace, pod, container = (re.compile(translate(part)) for part in parts)
        return cls(text, namespace, pod, container, profile)


def _fits(pattern: re.Pattern[str] | None, name: str) -> bool:
    return pattern is not None and pattern.match(name) is not None


def check_log_dir(log_dir: str) -> None:
    """Raises ConfigurationError where the directory is missing or unreadable at start."""
    try:
        os.scandir(log_dir).close()
    except OSError as error:
        raise ConfigurationError(f"log directory {log_dir}: {error.strerror}") from error


def discover(log_dir: str, selectors: Sequence[Selector], own: tuple[str, str] | None = None) -> list[Source]:
    """What fits any of the selectors now, by path; `own` is our pod's (namespace, name), whose log is never read.

    A directory that can't be read is empty here: it may vanish and come back.
    """
    sources: dict[str, Source] = {}
    containers = [selector for selector in selectors if selector.namespace]
    if containers:
        sources.update((source.path, source) for source in _containers(log_dir, containers, own))
    for selector in selectors:
        if not selector.namespace:
            sources.update((path, Source(path, profile=selector.profile)) for path in _plain_files(selector.text, own))
    return [sources[path] for path in sorted(sources)]


def _containers(log_dir: str, selectors: list[Selector], own: tuple[str, str] | None) -> Iterator[Source]:
    for directory in _names(log_dir):
        # Names of namespaces and pods hold no underscore.
        parts = directory.split("_")
        if len(parts) != 3 or (parts[0], parts[1]) == own:
            continue
        namespace, pod, uid = parts
        fitting = [selector for selector in selectors if selector.takes_pod(namespace, pod)]
        for container in _names(os.path.join(log_dir, directory)) if fitting else ():
            if selector := next((one for one in fitting if one.takes(container)), None):
                path = os.path.join(log_dir, directory, container)
                yield Source(path, namespace, pod, uid, container, selector.profile)


def _plain_files(pattern: str, own: tuple[str, str] | None) -> Iterator[str]:
    ours = f"/{own[0]}_{own[1]}_" if own else None
    for path in glob.iglob(pattern):
        # What is named as it is, is meant.
        if (path != pattern and is_rotated(os.path.basename(path))) or not os.path.isfile(path):
            continue
        if ours is None or not any(ours in hop for hop in _hops(path)):
            yield path


def fixed_directory(pattern: str) -> str:
    """The directory that a glob of files can't leave."""
    return os.path.dirname(re.split(r"[*?\[]", pattern, maxsplit=1)[0])


def _hops(path: str) -> Iterator[str]:
    """The path, and where its link leads, and where that leads. (A loop is no file.)"""
    yield path
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        yield path


def _names(directory: str) -> list[str]:
    """Subdirectories; none where it can't be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
