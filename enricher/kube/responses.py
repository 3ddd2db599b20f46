"""Responses of the API server, parsed from raw bytes: lists, watch events and errors. Every failure is an ApiError."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import aiohttp
import orjson

from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient, error_in_one_line

LINE_LIMIT = 16 << 20
"""Longest watch event, in bytes. etcd takes objects of up to 1.5 MiB in protobuf; their JSON is a few times that."""
LIST_LIMIT = 512 << 20
"""Longest list, in bytes. 150,000 endpoints, the largest supported cluster, are about 60 MB."""
HEAD_LIMIT = 64 << 10
"""Longest text before the items of a list, in bytes. A longer one does not come from a usual API server."""
ITEM_LIMIT = 4 << 20
"""Longest item of a list, in bytes. A longer one does not come from a usual API server."""
RETRY_AFTER_LIMIT = 300.0
"""Longest delay, in seconds, that a server can ask for with a Retry-After header."""
FORBIDDEN_DELAY = 5.0
"""Shortest delay after a forbidden request, in seconds: somebody has to grant a role first."""

_ITEMS, _ITEM_START = b'"items":[', b'{"metadata":{'
_NEXT_ITEM = b"}," + _ITEM_START
T = TypeVar("T")
_STATUS_REASONS = {401: "unauthorized", 403: "forbidden", 410: "gone", 429: "throttled"}


class ApiError(Exception):
    """The end of a request or of a connection; its text is one line for people.

    `reason` is one of: closed (the connection ended, as planned or not), gone (410: list again), silence (no more data
    arrived), unreachable (no response), credentials (they cannot be read), unauthorized, forbidden, throttled (429),
    server_error (5xx), refused (any other status), garbage (a malformed response), oversized.
    `delay` is the shortest time to wait before the next request, in seconds.
    """

    def __init__(self, reason: str, text: str, delay: float = 0.0) -> None:
        super().__init__(text)
        self.reason = reason
        self.delay = delay


class Event(NamedTuple):
    """One watch event; `version` is the resourceVersion from which to resume after it."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: dict[str, Any]
    version: str


class Page(NamedTuple, Generic[T]):
    """A list or a part of one, with the token that requests the next part, or ""."""

    items: list[T]
    version: str
    continue_token: str


