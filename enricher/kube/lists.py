"""Lists of objects, parsed from the raw bytes of a response as they arrive. Every failure is an ApiError."""

from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp

from enricher.kube.objects import (
    IDENTITY_LENGTH,
    MALFORMED,
    MAX_VERSION,
    OBJECT_LIMIT,
    TOO_LONG,
    Unusable,
    parse_json,
    unusable_object,
)
from enricher.kube.responses import ApiError

HEAD_LIMIT = 64 << 10
"""Longest text before the items of a list, in bytes. A longer one does not come from a usual API server."""
WHOLE_LIMIT = 8 << 20
"""Longest list that is parsed as a whole, in bytes, because it is not written as API servers write lists."""

_ITEMS, _ITEM_START = b'"items":[', b'{"metadata":{'
_NEXT_ITEM = b"}," + _ITEM_START
_LIST_END = b"]}"
_LAST_END = b"}" + _LIST_END + b"\n"
"""The end of the last item and of the list; the line break is not in any text that was cut."""

Item = dict[str, Any] | Unusable


class Page(NamedTuple):
    """The version of a list or of a part of one, with the token that requests the next part, or ""."""

    version: str
    continue_token: str


async def read_page(response: aiohttp.ClientResponse, take: Callable[[Item], object]) -> Page:
    """Pass each item of the list in a response to `take`, and return the page that they are on.

    Items are parsed as they arrive: those of a large list would take 160 MiB as objects. However long the list is, not
    more than a few of the longest objects are in memory at a time. Raise ApiError if the list is malformed.
    """
    splitter = ListSplitter()
    async for chunk in response.content.iter_any():
        for item in splitter.feed(chunk):
            take(item)
    page, items = splitter.finish()
    for item in items:
        take(item)
    return page


class ListSplitter:
    """Splits the text of a list into its items while it arrives.

    This relies on how API servers write a list: `items` last, without spaces, and in each item `metadata` first, which
    no part of an item has. Any other text is not split, and is parsed at the end.
    """

    def __init__(self) -> None:
        self._head = b""
        """The text before the first item."""
        self._rest = bytearray()
        """The text after the items that are complete. Of an item that is too long, only the end is there."""
        self._searched = 0
        """The beginning of this length of the rest has no end of an item."""
        self._long_item = b""
        """The beginning of the present item, if it is too long."""
        self._is_whole = False
        """Whether the text is not split."""

    def feed(self, chunk: bytes) -> list[Item]:
        """Return the items that are complete now, except the last one, whose end is not certain yet."""
        self._rest += chunk
        if not self._head and not self._is_whole:
            self._find_items()
        if self._is_whole:
            if len(self._rest) > WHOLE_LIMIT:
                raise ApiError("oversized", f"the API server sent an unusual list of more than {WHOLE_LIMIT} bytes")
            return []
        return self._complete_items() if self._head else []

    def _find_items(self) -> None:
        """Cut off the head, once the first item has begun."""
        begin = self._rest.find(_ITEMS) + len(_ITEMS)
        if begin >= len(_ITEMS) and len(self._rest) >= begin + len(_ITEM_START):
            self._is_whole = not self._rest.startswith(_ITEM_START, begin)
            if not self._is_whole:
                self._head = bytes(self._rest[:begin])
                del self._rest[:begin]
        elif len(self._rest) > HEAD_LIMIT:
            self._is_whole = True

    def _complete_items(self) -> list[Item]:
        items = list[Item]()
        while (end := self._rest.find(_NEXT_ITEM, self._searched) + 1) > 0:
            items += self._piece(bytes(self._rest[:end]))
            del self._rest[: end + 1]
            self._searched, self._long_item = 0, b""
        self._searched = max(0, len(self._rest) - len(_NEXT_ITEM) + 1)
        if len(self._rest) > OBJECT_LIMIT + len(_LAST_END):
            self._long_item = self._long_item or bytes(self._rest[:IDENTITY_LENGTH])
            del self._rest[: -len(_NEXT_ITEM)]
            self._searched = 0
        return items

    def _piece(self, text: bytes) -> list[Item]:
        """Return the item that a text has; several if some of them are not written as usual."""
        if self._long_item or len(text) > OBJECT_LIMIT:
            return [unusable_object(self._long_item or text, TOO_LONG)]
        pieces = parse_json(b'{"items":[%b]}' % text)
        return [unusable_object(text, MALFORMED)] if pieces is None else _items(pieces)

    def finish(self) -> tuple[Page, list[Item]]:
        """Return the page, and those items that `feed` has not returned. Raise ApiError if the list is malformed."""
        body = self._head + self._rest
        value = None if self._long_item else parse_json(body)
        if value is not None or not self._head or not self._rest.endswith(_LAST_END):
            return _parse_page(value, body), _items(value)
        # The list is complete, but its last item cannot be used.
        body = self._head + _LIST_END
        return _parse_page(parse_json(body), body), self._piece(bytes(self._rest[: -len(_LAST_END) + 1]))


def _parse_page(value: object, body: bytes) -> Page:
    """Return the page that a list is. Raise ApiError if the list is malformed."""
    match value:
        case {"items": list() | None, "metadata": {"resourceVersion": str(version), **metadata}}:
            token = metadata.get("continue") or ""
            if isinstance(token, str) and len(token) <= HEAD_LIMIT and len(version) <= MAX_VERSION:
                return Page(version, token)
    raise ApiError("garbage", f"malformed list from the API server: {body[:100]!r}")


def _items(value: Any) -> list[Item]:
    """Return the items of a list, or of a piece of one, as it was parsed."""
    return [item if isinstance(item, dict) else unusable_object(b"", MALFORMED) for item in value["items"] or ()]
