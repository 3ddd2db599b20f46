"""Traefik's access log as the arguments and variables of its container set it. Pure.

Source: https://doc.traefik.io/traefik/observability/access-logs/. Names are not case-sensitive, and any option of the
log switches it on.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_STDOUT = frozenset({"", "/dev/stdout", "/proc/1/fd/1", "/dev/fd/1"})
"""The paths that are the container's log."""


class TraefikLog(NamedTuple):
    """What the arguments and variables say of the access log."""

    is_on: bool
    format: str
    path: str
    """The file that it goes to in place of the container's log; empty if it goes there."""
    dropped: frozenset[str]
    """The names of fields that are left out, in lower case."""
    drops_the_rest: bool
    """Whether all others are left out but those in `kept`."""
    kept: frozenset[str]
    filters: tuple[str, ...]
    """The options that leave requests out."""
    has_file: bool
    """Whether a file of configuration is named, which may say otherwise."""

    def keeps(self, field: str) -> bool:
        """Return whether lines have the field of this name."""
        return field.lower() in self.kept if self.drops_the_rest else field.lower() not in self.dropped


def traefik_log(arguments: Iterable[str], variables: Mapping[str, str]) -> TraefikLog:
    """Return the access log that Traefik's arguments and variables set."""
    options = dict(_options(arguments, variables))
    log = {name[len("accesslog.") :]: text for name, text in options.items() if name.split(".")[0] == "accesslog"}
    path = "" if log.get("dualoutput") == "true" else log.get("filepath", "")
    return TraefikLog(
        is_on=bool(log) and log.get("") != "false",
        format=log.get("format") or "common",
        path="" if path in _STDOUT else path,
        dropped=frozenset(name.split(".")[-1] for name, text in log.items() if _is_field(name) and text == "drop"),
        drops_the_rest=log.get("fields.defaultmode") == "drop",
        kept=frozenset(name.split(".")[-1] for name, text in log.items() if _is_field(name) and text == "keep"),
        filters=tuple(sorted(f"accesslog.{name}" for name in log if name.startswith("filters."))),
        has_file="configfile" in options,
    )


def _options(arguments: Iterable[str], variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield options by their names in lower case; an argument has the last word."""
    for name, text in variables.items():
        if name.upper().startswith("TRAEFIK_"):
            yield name.lower().removeprefix("traefik_").replace("_", "."), text.lower()
    for argument in arguments:
        name, equals, text = argument.lstrip("-").partition("=")
        if argument.startswith("--"):
            yield name.lower(), text if equals and name.lower().endswith("filepath") else text.lower() or "true"


def _is_field(name: str) -> bool:
    return name.startswith("fields.names.")
