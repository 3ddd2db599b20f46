"""Accepting connections so that nobody can keep others out, or take the loop's time from the reading of logs."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from aiohttp import web

T = TypeVar("T")

BACKLOG = 1024
"""Largest number of connections that wait in the kernel: a flood must not make it drop those of others."""
TICK = 0.01
"""Seconds between two looks at the listening socket while connections come faster than they are taken."""
MAX_ACCEPTED = 200
"""Largest number of connections that are accepted in a tick; each takes some 10 µs."""
MAX_ADMITTED = 5
"""Largest number of connections with a request that are given to the server in a tick, those of rare peers first."""
MAX_SILENT = 256
"""Largest number of connections that have sent nothing yet. The peer with most of them loses its oldest."""
MAX_CONNECTIONS = 64
"""Largest number of connections that have sent something. The peer with most of them loses its oldest."""
CONNECTION_LIFETIME = 60.0
"""Seconds after which a connection takes no more requests; its client connects again for the next one."""
ANSWER_TIMEOUT = 30.0
"""Seconds after the lifetime in which a running answer must have been read."""
AGE_INTERVAL = 5.0
"""Seconds between checks for connections that are too old."""


class _Connection(NamedTuple):
    peer: str
    since: float
    """When it was accepted, in seconds of the loop's clock."""


class Acceptor:
    """Takes connections from a listening socket and gives those that send something to an HTTP server.

    A connection costs the server a hundred times more than accepting it. So a client that sends nothing never gets that
    far, and of those that do, no peer gets ahead of another by having many.
    """

    def __init__(self, listener: socket.socket, server: web.Server) -> None:
        """Start accepting; `listener` must be bound."""
        self._listener, self._server = listener, server
        self._loop = asyncio.get_running_loop()
        self._silent: dict[socket.socket, _Connection] = {}
        self._asking: dict[socket.socket, _Connection] = {}
        """Connections that have sent something, and wait for their admission."""
        self._served: dict[asyncio.BaseProtocol, _Connection] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._tick: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._loop.add_reader(listener, self._accept)
        self._ageing = asyncio.create_task(self._close_old())

    def close(self) -> None:
        """Stop accepting, and close what the server has not been given."""
        self._ageing.cancel()
        self._loop.remove_reader(self._listener)
        if self._tick:
            self._tick.cancel()
        for connection in [*self._silent, *self._asking]:
            self._discard(connection)
        self._listener.close()

    # --- before a request ----------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTED):
            try:
                connection, address = self._listener.accept()
            except OSError:  # there is none, or there are no descriptors: the next tick may have some
                break
            self._take(connection, str(address[0]))
        else:
            # The rest waits in the kernel, while the loop does its other work.
            self._loop.remove_reader(self._listener)
            self._loop.call_later(TICK, self._go_on)
        self._admit()

    def _go_on(self) -> None:
        if not self._ageing.done():
            self._loop.add_reader(self._listener, self._accept)

    def _take(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        has_sent = _has_sent(connection)
        if has_sent is False:
            connection.close()
            return
        place = self._asking if has_sent else self._silent
        place[connection] = _Connection(peer, self._loop.time())
        if place is self._silent:
            self._loop.add_reader(connection, self._hear, connection)
        if len(place) > MAX_SILENT:
            self._discard(_oldest_of_most(place))

    def _hear(self, connection: socket.socket) -> None:
        """Take note that a connection has sent something, or was closed."""
        has_sent = _has_sent(connection)
        if has_sent is None:
            return
        if not has_sent:
            self._discard(connection)
            return
        self._loop.remove_reader(connection)
        self._asking[connection] = self._silent.pop(connection)
        self._admit()

    def _discard(self, connection: socket.socket) -> None:
        if self._silent.pop(connection, None):
            self._loop.remove_reader(connection)
        self._asking.pop(connection, None)
        connection.close()

    # --- with a request ------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Give the server some of the connections that have a request; the rest in the next tick."""
        if self._tick or not self._asking:
            return
        for connection in list(_in_turns(self._asking))[:MAX_ADMITTED]:
            self._serve(connection, self._asking.pop(connection))
        self._tick = self._loop.call_later(TICK, self._next_tick)

    def _next_tick(self) -> None:
        self._tick = None
        self._admit()

    def _serve(self, connection: socket.socket, origin: _Connection) -> None:
        listed = self._server.connections
        self._served = {handler: self._served[handler] for handler in listed if handler in self._served}
        if len(self._served) >= MAX_CONNECTIONS:
            oldest = _oldest_of_most(self._served)
            del self._served[oldest]
            oldest.force_close()  # type: ignore[attr-defined]  # aiohttp's

        def handler() -> asyncio.BaseProtocol:
            protocol = self._server()
            self._served[protocol] = origin
            return protocol

        task = self._loop.create_task(self._connect(connection, handler))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, handler: Callable[[], asyncio.BaseProtocol]) -> None:
        try:
            await self._loop.connect_accepted_socket(handler, connection)
        except OSError:  # it is gone already
            connection.close()

    async def _close_old(self) -> None:
        """Close connections that are too old, until cancelled."""
        while True:
            await asyncio.sleep(AGE_INTERVAL)
            now = self._loop.time()
            for connection, (_, since) in [*self._silent.items(), *self._asking.items()]:
                if now - since > CONNECTION_LIFETIME:
                    self._discard(connection)
            for handler in self._server.connections:
                age = now - self._served[handler].since if handler in self._served else 0
                if age > CONNECTION_LIFETIME + ANSWER_TIMEOUT:
                    handler.force_close()
                elif age > CONNECTION_LIFETIME:
                    handler.close()


def _has_sent(connection: socket.socket) -> bool | None:
    """Return whether a connection has sent something; None if it may still do so, False if it is closed."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return None
    except OSError:
        return False


def _oldest_of_most(connections: dict[T, _Connection]) -> T:
    """Return the oldest connection of the peer with most of them; they are in the order of their age."""
    [(peer, _)] = Counter(connection.peer for connection in connections.values()).most_common(1)
    return next(key for key, connection in connections.items() if connection.peer == peer)


def _in_turns(connections: dict[socket.socket, _Connection]) -> Iterator[socket.socket]:
    """Yield connections, first the oldest of each peer, then the second of each, and so on."""
    turns = Counter[str]()
    turn_of = dict[socket.socket, int]()
    for connection, (peer, _) in connections.items():
        turns[peer] += 1
        turn_of[connection] = turns[peer]
    yield from sorted(connections, key=turn_of.__getitem__)
