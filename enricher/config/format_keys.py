"""The keys beside which proxies, their controllers and charts keep a log format. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from enricher.accesslog.nginx import INGRESS_NGINX
from enricher.config.contour_fields import format_of_fields
from enricher.config.kept_format import KeptFormat, join_lines, language_of

_LOG_FORMAT_KEY = re.compile(r".*log.*format(?:upstream|stream|string|tcp)?|.*format.*log")
"""Keys of formats, as `plain_key` returns them: log-format-upstream, accessLogFormat, http-log-format, …"""
_SESSION_KEY = re.compile(r".*(?:(?<!up)stream|tcp|auth|error).*")
"""Keys of formats of TCP and UDP sessions, of questions to an authentication service, and of errors."""
_MAX_VALUES = 10_000
"""Values of an object that is a format of Envoy; usual ones have some 30."""
_ENVOY_KEYS = frozenset({"textformat", "stringformat", "jsonformat", "typedjsonformat", "inlinestring"})
"""Keys of formats in Envoy's own configuration, and in that of Gloo, kgateway and Consul."""
_ENVOY_MEMBERS = {"text": "text", "json": "json", "labels": "json"}
"""Members of `format` in EnvoyProxy, `logFormat` in Istio's providers and `accessLogs` in CiliumGatewayClassConfig, and
the type of each.
"""
_INGRESS_NGINX_ESCAPES = frozenset({"logformatescapenone", "logformatescapejson"})
_TRAEFIK_FORMATS = {"common": "common", "json": "json", "genericclf": "genericCLF"}
_TRAEFIK_KEYS = frozenset({"filepath", "format", "fields", "filters", "bufferingsize", "addinternals", "enabled"})
"""The keys beside which Traefik's format may be left out."""


class Place(NamedTuple):
    """Where a value is."""

    object: str = ""
    """The kind and the name of the Kubernetes object."""
    keys: tuple[str, ...] = ()
    provider: str = ""
    """The name of Istio's extension provider that the value belongs to."""
    is_used: bool = True
    """Whether nothing above shows that the access log is off, or goes elsewhere than to a file."""
    logs_tries: bool = False
    """Whether something above shows that it is the log of tries."""

    def __str__(self) -> str:
        path = ".".join(self.keys).replace(".[", "[")
        return f"{self.object}: {path}" if self.object and path else self.object or path

    def below(self, key: str) -> "Place":
        return self._replace(keys=(*self.keys, key))

    @property
    def parents(self) -> tuple[str, str]:
        """Return the plain names of the two keys above the last one."""
        above = ["", "", *map(plain_key, self.keys[:-1])]
        return above[-2], above[-1]


def formats_of_map(values: Mapping[Any, Any], place: Place) -> Iterator[KeptFormat]:
    """Yield the formats whose keys are in a map."""
    plain = {plain_key(key): key for key in values}
    for name, key in plain.items():
        value, inner = values[key], place.below(str(key))
        if isinstance(value, str) and value.strip():
            yield from _format_under_key(name, value, values, inner)
        elif isinstance(value, dict):
            yield from _format_in_object(name, value, inner)
    if place.keys[-2:-1] == ("accessLogs",):  # of a CiliumGatewayClassConfig
        found = _format_of_type(scalar_text(values.get("format")), values, place)
        yield from (item._replace(logs_requests=values.get("targets") != ["TCP"]) for item in found)
    has_default = "logformatupstream" not in plain and not plain.keys().isdisjoint(_INGRESS_NGINX_ESCAPES)
    if has_default and (escape := _escape_beside(values)):
        yield KeptFormat(f"{place}: the default format", f"escape={escape} {INGRESS_NGINX}", "ingress-nginx")
    is_contour = "accesslog-format" in values or place.below("").parents == ("envoy", "logging")
    if is_contour and values.get(plain.get("accesslogformat")) == "json":
        fields = values.get(plain.get("jsonfields", plain.get("accesslogjsonfields")))
        yield _envoy(format_of_fields(fields), place.below(str(plain["accesslogformat"])))