@asynccontextmanager
async def get_response(
    api: ApiClient,
    path: str,
    params: Mapping[str, str],
    *,
    action: str,
    idle_timeout: float,
    total_timeout: float | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a GET request and yield its response, whose status is 200.

    `action` completes "cannot …" in error messages: a verb of a role, a resource and a scope.
    The timeouts are in seconds, as in `ApiClient.get`.
    Raise ApiError for everything that can go wrong, before and while the response is read.
    """
    request = api.get(path, params, idle_timeout=idle_timeout, total_timeout=total_timeout)
    async with expect_status(request, action) as response:
        yield response


@asynccontextmanager
async def expect_status(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse], action: str, status: int = 200
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the response to a request if it has the given status. Raise ApiError as `get_response` does."""
    responded = False
    try:
        async with request as response:
            if response.status != status:
                raise await _response_error(response, action)
            responded = True
            yield response
    except ConfigurationError as error:
        raise ApiError("credentials", f"no credentials for the API server: {error}") from error
    except TimeoutError as error:
        if responded:
            raise ApiError("silence", "the API server sent no more data") from error
        raise ApiError("unreachable", "no response from the API server") from error
    except (aiohttp.ClientError, OSError) as error:
        reason = "closed" if responded else "unreachable"
        # The cause has the system's own words; those that aiohttp puts around them do not help anyone.
        cause = error_in_one_line(error.__cause__ or error)
        raise ApiError(reason, f"no connection to the API server: {cause}") from error


async def read_page(response: aiohttp.ClientResponse, transform: Callable[[dict[str, Any]], T]) -> Page[T]:
    """Return the page that a response carries, with `transform` applied to each item.

    Items are parsed as they arrive: those of a large list would take 160 MiB as objects.
    Raise ApiError if the list is malformed or too long.
    """
    items, splitter, size = list[T](), ListSplitter(), 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > LIST_LIMIT:
            raise ApiError("oversized", f"the API server sent a list of more than {LIST_LIMIT} bytes")
        items += [transform(item) for text in splitter.feed(chunk) for item in parse_items(text)]
    page = parse_page(splitter.remainder())
    return Page([*items, *map(transform, page.items)], page.version, page.continue_token)


class ListSplitter:
    """Splits the text of a list between its items while it arrives.

    This relies on how API servers write a list: `items` last, without spaces, and in each item `metadata` first, which
    no part of an item has. Any other text is not split, and is returned as the remainder.
    """

    def __init__(self) -> None:
        self._head = self._rest = b""
        self._unsplit: list[bytes] = []
        """The chunks after a piece that is too long for an item; from then on nothing is split any more."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the items that are complete now, except the last one, whose end is not certain yet."""
        if self._unsplit:
            self._unsplit.append(chunk)
            return []
        self._rest += chunk
        if not self._head:
            head, separator, rest = self._rest.partition(_ITEMS)
            if separator:
                self._head, self._rest = head + separator, rest
            elif len(self._rest) > HEAD_LIMIT:
                self._unsplit.append(b"")
        first, *others = self._rest.split(_NEXT_ITEM) if self._head else [self._rest]
        texts = [first, *(_ITEM_START + text for text in others)]
        self._rest = texts.pop()
        if len(self._rest) > ITEM_LIMIT:
            self._unsplit.append(b"")
        return [text + b"}" for text in texts]

    def remainder(self) -> bytes:
        """Return the text of a list with those items that `feed` has not returned."""
        return b"".join([self._head, self._rest, *self._unsplit])


async def read_lines(
    response: aiohttp.ClientResponse, time_ns: Callable[[], int]
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Yield each line of a response and when its last chunk arrived, in ns since the epoch.

    aiohttp's own line reader fails beyond 128 KiB, some 300 endpoints; this one raises ApiError beyond LINE_LIMIT.
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


def parse_event(line: bytes, action: str) -> Event:
    """Parse one line of a watch. Raise ApiError for a malformed event, and for an ERROR event, which has a Status.

    `action` completes "cannot …", as in `get_response`.
    """
    match _parse_json(line):
        case {"type": "ERROR", "object": {"code": int(code), **status}}:
            raise _status_error(code, str(status.get("message")), action)
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as type_,
            "object": {"metadata": {"resourceVersion": str(version)}} as obj,
        }:
            return Event(type_, obj, version)
    raise ApiError("garbage", f"malformed watch event from the API server: {line[:100]!r}")


def parse_page(body: bytes) -> Page[dict[str, Any]]:
    """Parse a list. Raise ApiError if it is malformed."""
    match _parse_json(body):
        case {"items": list(items), "metadata": {"resourceVersion": str(version), **metadata}}:
            if all(isinstance(item, dict) for item in items):
                return Page(items, version, str(metadata.get("continue") or ""))
    raise ApiError("garbage", f"malformed list from the API server: {body[:100]!r}")


def parse_items(text: bytes) -> list[dict[str, Any]]:
    """Parse some items of a list, separated by commas. Raise ApiError if they are malformed."""
    items = _parse_json(b"[" + text + b"]")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError("garbage", f"malformed object from the API server: {text[:100]!r}")
    return items


async def _response_error(response: aiohttp.ClientResponse, action: str) -> ApiError:
    """Return the error for a response with an unexpected status, and the delay that the server asks for."""
    status = _parse_json(await response.content.read(4096))
    message = status.get("message") if isinstance(status, dict) else None
    retry = response.headers.get("Retry-After", "")
    delay = float(retry) if retry.isascii() and retry.isdigit() else 0.0
    return _status_error(response.status, str(message or response.reason), action, min(delay, RETRY_AFTER_LIMIT))


def _status_error(code: int, message: str, action: str, delay: float = 0.0) -> ApiError:
    """Return the error for an HTTP status or the code of an ERROR event; `message` is the server's.

    `action` begins with the verb that a role would have to allow.
    """
    if code == 403:
        verb = action.partition(" ")[0]
        return ApiError("forbidden", f"cannot {action}: grant the verb {verb}", max(delay, FORBIDDEN_DELAY))
    if code == 504 and "Too large resource version" in message:
        # The server has not reached our version yet, or never will, because it was restored from a backup.
        return ApiError("gone", f"cannot {action}: {message}", delay)
    reason = _STATUS_REASONS.get(code) or ("server_error" if code >= 500 else "refused")
    return ApiError(reason, f"cannot {action}: {code} {' '.join(message.split())}", delay)


def _parse_json(text: bytes) -> Any:
    """Return the parsed value, or None if the text is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
