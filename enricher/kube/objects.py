"""Objects of the API as JSON: how long one may be, and what is known of one that cannot be used."""

import re
from typing import Any, NamedTuple

import orjson

OBJECT_LIMIT = 3 << 20
"""Longest object that is parsed, in bytes.

The API server accepts requests of up to 3 MiB, and etcd objects of up to 1.5 MiB. As JSON an object can take six times
as much, but only if its texts consist of characters that JSON escapes.
"""
IDENTITY_LENGTH = 4 << 10
"""The first bytes of an object, in which its identity is found."""
MAX_VERSION = 128
"""Longest resourceVersion, in characters. It becomes part of a URL."""

_TEXT = rb'"[^"\\]*"'
_IDENTITY = re.compile(
    rb'\{(?:"kind":%b,)?(?:"apiVersion":%b,)?"metadata":\{"name":"(?P<name>[^"\\]{1,253})"(?:,"generateName":%b)?'
    rb'(?:,"namespace":"(?P<namespace>[^"\\]{1,63})")?(?:,"selfLink":%b)?(?:,"uid":%b)?'
    rb'(?:,"resourceVersion":"(?P<version>[^"\\]{1,128})")?' % (_TEXT, _TEXT, _TEXT, _TEXT, _TEXT)
)
"""The beginning of an object as API servers write it. An author can choose none of these fields freely.

Those that may contain anything come after them.
"""


class Unusable(NamedTuple):
    """An object that is left out, and why. It counts as deleted. What is not known of it is empty."""

    namespace: str
    name: str
    version: str
    reason: str

    def as_object(self) -> dict[str, Any]:
        """Return the object with nothing but its identity."""
        metadata = {"namespace": self.namespace, "name": self.name, "resourceVersion": self.version}
        return {"metadata": metadata}


TOO_LONG = f"it is longer than {OBJECT_LIMIT >> 20} MiB"
MALFORMED = "it is not an object, malformed, or nested too deeply"


def parse_json(text: bytes) -> Any:
    """Return the parsed value, or None if the text is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def unusable_object(text: bytes, reason: str) -> Unusable:
    """Return an object that cannot be used, with the identity that the beginning of its text gives."""
    match = _IDENTITY.match(text[:IDENTITY_LENGTH])
    namespace, name, version = match.group("namespace", "name", "version") if match else (b"", b"", b"")
    return Unusable(_decode(namespace), _decode(name), _decode(version), reason)


def _decode(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


def as_mapping(value: object) -> dict[str, Any]:
    """Return a field's value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_mappings(value: object) -> list[dict[str, Any]]:
    """Return those elements of a field's value that are mappings, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a field's value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""
