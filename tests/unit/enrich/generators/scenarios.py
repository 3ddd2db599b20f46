"""Whole runs: chunks of a log with the states of the histories between them, given to an engine step by step."""

import copy
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from enricher.enrich.engine import Hold, Output
from enricher.line import Block, Line, Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from enricher.vocabulary import LineKind
from tests.unit.enrich.generators.clusters import ADDRESSES, CLIENTS, MOVING, State, make_cluster
from tests.unit.enrich.generators.formats import FAMILIES
from tests.unit.enrich.generators.framings import MAX_LINE, Written, frame, pieces
from tests.unit.enrich.generators.requests import NOW, Traffic, error_line, make_request

POD_VARIABLES = ("upstream_http_x_pod", "sent_http_x_pod", "downstream_X-Pod", "http_user_agent")
NOISE = (
    *(b"", b"noise", b'{"time":"forged"}', b"\xff\xfe", b"\\u0001", b"I1122 23:18:31.000000       7 main.go:1] hello"),
    *(b"NGINX Ingress controller", b"2026/11/22 23:18:31 [notice] 1#1: start worker", b"[x] [y] TCP 200", b"{", b"%"),
    b"2026/11/22 23:18:31 [error] 1#1: *99999999999999999999 x",
)


@dataclass(frozen=True)
class Scenario:
    """What a run is made of; the same values make the same run."""

    family: str
    framing: str
    state: str
    seed: int
    chunks: int = 4
    lines: int = 20
    """Requests of a chunk."""
    is_live: bool = False
    """Whether there must be a clock, so that lines may wait; otherwise there is one in every second run."""

    def __str__(self) -> str:
        return f"{self.family}, {self.framing}, {self.state}, seed {self.seed}"


@dataclass
class Chunk:
    """Bytes of one source's log, and when they are read (ns)."""

    source: Source
    lines: list[bytes]
    """Its physical lines, with their newlines."""
    read: int
    """Up to when the histories follow the cluster at that time (ns)."""


class Engine(Protocol):
    """What enricher.enrich.engine and tests.support.reference have in common."""

    def enrich(self, source: Source, lines: Sequence[Line], histories: Any, clock: Callable[[], int | None]) -> Any: ...

    def release(self, source: Source, histories: Any) -> Output: ...

    def update_counts(self) -> None: ...


@dataclass
class Step:
    """The JSON lines up to a Hold or to the end of a chunk."""

    chunk: int
    data: bytes
    kinds: Counter[LineKind]
    lines: int
    until: int
    """Until when the next line waits; 0 at the end of a chunk."""
    changes: int = 0
    """Events that the histories learned of in the meantime."""


