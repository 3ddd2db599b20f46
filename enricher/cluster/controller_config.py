"""The log format that an ingress controller's ConfigMap names, followed while it changes.

Keys of ingress-nginx: docs/user-guide/nginx-configuration/configmap.md there; of F5's controller: `log-format`,
`log-format-escaping`. A controller without the key, or without its ConfigMap, has its default format.
"""

import logging
from collections.abc import Mapping
from typing import Any

from enricher.accesslog.compiler import LogFormatError
from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.profiles import PROFILES, Formats, formats
from enricher.kube.watcher import Changed, Listed

logger = logging.getLogger("enricher")

ELSEWHERE = ("disable-access-log", "enable-syslog")
"""Keys that, when true, keep access lines out of the container's log."""


class FormatUpdater:
    """Tells a FormatTimeline of each change of the format."""

    def __init__(self, formats: FormatTimeline, profile: str) -> None:
        self._formats, self._profile = formats, profile
        self._said: Mapping[str, Any] | None = None
        self._heard = 0
        """Until when no change was missed (ns)."""

    def convert(self, obj: dict[str, Any]) -> dict[str, Any]:
        return obj

    def take(self, item: Listed | Changed) -> None:
        """The ConfigMap as it is now."""
        if isinstance(item, Listed):
            obj, earliest = (item.items[0] if item.items else {}), self._heard or item.asked
        else:
            obj, earliest = ({} if item.type == "DELETED" else item.object), item.earliest
        self._heard = item.at
        if isinstance(item, Listed) or item.type != "BOOKMARK":
            self._settle(config_data(obj), earliest, item.at)

    def _settle(self, data: Mapping[str, Any], earliest: int, latest: int) -> None:
        """It became so between these two times."""
        said = {key: data.get(key) for key in ("log-format-upstream", *_ESCAPES, *ELSEWHERE, "log-format", _ESCAPING)}
        if said == self._said:
            return
        is_first, self._said = self._said is None, said
        for key in ELSEWHERE:
            if data.get(key) in _TRUE:
                logger.warning("the controller's ConfigMap says %s: its log will have no access lines", key)
        try:
            found = formats_from_config(data, self._profile)
        except LogFormatError as error:
            logger.warning("the controller's log format can't be used, the one before stays in force: %s", error)
            return
        if is_first:
            self._formats.begin(found, latest)
        else:
            self._formats.change(found, earliest, latest)
        logger.info("the controller's log format is %s", found[0].text)


def config_data(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """A ConfigMap's, whatever is there in their place."""
    data = obj.get("data")
    return data if isinstance(data, dict) else {}


_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""As Go's strconv.ParseBool has it."""
_ESCAPES = {"log-format-escape-none": "none", "log-format-escape-json": "json"}
"""In the order in which they win."""
_ESCAPING = "log-format-escaping"


def formats_from_config(data: Mapping[str, Any], profile: str) -> Formats:
    """What a ConfigMap's data say of the log format. Raises LogFormatError."""
    text = data.get("log-format-upstream" if profile == "ingress-nginx" else "log-format")
    escape = next((escape for key, escape in _ESCAPES.items() if data.get(key) in _TRUE), "")
    if profile != "ingress-nginx":
        escape = str(data.get(_ESCAPING) or "")
        text = " ".join(text.splitlines()) if isinstance(text, str) else text  # a line of it is an argument of its own
    if not isinstance(text, str) or not text.strip():
        usual = formats(profile)
        return usual if not escape else PROFILES[profile].compile(f"escape={escape} {usual[-1].text}")
    return PROFILES[profile].compile(f"escape={escape} {text}" if escape else text)
