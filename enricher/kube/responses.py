"""Lists, watch events and refusals of the API server, read from raw bytes; every failure is an ApiError."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import aiohttp
import orjson

from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient

LINE_LIMIT = 16 << 20
"""Longest watch event in bytes. etcd takes objects of up to 1.5 MiB in protobuf; their JSON is a few times that."""
LIST_LIMIT = 512 << 20
"""Longest list in bytes. 150,000 endpoints, the largest supported cluster, are about 60 MB."""
HEAD_LIMIT, ITEM_LIMIT = 64 << 10, 4 << 20
"""What comes before a list's items, and one of them, in bytes; what is longer is no list as API servers write it."""
RETRY_AFTER_LIMIT = 300.0
"""Seconds; a server that asks for a longer pause is asked again anyway."""
FORBIDDEN_DELAY = 5.0
"""Seconds between requests that were forbidden, at least: a role is granted by people."""

_ITEMS, _BEGIN = b'"items":[', b'{"metadata":{'
_NEXT = b"}," + _BEGIN
T = TypeVar("T")
STATUS_REASONS = {401: "unauthorized", 403: "forbidden", 410: "gone", 429: "throttled"}


class ApiError(Exception):  # most of them are no errors: connections end
    """The end of a request or connection; its text is one line for people. `reason` is one of

    closed (the connection ended, as planned or not) · gone (410: list again) · silence (nothing more came) ·
    unreachable (no answer) · credentials (they cannot be read) ·
    unauthorized · forbidden · throttled (429) · server_error (5xx) · refused (any other status) ·
    garbage (not what the protocol says) · oversized.
    `delay` is how many seconds to wait at least.
    """

    def __init__(self, reason: str, text: str, delay: float = 0.0) -> None:
        super().__init__(text)
        self.reason = reason
        self.delay = delay


class Event(NamedTuple):
    """One watch event; `version` is the resourceVersion to go on from after it."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: dict[str, Any]
    version: str


class Page(NamedTuple, Generic[T]):
    """A list or a part of one: then `rest` is the token for the next part."""

    items: list[T]
    version: str
    rest: str


@asynccontextmanager
async def answer(
    api: ApiClient, path: str, params: Mapping[str, str], *, task: str, silence: float, total: float | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response to a GET, with status 200; `task` says what for, `silence` and `total` are limits in seconds.

    Raises ApiError for all that can go wrong, before and while the response is read.
    """
    async with answered(api.get(path, params, silence=silence, total=total), task) as response:
        yield response


@asynccontextmanager
async def answered(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse], task: str, status: int = 200
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response to a request, if it has this status. Raises as `answer`."""
    answered = False
    try:
        async with request as response:
            if response.status != status:
                raise await _refusal(response, task)
            answered = True
            yield response
    except ConfigurationError as error:
        raise ApiError("credentials", f"no credentials for the API server: {error}") from error
    except TimeoutError as error:
        if answered:
            raise ApiError("silence", "the API server has become silent") from error
        raise ApiError("unreachable", "no answer from the API server") from error
    except (aiohttp.ClientError, OSError) as error:
        reason = "closed" if answered else "unreachable"
        raise ApiError(reason, f"no connection to the API server: {_why(error)}") from error


async def read_page(response: aiohttp.ClientResponse, keep: Callable[[dict[str, Any]], T]) -> Page[T]:
    """With what `keep` makes of each item, as they come: the items of a large list would be 160 MiB of objects."""
    kept, cut, size = list[T](), _Cut(), 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > LIST_LIMIT:
            raise ApiError("oversized", f"the API server sent a list of more than {LIST_LIMIT} bytes")
        kept += [keep(item) for text in cut.feed(chunk) for item in parse_items(text)]
    page = parse_page(cut.left())
    return Page([*kept, *map(keep, page.items)], page.version, page.rest)


class _Cut:
    """Cuts a list's text between its items, as far as it is written as API servers write it: `items` last, without
    spaces, an item's `metadata` first, which no part of one has. Of anything else all is `left`.
    """

    def __init__(self) -> None:
        self._head = self._rest = b""
        self._uncut: list[bytes] = []
        """What comes after a piece so long that it is no item: then nothing is cut any more."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The items that are complete now, less the last one, whose end is not known yet."""
        if self._uncut:
            self._uncut.append(chunk)
            return []
        self._rest += chunk
        if not self._head:
            head, found, rest = self._rest.partition(_ITEMS)
            if found:
                self._head, self._rest = head + found, rest
            elif len(self._rest) > HEAD_LIMIT:
                self._uncut.append(b"")
        first, *others = self._rest.split(_NEXT) if self._head else [self._rest]
        texts = [first, *(_BEGIN + text for text in others)]
        self._rest = texts.pop()
        if len(self._rest) > ITEM_LIMIT:
            self._uncut.append(b"")
        return [text + b"}" for text in texts]

    def left(self) -> bytes:
        """A list of what `feed` has not given."""
        return b"".join([self._head, self._rest, *self._uncut])


