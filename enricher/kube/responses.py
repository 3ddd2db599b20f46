"""Responses of the API server, and everything that can go wrong with them as an ApiError."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp

from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient, error_in_one_line
from enricher.kube.objects import parse_json
from enricher.text import printable, truncate

RETRY_AFTER_LIMIT = 300.0
"""Longest delay, in seconds, that a server can ask for with a Retry-After header."""
FORBIDDEN_DELAY = 5.0
"""Shortest delay after a forbidden request, in seconds: somebody has to grant a role first."""
MAX_ERROR_LENGTH = 1000
"""Longest text of an error, in characters."""

_STATUS_REASONS = {401: "unauthorized", 403: "forbidden", 410: "gone", 429: "throttled"}


class ApiError(Exception):
    """The end of a request or of a connection; its text is one line for people.

    `reason` is one of: closed (the connection ended, as planned or not), gone (410: list again), silence (no more data
    arrived), unreachable (no response), credentials (they cannot be read), unauthorized, forbidden, throttled (429),
    server_error (5xx), refused (any other status), garbage (a malformed response), oversized.
    `delay` is the shortest time to wait before the next request, in seconds. `status` is the HTTP status, or that of an
    ERROR event; 0 if there is none. The text may quote the server: it is cut, and made printable.
    """

    def __init__(self, reason: str, text: str, delay: float = 0.0, status: int = 0) -> None:
        super().__init__(printable(truncate(text, MAX_ERROR_LENGTH)))
        self.reason = reason
        self.delay = delay
        self.status = status


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


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body of a response, or None if it has more than `limit` bytes; the rest of it is not read."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


async def _response_error(response: aiohttp.ClientResponse, action: str) -> ApiError:
    """Return the error for a response with an unexpected status, and the delay that the server asks for."""
    status = parse_json(await response.content.read(4096))
    message = status.get("message") if isinstance(status, dict) else None
    retry = response.headers.get("Retry-After", "")
    delay = float(retry) if retry.isascii() and retry.isdigit() else 0.0
    return status_error(response.status, str(message or response.reason), action, min(delay, RETRY_AFTER_LIMIT))


def status_error(code: int, message: str, action: str, delay: float = 0.0) -> ApiError:
    """Return the error for an HTTP status or the code of an ERROR event; `message` is the server's.

    `action` begins with the verb that a role would have to allow.
    """
    if code == 403:
        verb = action.partition(" ")[0]
        return ApiError("forbidden", f"cannot {action}: grant the verb {verb}", max(delay, FORBIDDEN_DELAY), code)
    if code == 504 and "Too large resource version" in message:
        # The server has not reached our version yet, or never will, because it was restored from a backup.
        return ApiError("gone", f"cannot {action}: {message}", delay, code)
    reason = _STATUS_REASONS.get(code) or ("server_error" if code >= 500 else "refused")
    return ApiError(reason, f"cannot {action}: {code} {' '.join(message.split())}", delay, code)
