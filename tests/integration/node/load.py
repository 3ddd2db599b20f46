"""Requests in the background, while something happens to those that answer them."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.kube import eventually


@dataclass(frozen=True)
class Answer:
    """What the client saw; `pod` is what the answering backend said of itself, None where none answered."""

    request_id: str
    status: int
    pod: str | None


@dataclass
class Load:
    """Requests in the background, a few at a time, until stop()."""

    answers: list[Answer] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self._stopped.set()

    @property
    def running(self) -> bool:
        return not self._stopped.is_set()

    def until(self, count: int, timeout: float = 60) -> None:
        """Waits for `count` more answers."""
        goal = len(self.answers) + count

        def enough() -> None:
            assert len(self.answers) >= goal

        eventually(enough, timeout, every=0.05)

    def during(self, seconds: float) -> None:
        """Lets the requests go on for a while: some things are done by others, and leave no trace to wait for."""
        self._stopped.wait(seconds)

    def repeat(self, every: float, do: Callable[[], None]) -> None:
        while self.running:
            do()
            self.during(every)


@contextmanager
def running_load(workers: Sequence[Callable[[int], Answer]], pause: float) -> Iterator[Load]:
    """Let each worker make one request after the other, with numbers that all of them share, and `pause` seconds
    between two of its own.
    """
    load, numbers = Load(), itertools.count()

    def work(ask: Callable[[int], Answer]) -> None:
        while load.running:
            load.answers.append(ask(next(numbers)))
            # 50 requests per second and worker at most are plenty: the machine has other things to do.
            load.during(pause)

    with ThreadPoolExecutor(len(workers)) as pool:
        working = [pool.submit(work, ask) for ask in workers]
        try:
            yield load
        finally:
            load.stop()
        for worker in working:
            worker.result()
