"""OLD and NEW of `enricher compare`: files or containers of a cluster, and the profile of the proxy."""

import os
from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from typing import NamedTuple

from enricher.accesslog.profiles import PROFILES
from enricher.config.options import STDIN
from enricher.config.settings import Settings, default_selectors
from enricher.errors import UsageError
from enricher.tailer.file_names import log_of
from enricher.tailer.selector import Selector

_PARTS = 3
"""Parts of NAMESPACE/POD-GLOB/CONTAINER. A text that has others, or begins like a path, is one."""


class ProxyArgument(NamedTuple):
    """The logs of one proxy: files, or selectors of containers."""

    text: str
    profile: str
    """Empty if the user named none: then the lines show it."""
    files: Sequence[str] = ()
    selectors: Sequence[Selector] = ()

    @property
    def is_guessed(self) -> bool:
        """Return whether a text without a profile was taken for containers, because there is no such file."""
        return bool(self.selectors) and not self.profile

    def settings(self, settings: Settings) -> Settings:
        """Return the settings to read the logs with; a profile takes the place of a format, as in --select."""
        if not self.profile:
            return settings
        logs = replace(
            settings.logs,
            profile=self.profile,
            select=default_selectors(self.profile),
            formats=None,
            controller_configmap=None,
        )
        return replace(settings, logs=logs)


def parse_proxy(name: str, text: str) -> ProxyArgument:
    """Parse `[PROFILE:]FILES`, `[PROFILE:]NAMESPACE/POD-GLOB/CONTAINER` or `PROFILE:`. Raise UsageError.

    `name` is that of the argument. FILES is a file, a directory, a glob or `-`.
    """
    profile, colon, rest = text.partition(":")
    if not colon or profile not in PROFILES or os.path.lexists(text):
        profile, rest = "", text
    if rest == STDIN:
        return ProxyArgument(text, profile, files=[STDIN])
    if not rest:
        if not profile:
            raise UsageError(f"{name} is empty: expected files or containers")
        return ProxyArgument(text, profile, selectors=_with_profile(default_selectors(profile), profile))
    if os.path.lexists(rest):
        return ProxyArgument(text, profile, files=[rest])
    if paths := sorted(glob(rest), key=log_of):
        return ProxyArgument(text, profile, files=paths)
    if rest.startswith(("/", ".")) or len(rest.split("/")) != _PARTS:
        return ProxyArgument(text, profile, files=[rest])  # reading it reports that it is not there
    try:
        return ProxyArgument(text, profile, selectors=[Selector.parse(rest, profile)])
    except UsageError:
        raise UsageError(
            f"{name} {text!r}: there is no such file: expected files or NAMESPACE/POD-GLOB/CONTAINER"
        ) from None


def _with_profile(selectors: Sequence[Selector], profile: str) -> list[Selector]:
    return [replace(selector, profile=profile) for selector in selectors]
