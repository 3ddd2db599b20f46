"""Log formats in YAML and JSON documents: Helm values, ConfigMaps and other objects, lists of them. Pure.

A format is found by the keys around it, at any depth, because charts and operators wrap the same settings in keys of
their own. A text may itself be a document (`mesh` of Istio's ConfigMap), or a piece of nginx.conf or haproxy.cfg.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from enricher.config.contour_fields import format_of_fields
from enricher.config.directive_formats import find_directives
from enricher.config.kept_format import KeptFormat, join_lines, language_of
from enricher.documents import Document, read_documents

MENTIONS_LOGS = re.compile(r"(?i)log[\w-]*format|format[\w-]*log|access[\w-]*log|\blogs:|\boption\s+\w*log\b")
"""Marks of a text that may hold a log format: others are not parsed."""
_LOG_FORMAT_KEY = re.compile(r".*log.*format(?:upstream|stream|string|tcp)?|.*format.*log")
"""Keys of formats, as `_plain` returns them: log-format-upstream, accessLogFormat, http-log-format, …"""
_SESSION_KEY = re.compile(r".*(?:stream|tcp|auth|error).*")
"""Keys of formats of TCP and UDP sessions, of questions to an authentication service, and of errors."""
_ENVOY_KEYS = frozenset({"textformat", "stringformat", "jsonformat", "typedjsonformat", "inlinestring"})
"""Keys of formats in Envoy's own configuration, and in that of Gloo, kgateway and Consul."""
_ENVOY_MEMBERS = {"text": "text", "json": "json", "labels": "json"}
"""Members of `format` in EnvoyProxy and `logFormat` in Istio's providers, and the `type` of each."""
_TRAEFIK_FORMATS = {"common": "common", "json": "json", "genericclf": "genericCLF"}
_TRAEFIK_FLAG = re.compile(r"--access-?log\.format[= ](\w+)", re.IGNORECASE)
_TRAEFIK_KEYS = frozenset({"filepath", "format", "fields", "filters", "bufferingsize", "addinternals", "enabled"})
"""The keys beside which Traefik's format may be left out."""


class _Place(NamedTuple):
    """Where a value is."""

    object: str = ""
    """The kind and the name of the Kubernetes object."""
    keys: tuple[str, ...] = ()
    provider: str = ""

    def __str__(self) -> str:
        path = ".".join(self.keys).replace(".[", "[")
        return f"{self.object}: {path}" if self.object and path else self.object or path

    def below(self, key: str) -> "_Place":
        return self._replace(keys=(*self.keys, key))

    @property
    def parents(self) -> list[str]:
        return [_plain(key) for key in self.keys[-2:]]


def find_in_documents(documents: Iterable[Document]) -> list[KeptFormat]:
    """Return the formats in the order of the documents, and those of Istio's providers with whether they are used."""
    used = set[str]()
    formats = [log_format for document in documents for log_format in _walk(document.value, used)]
    return [_judge_use(log_format, used) for log_format in formats]


def describe_documents(documents: Iterable[Document]) -> str:
    """Return what documents are, for a message: the first Kubernetes objects, or just `a document`."""
    objects = [item for document in documents for item in _objects_of(document.value)]
    names = ", ".join(objects[:3]) + (f" and {len(objects) - 3} more" if len(objects) > 3 else "")
    return names or "a document of YAML or JSON"


def _walk(root: object, used: set[str]) -> Iterator[KeptFormat]:
    """Yield the formats below a value; add the names of Istio's providers that are in use to `used`.

    Each container is visited once: YAML can repeat and nest them without end.
    """
    stack, seen = [(root, _Place())], set[int]()
    while stack:
        value, place = stack.pop()
        if isinstance(value, str):
            yield from _formats_of_text(value, place, used)
            continue
        if not isinstance(value, (dict, list)) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            place = place if (name := _object_name(value)) is None else _Place(name)
            yield from _formats_of_map(value, place)
            used.update(_used_providers(value))
        stack.extend(reversed(list(_children(value, place))))


