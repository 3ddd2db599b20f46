"""A world in which it is certain who held an address: the simple model that attribution is tested against.

Pods hold addresses one after the other. The slices trail behind: a pod appears in them after it got its address, may
be marked as terminating before it dies, and leaves them before its death (a forced delete) or after it.
The watch passes each change on with a delay of its own, may lose the connection and list again, and the daemon may be
restarted. A proxy with an old list sends attempts to any address at any time; who holds it answers, if it has started.

The one assumption about the real world: between the release of an address and the first answer of its next holder
(which must first be created, started and probed) the news that the first one is gone has reached us.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from enricher.accesslog.record import Attempt, Record
from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.endpoints.timeline import ns, pod, slice_

HORIZON = 120.0
START_UP = 1.6
"""Fewest seconds from the assignment of a pod's address to its first answer."""
SLICE_LAG = 0.5
"""Most seconds by which the slices trail a pod's death."""
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::4")


@dataclass(slots=True)
class Life:
    """One pod: when it really held its address, and when the slices reported what of it (seconds)."""

    ip: str
    name: str
    uid: str
    born: float
    dead: float
    appears: float
    terminating: float
    leaves: float
    services: tuple[str, ...]

    @property
    def answers_from(self) -> float:
        return self.born + START_UP

    def endpoint(self, at: float) -> dict:
        return pod(self.ip, self.name, uid=self.uid, terminating=self.terminating <= at)

    def listed(self, at: float) -> bool:
        return self.appears <= at < self.leaves


@dataclass(slots=True)
class World:
    rng: random.Random
    lives: list[Life] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, ip in enumerate(ADDRESSES):
            self._populate(ip, number)

    def _populate(self, ip: str, number: int) -> None:
        rng, at = self.rng, self.rng.uniform(-60, 20)
        for generation in range(100):
            if at > HORIZON:
                return
            dead = at + rng.choice((rng.uniform(3, 8), rng.uniform(8, 60)))
            how = rng.choice(("graceful", "forced", "crash"))
            terminating = dead - rng.uniform(0.1, 2.5) if how == "graceful" else float("inf")
            leaves = dead - rng.uniform(0, 1.2) if how == "forced" else dead + rng.uniform(0, SLICE_LAG)
            name = f"db-{number}" if rng.random() < 0.2 else f"p{number}-{generation}"
            services = rng.choice((("web",), ("web",), ("canary",), ("web", "canary")))
            appears = at + rng.uniform(0.1, 1.0)
            self.lives.append(Life(ip, name, f"{ip}/{generation}", at, dead, appears, terminating, leaves, services))
            at = dead + rng.choice((0.001, 0.02, 0.4, 3.0, 45.0))

    def holders(self, ip: str, start: float, end: float) -> list[Life]:
        """Return the pods that held an address at any time in [start, end]."""
        return [life for life in self.lives if life.ip == ip and life.born <= end and start < life.dead]

    def slices(self, at: float) -> list[dict]:
        """Return all slices as they are at a time: two for web, between which pods are spread, one for canary."""
        slices = []
        for name, service in (("web-0", "web"), ("web-1", "web"), ("canary", "canary")):
            members = [
                life.endpoint(at)
                for life in self.lives
                if service in life.services and life.listed(at) and (service != "web" or name == self._home(life, at))
            ]
            slices.append(slice_(name, *members, service=service))
        return slices

    def _home(self, life: Life, at: float) -> str:
        """Return which of web's slices a pod is in; some are moved from one to the other."""
        first = len(life.uid) + int(life.born * 10)
        moved = first % 5 == 0 and at > life.appears + 2
        return f"web-{(first + moved) % 2}"

    def changes(self) -> list[float]:
        """Return the times at which any slice changes."""
        times = {t for life in self.lives for t in (life.appears, life.leaves, life.terminating, life.appears + 2.001)}
        return sorted(t for t in times if 0 < t < HORIZON)


@dataclass(slots=True)
class Trial:
    """One attempt and its line, with the truth beside it (seconds)."""

    ip: str
    start: float
    end: float
    written: float
    record: Record
    truth: Life | None
    """Who answered; None for a failed attempt."""

    @property
    def addr(self) -> str:
        return f"[{self.ip}]:8080" if ":" in self.ip else f"{self.ip}:8080"


def trials(world: World, count: int) -> Iterator[Trial]:
    """Yield attempts at any address at any time, more of them about the times when addresses change hands."""
    rng = world.rng
    moments = [t for life in world.lives for t in (life.born, life.dead, life.leaves, life.appears, life.answers_from)]
    for _ in range(count):
        start = rng.choice(moments) + rng.gauss(0, 2) if rng.random() < 0.7 else rng.uniform(0, HORIZON)
        if 1 < start < HORIZON - 10:
            yield _trial(world, start, rng.choice(ADDRESSES), rng.choice((0.001, 0.02, 0.3, 2.0, 5.0)))


def _trial(world: World, start: float, ip: str, took: float) -> Trial:
    rng, end = world.rng, start + took
    answering = [life for life in world.holders(ip, end, end) if life.answers_from <= end]
    truth = answering[0] if answering and rng.random() < 0.95 else None
    upload, download = rng.choice((0.0, 0.0, 1.0)), rng.choice((0.0, 0.0, 0.0, 0.7))
    written = end + download + rng.uniform(0, 0.002)
    status = 200 if truth else rng.choice((502, 504, 499))
    attempt = Attempt("", None if status == 499 else status, _ms(took), 38)
    # nginx counts in whole ms of a clock that may be some ms old
    duration = max(0, _ms(upload + took + download) + rng.randint(-2, 2) * MILLISECOND)
    record = Record({}, [attempt], end=int(written - rng.uniform(0, 0.002)) * SECOND, duration=duration)
    return Trial(ip, start, end, written, record, truth)


def _ms(seconds: float) -> int:
    return round(seconds * 1000) * MILLISECOND


__all__ = ["HORIZON", "Life", "Trial", "World", "ns", "trials"]
