"""Drives requests through a proxy and notes what the client saw."""

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.integration.proxies.scenarios import TOKEN, Call, Request

LIMIT = 20.0
"""Seconds that a client waits in any case."""


@dataclass
class Seen:
    """What one client saw, and, added by the rig, which backends were reached, in the order they were done.

    Their logs have milliseconds: within one of them the order means nothing.
    """

    token: int
    kind: str
    status: int | None = None
    pod: str | None = None
    grpc_status: int | None = None
    reached: list[dict[str, Any]] = field(default_factory=list)


def drive(port: int, requests: Sequence[Request | Call]) -> list[Seen]:
    return asyncio.run(Driver(port).all(requests))


class Driver:
    def __init__(self, port: int) -> None:
        self.port = port
        self.tokens = itertools.count(1000)

    async def all(self, requests: Sequence[Request | Call]) -> list[Seen]:
        seen: list[Seen] = []
        # aiohttp repeats a request whose connection ended without an answer: one token would have two lines.
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=LIMIT),
            auto_decompress=False,
        )
        self.session._retry_connection = False  # what aiohttp's own test client does
        async with self.session:
            for together, some in itertools.groupby(requests, key=lambda request: request.together):
                doing = [self.one(request) for request in some]
                seen += await asyncio.gather(*doing) if together else [await each for each in doing]
        return seen

    async def one(self, request: Request | Call) -> Seen:
        seen = Seen(next(self.tokens), request.kind)
        if isinstance(request, Call):
            await asyncio.to_thread(self.call, request, seen)
        elif request.raw or request.wire is not None:
            await self.over_socket(request, seen)
        else:
            await self.over_client(request, seen)
        return seen

    async def over_client(self, request: Request, seen: Seen) -> None:
        url = URL(f"http://127.0.0.1:{self.port}{request.target.decode()}?t={seen.token}", encoded=True)
        headers = {"Host": request.host, "X-Request-Id": f"r-{seen.token}"}
        headers |= {name: value.decode() for name, value in request.headers}
        try:
            async with self.session.request(request.method, url, headers=headers, data=request.body or None) as answer:
                seen.status = answer.status
                seen.pod = answer.headers.get("X-Pod-Name")
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            pass  # what was seen until then is in `seen`

    async def over_socket(self, request: Request, seen: Seen) -> None:
        token = str(seen.token).encode()
        wire = request.wire
        if wire is None:
            headers = [("Host", request.host.encode()), ("X-Request-Id", b"r-" + token), ("Connection", b"close")]
            lines = [name.encode() + b": " + value for name, value in (*headers, *request.headers)]
            start = b"%b %b?t=%b HTTP/1.1" % (request.method.encode(), request.target, token)
            wire = b"\r\n".join([start, *lines, b"", request.body])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(wire.replace(TOKEN, token))
            await writer.drain()
            if request.leaves_after is not None:
                await asyncio.sleep(request.leaves_after)
                return
            answer = b""
            async with asyncio.timeout(LIMIT):
                while some := await reader.read(65536):
                    answer += some
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
        head = answer.partition(b"\r\n\r\n")[0]
        if found := re.match(rb"HTTP/1\.[01] (\d{3})", head):
            seen.status = int(found[1])
        if found := re.search(rb"\r\nx-pod-name: ([^\r]*)", head, re.IGNORECASE):
            seen.pod = found[1].decode()

    def call(self, request: Call, seen: Seen) -> None:
        import grpc  # noqa: PLC0415  # only who starts the proxies needs it

        metadata = [("x-end", str(request.ends)), ("x-sleep", str(request.sleep)), ("x-request-id", f"r-{seen.token}")]
        if request.once:
            metadata.append(("x-once", "yes"))
        # A retry of the client's own would be a second line of the same token.
        options = [("grpc.default_authority", request.host), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            ask: Callable[..., Any] = channel.unary_stream(f"{request.method}?t={seen.token}", None, None)
            answers = ask(b"asked", metadata=metadata, timeout=request.patience or LIMIT)
            try:
                for _ in answers:
                    pass
            except grpc.RpcError:
                pass
            seen.grpc_status = answers.code().value[0]
            named = [*(answers.initial_metadata() or ()), *(answers.trailing_metadata() or ())]
            seen.pod = next((value for name, value in named if name == "x-pod-name"), None)