def _children(value: dict[Any, Any] | list[Any], place: _Place) -> Iterator[tuple[object, _Place]]:
    if isinstance(value, dict):
        for key, child in value.items():
            # kubectl keeps a copy of the object in an annotation.
            if key != "metadata" or not place.object:
                yield child, place.below(str(key))
        return
    for index, child in enumerate(value):
        name = str(child.get("name") or index) if isinstance(child, dict) else str(index)
        inner = place.below(f"[{name}]")
        yield child, inner._replace(provider=name) if place.keys[-1:] == ("extensionProviders",) else inner


def _formats_of_text(text: str, place: _Place, used: set[str]) -> Iterator[KeptFormat]:
    """Yield the formats of a text that is a document, or a piece of nginx.conf or haproxy.cfg."""
    if flag := _TRAEFIK_FLAG.search(text):
        yield from _traefik(flag[1], place)
    if "\n" not in text or not MENTIONS_LOGS.search(text):
        return
    if directives := find_directives(text):
        yield from (item._replace(place=f"{place}: {item.place}") for item in directives)
        return
    try:
        documents = read_documents(text.encode())
    except ValueError:
        return
    for document in documents:
        if isinstance(document.value, dict):
            for item in _walk(document.value, used):
                yield item._replace(place=f"{place}: {item.place}")


def _formats_of_map(values: Mapping[Any, Any], place: _Place) -> Iterator[KeptFormat]:
    """Yield the formats whose keys are in a map."""
    plain = {_plain(key): key for key in values}
    for name, key in plain.items():
        value, inner = values[key], place.below(str(key))
        if isinstance(value, str) and value.strip():
            yield from _format_under_key(name, value, values, inner)
        elif isinstance(value, dict):
            yield from _format_in_object(name, value, inner)
    # An environment variable: {name: …, value: …}.
    if values.keys() == {"name", "value"} and all(isinstance(value, str) for value in values.values()):
        yield from _format_under_key(_plain(values["name"]), values["value"], {}, place.below(values["name"]))
    is_contour = "accesslog-format" in values or place.parents == ["envoy", "logging"]
    if is_contour and values.get(plain.get("accesslogformat")) == "json":
        fields = values.get(plain.get("jsonfields", plain.get("accesslogjsonfields")))
        yield _envoy(format_of_fields(fields), place.below(str(plain["accesslogformat"])))


def _format_under_key(name: str, text: str, beside: Mapping[Any, Any], place: _Place) -> Iterator[KeptFormat]:
    """Yield the format that is the text under a key, whose plain name is given."""
    is_in_log = any("log" in parent for parent in place.parents) or place.parents[0] == "access"
    if name == "format" and is_in_log and text.lower() in _TRAEFIK_FORMATS:
        yield from _traefik(text, place)
    language = language_of(text)
    if not language or not (_LOG_FORMAT_KEY.fullmatch(name) or name in _ENVOY_KEYS or (name == "format" and is_in_log)):
        return
    profile = language
    if language == "nginx":
        profile = {"logformatupstream": "ingress-nginx", "logformatstream": "ingress-nginx"}.get(name, "nginx")
        profile = "nginx-ingress" if name in {"logformat", "streamlogformat"} else profile
        text = _nginx_text(name, text, beside)
    yield KeptFormat(str(place), text, profile, not _SESSION_KEY.fullmatch(name), provider=place.provider)


def _format_in_object(name: str, value: Mapping[Any, Any], place: _Place) -> Iterator[KeptFormat]:
    """Yield the formats of an object under a key: Envoy's JSON, or members for text and JSON; Traefik's access log."""
    if name in {"format", "logformat"}:
        kind = str(value.get("type", "")).lower()
        for member, member_type in _ENVOY_MEMBERS.items():
            if kind in {"", member_type}:
                yield from _envoy_value(value.get(member), place.below(member))
    elif name in _ENVOY_KEYS or _LOG_FORMAT_KEY.fullmatch(name):
        yield from _envoy_value(value, place)
    is_traefik = name == "accesslog" or (name == "access" and value.get("enabled") is True)
    if is_traefik and not value.get("format") and _TRAEFIK_KEYS.issuperset(map(_plain, value)):
        yield from _traefik("common", place)