async def read_lines(
    response: aiohttp.ClientResponse, time_ns: Callable[[], int]
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Each line and when its last chunk came, in ns since the epoch.

    aiohttp's own line reader gives up beyond 128 KiB, 300 endpoints or so; this one beyond LINE_LIMIT, by a ApiError.
    A last line without its end is dropped: the next connection brings it again.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        at = time_ns()
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join([*parts, end]), at
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if size > LINE_LIMIT:
            raise ApiError("oversized", f"the API server sent a watch event of more than {LINE_LIMIT} bytes")


def parse_event(line: bytes) -> Event:
    """Raises ApiError for an ERROR event, which carries a Status, and for what is no event."""
    match _parsed(line):
        case {"type": "ERROR", "object": {"code": int(code), **status}}:
            raise refusal(code, str(status.get("message")), "go on with the watch")
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as kind,
            "object": {"metadata": {"resourceVersion": str(version)}} as found,
        }:
            return Event(kind, found, version)
    raise ApiError("garbage", f"the API server sent what is no watch event: {line[:100]!r}")


def parse_page(body: bytes) -> Page[dict[str, Any]]:
    match _parsed(body):
        case {"items": list(items), "metadata": {"resourceVersion": str(version), **metadata}}:
            if all(isinstance(item, dict) for item in items):
                return Page(items, version, str(metadata.get("continue") or ""))
    raise ApiError("garbage", f"the API server sent what is no list: {body[:100]!r}")


def parse_items(text: bytes) -> list[dict[str, Any]]:
    """Of a piece of a list."""
    items = _parsed(b"[" + text + b"]")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError("garbage", f"the API server sent what is no object: {text[:100]!r}")
    return items


def _why(error: BaseException) -> str:
    """The system's own words; aiohttp's wrap them in what means nothing to people."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split()) or type(cause).__name__


async def _refusal(response: aiohttp.ClientResponse, task: str) -> ApiError:
    status = _parsed(await response.content.read(4096))
    told = status.get("message") if isinstance(status, dict) else None
    retry = response.headers.get("Retry-After", "")
    delay = float(retry) if retry.isascii() and retry.isdigit() else 0.0
    return refusal(response.status, str(told or response.reason), task, min(delay, RETRY_AFTER_LIMIT))


def refusal(code: int, told: str, task: str, delay: float = 0.0) -> ApiError:
    """What an HTTP status, or the code of an ERROR event, means; `told` is the server's own message."""
    if code == 403:
        return ApiError("forbidden", f"cannot {task}: grant list and watch", max(delay, FORBIDDEN_DELAY))
    if code == 504 and "Too large resource version" in told:
        # The server does not know our version yet, or any more: restored from a backup, it counts from further back.
        return ApiError("gone", f"cannot {task}: {told}", delay)
    reason = STATUS_REASONS.get(code) or ("server_error" if code >= 500 else "refused")
    return ApiError(reason, f"cannot {task}: {code} {' '.join(told.split())}", delay)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