class Run:
    """A scenario made ready to be given to engines."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        rng = random.Random(f"{scenario.family}/{scenario.framing}/{scenario.state}/{scenario.seed}")
        self.setup = FAMILIES[scenario.family](rng)
        self.is_live = scenario.is_live or rng.random() < 0.5
        """Whether there is a clock, so that lines may wait."""
        self.pod_variable = rng.choice(POD_VARIABLES) if rng.random() < 0.25 else ""
        self.max_line = MAX_LINE if rng.random() < 0.1 else 1 << 20
        self.max_series = rng.choice((1, 5)) if rng.random() < 0.05 else float("inf")
        self.node = rng.choice(("", "n", 'node "%"'))
        self.sources = [_source(rng, n, self.setup.profile) for n in range(rng.choice((1, 1, 2)))]
        self.odd = rng.choice((0.0, 0.02, 0.15, 0.6))
        self.rare = rng.choice((0.03, 0.1, 0.5))
        self._moments: dict[str, list[int]] = {}
        """When the attempts at each address began and ended (ns)."""
        self.chunks = self._make_chunks(rng)
        self.events = make_cluster(rng, self._moments)

    def _make_chunks(self, rng: random.Random) -> list[Chunk]:
        at, chunks, odd_frames = NOW, [], rng.choice((0, 0, 0.03, 0.2))
        lag = rng.choice((-SECOND, 0, 0) if self.is_live else (-SECOND, 0, 2 * SECOND, 1000 * SECOND))
        usual = rng.sample(MOVING if self.is_live else (*MOVING, *ADDRESSES[:8]), 2)
        traffic = Traffic(usual, rng.sample(ADDRESSES, 20), CLIENTS, self.odd, self.rare)
        between = rng.choice(((0, 1, 7, 30, 120, 700, -3), (0, 1, 3, 12, 40)))
        for number in range(self.scenario.chunks):
            lines = []
            for _ in range(self.scenario.lines):
                at += rng.choice(between) * MILLISECOND + rng.randrange(MILLISECOND)
                lines += self._write(rng, at, traffic)
            if rng.random() < 0.2:
                at += rng.choice((5, 40, 300)) * SECOND
            raw_lines = frame(rng, self.scenario.framing, lines, odd_frames)
            read = max((line.at for line in lines), default=at) + rng.choice((1, 20, 300, 1500)) * MILLISECOND + lag
            chunks.append(Chunk(self.sources[number % len(self.sources)], raw_lines, read))
        return chunks

    def _write(self, rng: random.Random, at: int, traffic: Traffic) -> list[Written]:
        request = make_request(rng, at, traffic)
        for each in request.tries:
            moments = self._moments.setdefault(each.addr.rpartition(":")[0], [])
            moments += [at, at - (each.took or 0), at - request.duration]
        lines = []
        for written in self.setup.write_all(request):
            is_broken = rng.random() < self.odd / 10
            text = rng.choice((written[:40], written + b" x", written[1:], *NOISE)) if is_broken else written
            # A runtime stamps a line when it comes, which may be long after it was made.
            late = rng.choice((1, 90, 1200, 3000)) * MILLISECOND if rng.random() < self.rare else 0
            lines.append(Written(text.replace(b"\n", b""), at + late))
        if "nginx" in self.scenario.family or self.scenario.family in {"changing", "two escapes"}:
            error = error_line(rng, request) if rng.random() < 0.5 else None
            if error:
                when = at + rng.choice((-1000, -20, -1, 0, 1, 15, 25)) * MILLISECOND
                stream = "stderr" if rng.random() < 0.8 else "stdout"
                lines.insert(rng.randrange(2), Written(error.replace(b"\n", b""), when, stream))
        return lines

    def feed(self, make: Callable[..., Engine], *, count_only: bool = False, as_list: bool = False) -> "Outcome":
        """Give the run to an engine, and return what it makes of it."""
        scenario, clock = self.scenario, [NOW]
        metrics = Metrics(lambda: NOW, max_series=self.max_series)
        detector = self.setup.detector()
        engine = make(detector, metrics, node=self.node, pod_variable=self.pod_variable, count_only=count_only)
        state = State(scenario.state, self.events, scenario.seed)
        changes = list(self.setup.changes)
        framers = {source: Framer(self.max_line) for source in self.sources}
        steps = []
        for number, chunk in enumerate(self.chunks):
            while changes and changes[0][0] <= chunk.read:
                changes.pop(0)[1](detector)
            state.apply_until(chunk.read)
            state.between_chunks(number)
            clock[0] = max(clock[0], chunk.read)
            for body in pieces(random.Random(f"{scenario.seed}/{number}/pieces"), b"".join(chunk.lines)):
                lines = framers[chunk.source].feed(body)
                lines = list(lines) if as_list else lines
                steps += self._enrich(engine, chunk.source, lines, state, clock, number)
            if random.Random(f"{scenario.seed}/{number}").random() < 0.3:
                engine.update_counts()
        for source, framer in framers.items():
            steps += self._enrich(engine, source, framer.flush(), state, clock, len(self.chunks))
            output = engine.release(source, state.histories)
            steps.append(Step(len(self.chunks), output.data, Counter(output.kinds), output.lines, 0))
        engine.update_counts()
        return Outcome(steps, metrics)

    def _enrich(
        self, engine: Engine, source: Source, lines: Sequence[Line], state: State, clock: list[int], chunk: int
    ) -> list[Step]:
        steps, data, kinds, enriched, held = list[Step](), b"", Counter[LineKind](), 0, 0
        now: Callable[[], int | None] = (lambda: clock[0]) if self.is_live else (lambda: None)
        for step in engine.enrich(source, lines, state.histories, now):
            match step:
                case Output():
                    data, enriched, kinds = data + step.data, step.lines, kinds + Counter(step.kinds)
                case Hold(until):
                    held += 1
                    changes = self._wait(clock, until, state, random.Random(f"{self.scenario.seed}/{chunk}/{held}"))
                    steps.append(Step(chunk, data, kinds, enriched, until, changes))
                    data, kinds = b"", Counter()
        return [*steps, Step(chunk, data, kinds, enriched, 0)]

    def _wait(self, clock: list[int], until: int, state: State, rng: random.Random) -> int:
        """Let time pass: until the line need not wait any longer, or less; return how many events came."""
        some = clock[0] + rng.choice((1, 50, 400)) * MILLISECOND
        clock[0] = max(clock[0], until if rng.random() < 0.6 else min(until, some))
        return state.apply_until(clock[0])

    def with_chunks(self, chunks: list[Chunk]) -> "Run":
        """Return the same run with other lines."""
        other = copy.copy(self)
        other.chunks = chunks
        return other

    def describe(self) -> str:
        """Return what a failure's message says about the run."""
        changes = [format_rfc3339(at) for at, *_ in self.events if at > NOW - 120 * SECOND]
        return (
            f"{self.scenario!r}\n  formats: {self.setup.description}\n  live: {self.is_live}, "
            f"pod variable: {self.pod_variable!r}, max_series: {self.max_series}, events: {' '.join(changes)}"
        )


@dataclass
class Outcome:
    """What an engine made of a run."""

    steps: list[Step]
    metrics: Metrics

    @property
    def rows(self) -> list[bytes]:
        """Return the JSON lines."""
        return b"".join(step.data for step in self.steps).split(b"\n")[:-1]


GATEWAY_POD = "envoy-default-eg-e41e7b31-7f9c5d8b6-x2x4z"
"""A pod that Envoy Gateway named after its Gateway."""


def _source(rng: random.Random, number: int, profile: str) -> Source:
    if rng.random() < 0.3:
        return Source(f"/var/log/100%b \udcff-{number}", profile=profile)
    if rng.random() < 0.3:
        return Source(f"/pods/{number}", "ingress", f'controller-%d "{number}"', "uid", "controller", profile)
    pod = rng.choice((f"controller-{number}", GATEWAY_POD))
    return Source(f"/pods/{pod}", "ingress", pod, rng.choice((f"u-{pod}", f"u-{pod}", "")), "controller", profile)


def is_block(body: bytes) -> bool:
    """Return whether these bytes, from the beginning of a log, reach an engine as a Block."""
    return isinstance(Framer().feed(body), Block)