def _nginx_text(name: str, text: str, beside: Mapping[Any, Any]) -> str:
    """Return a format of nginx with its escaping, which a key beside it sets."""
    if name.endswith("nginxhttplogformat"):  # Kong: the arguments of the directive
        return f"log_format {text};"
    if name in {"logformat", "streamlogformat"}:
        text = join_lines(text)
    escape = _escape_beside(beside, is_stream="stream" in name)
    return f"escape={escape} {text}" if escape else text


def _escape_beside(beside: Mapping[Any, Any], *, is_stream: bool) -> str:
    """Return how values are escaped as the keys of ingress-nginx, F5, NGINX Gateway Fabric or APISIX say."""
    for key in sorted(map(str, beside), reverse=True):  # ingress-nginx: none outdoes json
        name, value = _plain(key), str(beside.get(key))
        if "escap" not in name or ("stream" in name) != (is_stream and name.startswith("stream")):
            continue
        if name.endswith(("none", "json")) and value in {"1", "t", "T", "TRUE", "true", "True"}:
            return name[-4:]
        if value in {"none", "json", "default"}:
            return value
    return ""


def _envoy_value(value: object, place: _Place) -> Iterator[KeptFormat]:
    """Yield Envoy's format from a text or from an object of format strings."""
    try:
        text = value if isinstance(value, str) else orjson.dumps(value).decode() if isinstance(value, dict) else ""
    except TypeError:  # a key that JSON cannot have
        return
    if language_of(text) == "envoy":
        yield _envoy(text, place)


def _envoy(text: str, place: _Place) -> KeptFormat:
    return KeptFormat(str(place), text, "envoy", provider=place.provider)


def _traefik(text: str, place: _Place) -> Iterator[KeptFormat]:
    if name := _TRAEFIK_FORMATS.get(text.lower()):
        yield KeptFormat(str(place), name, "traefik")


def _used_providers(values: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the names of Istio's providers that a Telemetry, or the mesh's defaults, choose for access logs."""
    for section in values.get("accessLogging") or () if isinstance(values.get("accessLogging"), list) else ():
        if isinstance(section, dict) and isinstance(section.get("providers"), list):
            yield from (str(item["name"]) for item in section["providers"] if isinstance(item, dict) and "name" in item)
        elif isinstance(section, str):
            yield section


def _judge_use(log_format: KeptFormat, used: set[str]) -> KeptFormat:
    # Istio's own provider, `envoy`, has the format of the mesh itself.
    is_used = (log_format.provider or "envoy") in used if used else not log_format.provider
    return log_format._replace(is_used=is_used) if log_format.profile == "envoy" else log_format


def _object_name(values: Mapping[Any, Any]) -> str | None:
    """Return the kind and the name of a Kubernetes object; None if the map is not one."""
    metadata, kind = values.get("metadata"), values.get("kind")
    if not isinstance(kind, str) or "apiVersion" not in values or kind.endswith("List"):
        return None
    metadata = metadata if isinstance(metadata, dict) else {}
    return " ".join(
        filter(None, (kind, "/".join(str(metadata[key]) for key in ("namespace", "name") if key in metadata)))
    )


def _objects_of(value: object) -> list[str]:
    """Return the kinds and names of the Kubernetes objects of a document."""
    if not isinstance(value, dict):
        return []
    items = value["items"] if isinstance(value.get("items"), list) else [value]
    names = map(_object_name, (item for item in items if isinstance(item, dict)))
    return [name for name in names if name]


def _plain(key: object) -> str:
    """Return a key without what differs between spellings: case, hyphens and underscores."""
    return str(key).lower().replace("-", "").replace("_", "")
