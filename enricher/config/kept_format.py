"""What the readers of all kinds of configuration files return: a log format, and where it was found. Pure."""

import re
from typing import NamedTuple


class KeptFormat(NamedTuple):
    """A log format that a file of a proxy's configuration holds."""

    place: str
    """Where it is in the file, for messages."""
    text: str
    """The format as the profile's compiler takes it."""
    profile: str
    """The profile of the proxy that the place belongs to."""
    logs_requests: bool = True
    """Whether requests are logged with it, and not TCP sessions, say."""
    is_used: bool = True
    """Whether the same file does not show that the format is not in use."""
    provider: str = ""
    """The name of Istio's extension provider that holds it."""
    logs_tries: bool = False
    """Whether Envoy's router logs tries with it."""


_LANGUAGES = {
    "envoy": re.compile(r"%[A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::\d+)?%"),
    "nginx": re.compile(r"\$(?:\{\w+\}|[a-z]\w*)"),
    "haproxy": re.compile(
        r"%(?:\{[+-][^}]*\})?(?:\[|(?:ci|cp|ft|tr|trg|ST|tsc?|TR|T[acrtw]|H[MPQUV]|hrl?|hsl?|s[ip]|[abfsr]c|[bs]q)\b)"
    ),
}
"""A variable in the language of each proxy; the first that is found decides. Apache has some of HAProxy's names."""


def language_of(text: str) -> str:
    """Return the profile of the proxy whose variables a text has: envoy, nginx or haproxy; empty for none."""
    return next((profile for profile, variable in _LANGUAGES.items() if variable.search(text)), "")


def is_nginx(profile: str) -> bool:
    """Return whether the formats of a profile are written in nginx's language."""
    return "nginx" in profile


def join_lines(text: str) -> str:
    """Return nginx's format over several lines as F5's controller writes it, with a space for each line break.

    The controller makes each line that is not empty an argument of log_format, and puts a space before all but the
    first (its nginx.tmpl).
    """
    return " ".join(filter(None, text.splitlines()))
