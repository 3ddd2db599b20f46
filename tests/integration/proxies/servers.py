"""`python servers.py [--breaking ADDRESS=POD ...] [--grpc ADDRESS=POD ...]`: servers that do what the backend does not.

A process of its own, as gRPC's threads and the processes that the tests start do not go together. What reached which
pod stands on stderr, in the lines of tornado's log of requests, with the pod as the logger's name.
"""

import argparse
import asyncio
import logging
import signal
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import grpc


def pair(text: str) -> tuple[str, str]:
    address, _, pod = text.partition("=")
    return address, pod


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--breaking", type=pair, action="append", default=[])
    parser.add_argument("--grpc", type=pair, action="append", default=[])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for address, pod in arguments.breaking:
        host, _, port = address.rpartition(":")
        await asyncio.start_server(Breaking(pod).serve, host, int(port))
    calls = [serve_calls(address, pod) for address, pod in arguments.grpc]
    await stop.wait()
    for server in calls:
        server.stop(3)
    for server in calls:
        await asyncio.to_thread(server.wait_for_termination, 4)


class Breaking:
    """Its path says how it fails: /silent, /reset, /cut, /chunk-cut, /garbage; any other is answered with 200."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.log = logging.getLogger(pod)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        method, target = head.decode("latin-1").split(" ", 2)[:2]
        answer = self.answer(target.partition("?")[0])
        self.log.info("%s %s %s (here)", answer[9:12].decode() if answer.startswith(b"HTTP") else "-", method, target)
        if target.startswith("/reset"):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.write(answer)
        writer.close()

    def answer(self, path: str) -> bytes:
        named = f"HTTP/1.1 200 OK\r\nX-Pod-Name: {self.pod}\r\nContent-Type: text/plain\r\n".encode()
        return {
            "/silent": b"",
            "/reset": b"",
            "/cut": named + b"Content-Length: 1000\r\n\r\nthe first of a thousand bytes",
            "/chunk-cut": named + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            "/garbage": b"this is not HTTP\r\n\r\n",
        }.get(path, named + b"Content-Length: 2\r\nConnection: close\r\n\r\nok")


class Calls(grpc.GenericRpcHandler):
    """Ends a call the way its metadata ask: `x-end` the status, `x-once` without a message, `x-sleep` seconds."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.log = logging.getLogger(pod)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = details.method
        asked = dict(details.invocation_metadata)
        code = int(asked.get("x-end", "0"))
        if not method.startswith("/shop.Shop/Call"):
            self.log.info("12 POST %s (here)", method)
            return None  # which ends the call with UNIMPLEMENTED

        def call(_: bytes, context: grpc.ServicerContext):
            time.sleep(float(asked.get("x-sleep", "0")))
            self.log.info("%d POST %s (here)", code, method)
            named = (("x-pod-name", self.pod),)
            if "x-once" in asked:
                # Initial metadata would be sent as a frame of its own: a response of trailers alone has none.
                context.set_trailing_metadata(named)
            else:
                context.send_initial_metadata(named)
                yield b"a message"
            if code:
                context.abort(next(each for each in grpc.StatusCode if each.value[0] == code), "as asked")

        return grpc.unary_stream_rpc_method_handler(call)


def serve_calls(address: str, pod: str) -> grpc.Server:
    # so_reuseport: two runs at once shall collide, not share the calls.
    server = grpc.server(ThreadPoolExecutor(8), handlers=[Calls(pod)], options=[("grpc.so_reuseport", 0)])
    server.add_insecure_port(address)
    server.start()
    return server


if __name__ == "__main__":
    asyncio.run(main())