def _format_under_key(name: str, text: str, beside: Mapping[Any, Any], place: Place) -> Iterator[KeptFormat]:
    """Yield the format that is the text under a key, whose plain name is given."""
    if name == "format" and (place.parents[1] == "accesslog" or place.parents == ("logs", "access")):
        yield from traefik_format(text, place)
    is_format = name == "format" and "log" in "".join(place.parents)
    language = language_of(text)
    if not language or not (is_format or _LOG_FORMAT_KEY.fullmatch(name) or name in _ENVOY_KEYS):
        return
    profile = language
    if language == "nginx":
        profile = {"logformatupstream": "ingress-nginx", "logformatstream": "ingress-nginx"}.get(name, "nginx")
        profile = "nginx-ingress" if name in {"logformat", "streamlogformat"} else profile
        text = _nginx_text(name, text, beside)
    logs_requests = not _SESSION_KEY.fullmatch(name)
    yield KeptFormat(str(place), text, profile, logs_requests, place.is_used, place.provider, place.logs_tries)


def _format_in_object(name: str, value: Mapping[Any, Any], place: Place) -> Iterator[KeptFormat]:
    """Yield the formats of an object under a key: Envoy's JSON, or members for text and JSON; Traefik's access log."""
    if name in {"format", "logformat"}:
        yield from _format_of_type(scalar_text(value.get("type")), value, place)
    elif name in _ENVOY_KEYS or _LOG_FORMAT_KEY.fullmatch(name):
        yield from _envoy_value(value, place)
    is_chart = name == "access" and place.parents[1] == "logs" and value.get("enabled") is True
    is_traefik = is_chart or (name == "accesslog" and "enabled" not in value)
    if is_traefik and not value.get("format") and _TRAEFIK_KEYS.issuperset(map(plain_key, value)):
        yield from traefik_format("common", place)


def _format_of_type(kind: str, members: Mapping[Any, Any], place: Place) -> Iterator[KeptFormat]:
    """Yield Envoy's format from the member that a type stands for; from all members without one."""
    for member, member_type in _ENVOY_MEMBERS.items():
        if kind.lower() in {"", member_type}:
            yield from _envoy_value(members.get(member), place.below(member))


def _nginx_text(name: str, text: str, beside: Mapping[Any, Any]) -> str:
    """Return a format of nginx with its escaping, which a key beside it sets."""
    if name.endswith("nginxhttplogformat"):  # Kong: the arguments of the directive
        return f"log_format {text};"
    if name in {"logformat", "streamlogformat"}:
        text = join_lines(text)
    escape = _escape_beside(beside, is_stream=name.startswith("stream"))
    return f"escape={escape} {text}" if escape else text


def _escape_beside(beside: Mapping[Any, Any], *, is_stream: bool = False) -> str:
    """Return how values are escaped as the keys of ingress-nginx, F5, NGINX Gateway Fabric or APISIX say."""
    for key in sorted(map(str, beside), reverse=True):  # ingress-nginx: none outdoes json
        name, value = plain_key(key), scalar_text(beside.get(key))
        if "escap" not in name or name.startswith("stream") != is_stream:
            continue
        if name.endswith(("none", "json")) and value in {"1", "t", "T", "TRUE", "true", "True"}:
            return name[-4:]
        if value in {"none", "json", "default"}:
            return value
    return ""


def _envoy_value(value: object, place: Place) -> Iterator[KeptFormat]:
    """Yield Envoy's format from a text or from an object of format strings."""
    try:
        text = orjson.dumps(value).decode() if isinstance(value, dict) and _is_small(value) else scalar_text(value)
    except TypeError:  # a key that JSON cannot have
        return
    if language_of(text) == "envoy":
        yield _envoy(text, place)


def _envoy(text: str, place: Place) -> KeptFormat:
    return KeptFormat(str(place), text, "envoy", True, place.is_used, place.provider, place.logs_tries)


def traefik_format(text: str, place: Place) -> Iterator[KeptFormat]:
    if name := _TRAEFIK_FORMATS.get(text.lower()):
        yield KeptFormat(str(place), name, "traefik")


def plain_key(key: object) -> str:
    """Return a key without what differs between spellings: case, hyphens and underscores."""
    return str(key).lower().replace("-", "").replace("_", "")


def scalar_text(value: object) -> str:
    """Return a scalar as text; an empty text for any other value, which may repeat itself without end."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, (str, int, float)) else ""


def _is_small(value: object) -> bool:
    """Return whether a value can be written as text: YAML's references can make it endless."""
    stack, remaining = [value], _MAX_VALUES
    while stack and remaining:
        remaining -= 1
        item = stack.pop()
        stack.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return not stack
