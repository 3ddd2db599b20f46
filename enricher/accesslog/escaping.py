"""Raw values of a line as text: how proxies escape it, and what they write for a missing value. Pure."""

import re

MISSING = frozenset({b"", b"-"})
"""What proxies write for a value that is missing."""
_ESCAPED_BYTE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_ESCAPED_JSON = re.compile(rb'\\(?:(["\\/])|([bfnrt])|u00([0-9A-Fa-f]{2}))')
_HASHED_BYTE = re.compile(rb"#([0-9A-F]{2})")
_HASHED_OR_ESCAPED_BYTE = re.compile(rb'#([0-9A-F]{2})|\\(["\\\]])')
_CONTROL_CHARACTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def decode_text(raw: bytes) -> str:
    r"""Return text that is not escaped. Bytes that are not UTF-8 become `\xXX`."""
    return raw.decode("utf-8", "backslashreplace")


def decode_name(raw: bytes) -> str:
    r"""Return text that is not escaped; nothing for a value that is missing."""
    return "" if raw in MISSING else decode_text(raw)


def unescape(raw: bytes, escape: str) -> str:
    r"""Return the text that nginx (or, with `hash…`, HAProxy) escaped. Bytes that are not UTF-8 become `\xXX`."""
    if escape == "hash and backslash":
        return decode_text(_HASHED_OR_ESCAPED_BYTE.sub(lambda match: match[2] or bytes([int(match[1], 16)]), raw))
    if escape == "hash":
        return decode_text(_HASHED_BYTE.sub(lambda match: bytes([int(match[1], 16)]), raw))
    if b"\\" not in raw or escape == "none":
        return raw.decode("utf-8", "backslashreplace")  # most values: this saves them a call
    if escape == "default":
        return decode_text(_ESCAPED_BYTE.sub(lambda match: bytes([int(match[1], 16)]), raw))
    return decode_text(_ESCAPED_JSON.sub(_unescape_json, raw))


def _unescape_json(match: re.Match[bytes]) -> bytes:
    return match[1] or (_CONTROL_CHARACTERS[match[2]] if match[2] else bytes([int(match[3], 16)]))
