"""The log format in an ingress controller's ConfigMap, followed while it changes.

The keys of ingress-nginx are documented in its docs/user-guide/nginx-configuration/configmap.md; F5's controller has
`log-format` and `log-format-escaping`. Without the key or without the ConfigMap, a controller uses its default format.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.profiles import PROFILES, Formats, profile_formats
from enricher.config.kept_format import join_lines
from enricher.kube.watcher import Changed, Listed
from enricher.text import printable

logger = logging.getLogger(__name__)

_DISABLING_KEYS = {
    "disable-access-log": "access lines",
    "disable-http-access-log": "access lines",
    "disable-stream-access-log": "lines of TCP and UDP sessions",
    "enable-syslog": "access lines and error lines",
    "access-log-off": "access lines",
}
"""Keys that, when true, keep lines out of the container's log; the last is of F5's controller.

With enable-syslog, ingress-nginx's template still writes the sessions' lines to stream-access-log-path.
"""
_PATH_KEYS = {
    "access lines": ("http-access-log-path", "access-log-path"),
    "lines of TCP and UDP sessions": ("stream-access-log-path", "access-log-path"),
}
"""Keys of ingress-nginx with the paths of logs; the first that is set counts."""
_STDOUT = frozenset({"/var/log/nginx/access.log", "/dev/stdout", "/dev/fd/1", "/proc/1/fd/1", "/proc/self/fd/1"})
"""Paths that lead to the container's stdout; the first is the default, a link in the controller's image."""
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""The values that Go's strconv.ParseBool takes for true."""
_ESCAPE_KEYS = {"log-format-escape-none": "none", "log-format-escape-json": "json"}
"""The keys of ingress-nginx that set the escaping; the first that is true wins."""
_ESCAPING_KEY = "log-format-escaping"
"""The key of F5's controller that sets the escaping."""
_DESTINATION_KEY = "access-log"
"""The key of F5's controller that sends access lines to a syslog server, which is the only value that it accepts."""
_FORMAT_KEYS = (
    "log-format-upstream",
    *_ESCAPE_KEYS,
    *_DISABLING_KEYS,
    *dict.fromkeys(key for keys in _PATH_KEYS.values() for key in keys),
    "log-format",
    _ESCAPING_KEY,
    _DESTINATION_KEY,
)
"""All keys that matter for the log."""


class FormatUpdater:
    """Updates a FormatTimeline with each change of the controller's log format."""

    def __init__(self, timeline: FormatTimeline, profile: str) -> None:
        self._timeline, self._profile = timeline, profile
        self._last_values: Mapping[str, Any] | None = None
        self._missing: Sequence[str] = ()
        self._complete_until = 0
        """The time (ns) before which no change has been missed."""

    def transform(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return the object as it is: all of it is needed."""
        return obj

    def size(self, _: dict[str, Any]) -> int:
        """Return 0, because there is only one object, whose length is bounded."""
        return 0

    def apply(self, update: Listed | Changed) -> None:
        """Apply a list of the ConfigMap, or a change of it."""
        if isinstance(update, Listed):
            obj = update.items[0] if update.items else {}
            earliest = self._complete_until or update.requested_at
        else:
            obj = {} if update.type == "DELETED" else update.object
            earliest = update.earliest
        self._complete_until = update.at
        if isinstance(update, Listed) or update.type != "BOOKMARK":
            self._update_formats(config_data(obj), earliest, update.at)

    def _update_formats(self, data: Mapping[str, Any], earliest: int, latest: int) -> None:
        """Apply the data of the ConfigMap, which changed at some time between `earliest` and `latest` (ns)."""
        values = {key: data.get(key) for key in _FORMAT_KEYS}
        if values == self._last_values:
            return
        is_first, self._last_values = self._last_values is None, values
        missing, self._missing = self._missing, missing_lines(data)
        for text in self._missing:
            if text not in missing:
                logger.warning("the controller's ConfigMap sets %s", text)
        try:
            log_formats = formats_from_config(data, self._profile)
        except LogFormatError as error:
            logger.warning("cannot use the controller's log format, the previous one stays in force: %s", error)
            return
        if is_first:
            self._timeline.start_with(log_formats, latest)
        else:
            self._timeline.add_change(log_formats, earliest, latest)
        logger.info("the controller's log format is %s", log_formats[0].text)


def config_data(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data of a ConfigMap, without those that are not texts; an empty mapping if there are no data."""
    data = obj.get("data")
    return {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}


def missing_lines(data: Mapping[str, Any]) -> list[str]:
    """Return which settings of a ConfigMap keep which lines out of the container's log, each in one line for people."""
    texts = [
        f"{key}, which keeps {lines} out of the container's log: remove it"
        for key, lines in _DISABLING_KEYS.items()
        if str(data.get(key)) in _TRUE
    ]
    paths = dict[str, str]()
    for lines, keys in _PATH_KEYS.items():
        key = next((key for key in keys if data.get(key)), "")
        if key and str(data[key]).strip() not in _STDOUT:
            paths.setdefault(key, lines)  # the path of all lines is reported once
    if str(data.get(_DESTINATION_KEY) or "").startswith("syslog:"):
        paths[_DESTINATION_KEY] = "access lines"
    for key, lines in paths.items():
        value = str(data[key])
        advice = "remove it" if value.startswith("syslog:") else "remove it, or follow the file with --select"
        texts.append(f"{key} to {printable(value)}, which keeps {lines} out of the container's log: {advice}")
    return texts


def formats_from_config(data: Mapping[str, Any], profile: str) -> Formats:
    """Return the log formats that a ConfigMap's data set. Raise LogFormatError if a format cannot be compiled."""
    is_ingress_nginx = profile == "ingress-nginx"
    text = data.get("log-format-upstream" if is_ingress_nginx else "log-format")
    if is_ingress_nginx:
        escape = next((escape for key, escape in _ESCAPE_KEYS.items() if data.get(key) in _TRUE), "")
    else:
        escape = str(data.get(_ESCAPING_KEY) or "")
        text = join_lines(text) if isinstance(text, str) else text
    if not isinstance(text, str) or not text.strip():
        default = profile_formats(profile)
        return default if not escape else PROFILES[profile].compile(f"escape={escape} {default[-1].text}")
    return PROFILES[profile].compile(f"escape={escape} {text}" if escape else text)
