"""Log formats in YAML and JSON documents: Helm values, ConfigMaps and other objects, lists of them. Pure.

A format is found by the keys around it, at any depth, because charts and operators wrap the same settings in keys of
their own. A text may itself be a document (`mesh` of Istio's ConfigMap), or a piece of nginx.conf or haproxy.cfg.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from enricher.config.directive_formats import find_directives
from enricher.config.format_keys import Place, formats_of_map, plain_key, scalar_text, traefik_format
from enricher.config.kept_format import KeptFormat
from enricher.documents import Document, read_json_or_yaml

_MENTIONS_LOGS = re.compile(r"(?i)log[\w-]*format|format[\w-]*log|access[\w-]*log|\blogs:|\boption\s+\w*log\b")
"""Marks of a text that may hold a log format: others are not parsed."""
_TRAEFIK_FLAG = re.compile(r"--access-?log\.format[= ](\w+)", re.IGNORECASE)


def find_in_documents(documents: Iterable[Document]) -> list[KeptFormat]:
    """Return the formats in the order of the documents, and those of Istio's providers with whether they are used."""
    used, values = set[str](), [document.value for document in documents]
    formats = [log_format for value in values for log_format in _walk(value, used)]
    formats += formats_of_map(_pairs(values), Place())  # a JSON patch is a list at the top
    return [_judge_use(log_format, used) for log_format in formats]


def used_providers(documents: Iterable[Document]) -> list[str]:
    """Return the names of Istio's providers that documents choose."""
    used = set[str]()
    for document in documents:
        deque(_walk(document.value, used), maxlen=0)
    return sorted(used)


def describe_documents(documents: Iterable[Document]) -> str:
    """Return the names of the first Kubernetes objects of documents, for a message; empty if there are none."""
    objects = [item for document in documents for item in _objects_of(document.value)]
    return ", ".join(objects[:3]) + (f" and {len(objects) - 3} more" if len(objects) > 3 else "")


def _walk(root: object, used: set[str]) -> Iterator[KeptFormat]:
    """Yield the formats below a value; add the names of Istio's providers that are in use to `used`.

    Each container is visited once: YAML can repeat and nest them without end.
    """
    stack, seen = [(root, Place())], set[int]()
    while stack:
        value, place = stack.pop()
        if isinstance(value, str):
            yield from _formats_of_text(value, place, used)
            continue
        if not isinstance(value, (dict, list)) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            place = place if (name := _object_name(value)) is None else Place(name)
            logs_tries = place.logs_tries or is_log_of_tries(value)
            place = place._replace(is_used=place.is_used and _goes_to_file(value), logs_tries=logs_tries)
            yield from formats_of_map(value, place)
            used.update(_used_providers(value))
        elif pairs := _pairs(value):
            yield from formats_of_map(pairs, place)
        stack.extend(reversed(list(_children(value, place))))


def _children(value: dict[Any, Any] | list[Any], place: Place) -> Iterator[tuple[object, Place]]:
    if isinstance(value, dict):
        for key, child in value.items():
            # kubectl keeps a copy of the object in an annotation.
            if key != "metadata" or not place.object:
                inner = place.below(str(key))
                if plain_key(key) == "envoyotelals":
                    inner = inner._replace(is_used=False)
                yield child, inner._replace(logs_tries=True) if plain_key(key) == "upstreamlog" else inner
        return
    for index, child in enumerate(value):
        name = (scalar_text(child.get("name")) if isinstance(child, dict) else "") or str(index)
        inner = place.below(f"[{name}]")
        yield child, inner._replace(provider=name) if place.keys[-1:] == ("extensionProviders",) else inner


def _formats_of_text(text: str, place: Place, used: set[str]) -> Iterator[KeptFormat]:
    """Yield the formats of a text that is a document, or a piece of nginx.conf or haproxy.cfg."""
    if flag := _TRAEFIK_FLAG.search(text):
        yield from traefik_format(flag[1], place)
    if not _MENTIONS_LOGS.search(text):
        return
    if directives := find_directives(text):
        yield from (item._replace(place=f"{place}: {item.place}") for item in directives)
        return
    try:
        documents = read_json_or_yaml(text.encode())
    except ValueError:
        return
    for document in documents:
        if isinstance(document.value, dict):
            for item in _walk(document.value, used):
                yield item._replace(place=f"{place}: {item.place}")


def _pairs(items: list[Any]) -> dict[str, str]:
    """Return the keys and values of a list: `key=value`, or objects with a name or a path, and a value."""
    named = [
        item.partition("=")[::2] if isinstance(item, str) else (item.get("name", item.get("path")), item.get("value"))
        for item in items
        if isinstance(item, (str, dict))
    ]
    return {
        re.split(r"[./]", scalar_text(name))[-1]: value for name, value in named if isinstance(value, str) and value
    }


def _goes_to_file(values: Mapping[Any, Any]) -> bool:
    """Return whether an access log of Envoy Gateway, or any other, is on and does not only go to a collector."""
    sinks = values.get("sinks")
    types = (
        {scalar_text(sink.get("type")) for sink in sinks if isinstance(sink, dict)}
        if isinstance(sinks, list)
        else set()
    )
    return (not types or "File" in types) and values.get("disable") is not True


def is_log_of_tries(values: Mapping[Any, Any]) -> bool:
    """Return whether a map is one of Envoy Gateway's access logs, of tries and not of requests."""
    return values.get("type") == "Upstream" and "sinks" in values


def _used_providers(values: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the names of Istio's providers that a Telemetry, or the mesh's defaults, choose for access logs."""
    sections = values.get("accessLogging")
    for section in sections if isinstance(sections, list) else ():
        if isinstance(section, dict) and isinstance(section.get("providers"), list):
            yield from (scalar_text(item.get("name")) for item in section["providers"] if isinstance(item, dict))
        elif isinstance(section, str):
            yield section


def _judge_use(log_format: KeptFormat, used: set[str]) -> KeptFormat:
    # Istio's own provider, `envoy`, has the format of the mesh itself.
    is_chosen = (log_format.provider or "envoy") in used if used else not log_format.provider
    is_used = log_format.is_used and (is_chosen or log_format.profile != "envoy")
    return log_format._replace(is_used=is_used)


def _object_name(values: Mapping[Any, Any]) -> str | None:
    """Return the kind and the name of a Kubernetes object; None if the map is not one."""
    metadata, kind = values.get("metadata"), values.get("kind")
    if not isinstance(kind, str) or "apiVersion" not in values or kind.endswith("List"):
        return None
    metadata = metadata if isinstance(metadata, dict) else {}
    name = "/".join(scalar_text(metadata[key]) for key in ("namespace", "name") if key in metadata)
    return f"{kind} {name}".rstrip()


def _objects_of(value: object) -> list[str]:
    """Return the kinds and names of the Kubernetes objects of a document."""
    if not isinstance(value, dict):
        return []
    items = value["items"] if isinstance(value.get("items"), list) else [value]
    names = map(_object_name, (item for item in items if isinstance(item, dict)))
    return [name for name in names if name]
