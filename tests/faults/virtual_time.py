"""An event loop whose clock goes as fast as nothing happens: what waits for an hour is there at once."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Files, inotify and threads are real; while `busy` says that a thread is at work, real time passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy = lambda: False
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.EpollSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None):
        self._loop.now += 1e-6  # who looks at the clock again sees it moved
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._loop.busy():
            return super().select(0.05)
        assert timeout is not None, "everything waits for something that never comes"
        self._loop.now += timeout
        return super().select(0)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
