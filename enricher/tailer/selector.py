"""Selectors of the logs to follow, as the user writes them."""

import os
import re
from dataclasses import dataclass
from fnmatch import translate

from enricher.errors import UsageError

_GLOB = re.compile(r"[a-z0-9.*?!\[\]-]+")


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of containers, by three patterns, or of plain files outside Kubernetes, by a path.

    `text` is the selector as the user wrote it. For plain files it is the glob of their paths, and there are no
    patterns.
    """

    text: str
    namespace: re.Pattern[str] | None = None
    pod: re.Pattern[str] | None = None
    container: re.Pattern[str] | None = None
    profile: str = ""
    """The name of the profile of the selected logs, if the user gave one."""
    guess: str = ""
    """The name of the profile whose proxies usually have such names; the lines decide."""
    literal: str = ""
    """A text that the name of each matching pod has in it; to look for that costs less than to match a pattern."""

    def matches_pod(self, namespace: str, pod: str) -> bool:
        """Return whether the selector may match a container of the pod."""
        return self.literal in pod and _matches(self.namespace, namespace) and _matches(self.pod, pod)

    @property
    def container_name(self) -> str:
        """Return the only name of a container that the selector matches; empty if there may be others."""
        name = self.text.rpartition("/")[2]
        return "" if re.search(r"[*?\[]", name) else name

    def matches_container(self, container: str) -> bool:
        """Return whether the selector matches the container, given that it matches the pod."""
        return _matches(self.container, container)

    @classmethod
    def parse(cls, text: str, profile: str = "", guess: str = "") -> "Selector":
        """Parse `NAMESPACE/POD-GLOB/CONTAINER` or an absolute path; raise UsageError if the text is neither."""
        if text.startswith("/"):
            if fixed_directory(text) == "/":
                raise UsageError("expected a path of log files with a directory before its first * ? [")
            return cls(text, profile=profile)
        parts = text.split("/")
        if len(parts) != 3 or not all(_GLOB.fullmatch(part) for part in parts):
            raise UsageError(
                "expected NAMESPACE/POD-GLOB/CONTAINER, each a name that may contain * ? [ ], such as "
                "*/*ingress-nginx-controller*/controller, or an absolute path of log files"
            )
        namespace, pod, container = (re.compile(translate(part)) for part in parts)
        return cls(text, namespace, pod, container, profile, guess, _literal_of(parts[1]))


def _literal_of(glob: str) -> str:
    """Return the longest text that is in all names that a glob matches; empty if it has sets of characters."""
    return "" if "[" in glob else max(re.split(r"[*?]", glob), key=len)


def fixed_directory(pattern: str) -> str:
    """Return the directory that holds all files a glob can match: the part of its path before the first wildcard."""
    return os.path.dirname(re.split(r"[*?\[]", pattern, maxsplit=1)[0])


def _matches(pattern: re.Pattern[str] | None, name: str) -> bool:
    return pattern is not None and pattern.match(name) is not None
