"""Logs of Envoy with lines of requests and of their tries, and what each of these lines is about."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.comparison import difference_in_counts

NUMBER = "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"
FORMAT = (
    "%START_TIME% %ACCESS_LOG_TYPE% %REQ(X-REQUEST-ID)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST% "
    f"%UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS% %BYTES_RECEIVED% %BYTES_SENT% {NUMBER}"
)
WITHOUT_NUMBER = FORMAT.removesuffix(f" {NUMBER}")
JSON_FORMAT = orjson.dumps({name: name for name in FORMAT.split()}).decode()
SOURCE = Source("/var/log/pods/x", "edge", "envoy-1", "u-1", "envoy")


@dataclass(frozen=True)
class Entry:
    """A line; all times are in ns, the time that it took in ms."""

    type: str
    request_id: str = "a"
    status: int = 0
    flags: str = "-"
    host: str = "10.0.0.1:80"
    began: int = AT
    took: int = 1
    number: int = 0
    cluster: str = "shop"
    client: str = "192.0.2.1:50000"
    answer: int = 0
    """The length of the answer."""
    written: int = AT
    """When the runtime stamped it."""

    def text(self, log_format: str) -> bytes:
        """Return it without its frame."""
        start = format_rfc3339(self.began // SECOND * SECOND).removesuffix("Z")
        lengths = (self.answer, 0) if self.type.startswith("Upstream") else (0, self.answer)
        values = [
            f"{start}.{self.began // MILLISECOND % 1000:03d}Z",
            *(self.type, self.request_id, self.status, self.flags, self.took, self.host, self.cluster, self.client),
            *(*lengths, self.number),
        ]
        names = FORMAT.split()
        if log_format == JSON_FORMAT:
            return orjson.dumps(dict(zip(names, values, strict=True)))
        return " ".join(map(str, values[: len(log_format.split())])).encode()

    def framed(self, log_format: str) -> bytes:
        """Return it as the runtime writes it."""
        return b"%b stdout F %b\n" % (format_rfc3339(self.written).encode(), self.text(log_format))


@dataclass
class Request:
    """A request and its tries."""

    request_id: str
    lines: list[Entry] = field(default_factory=list)
    attempts: list[tuple[str, int | None]] = field(default_factory=list)
    """The hosts that were tried, with the status of each; the line of the request may be lost."""
    is_complete: bool = True
    """Whether its own line is in the log."""


def make_request(rng: random.Random, request_id: str, hosts: Sequence[str], client: str, began: int) -> Request:
    """Return a request that was tried at the next ones of some hosts."""
    request, hosts, now = Request(request_id), list(hosts), began

    def add(type_: str, status: int, flags: str, host: str, *, began: int, number: int = 0) -> None:
        took = (now - began) // MILLISECOND
        request.lines.append(
            Entry(type_, request_id, status, flags, host, began, took, number, client=client, written=now)
        )

    failures = [(0, "UF", 503), (503, "-", 503), (0, "-", None)]
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        host, (status, flags, meaning), try_began = hosts.pop(), rng.choice(failures), now
        if flags != "UF":
            add("UpstreamPoolReady", 0, "-", host, began=try_began)
        now += rng.randrange(30) * MILLISECOND
        add("UpstreamEnd", status, flags, host, began=try_began)
        request.attempts.append((host, meaning))
    number = len(request.attempts) + 1
    end, status, host = rng.choice(("answer", "answer", "no host", "client left")), 200, hosts.pop()
    if end == "no host" and request.attempts:
        add("DownstreamEnd", 503, "UH", request.attempts[-1][0], began=began, number=number)
    elif end == "client left":
        now += rng.randrange(30) * MILLISECOND
        add("UpstreamPoolReady", 0, "-", host, began=now)
        add("DownstreamEnd", 0, "DC", host, began=began, number=number)
        add("UpstreamEnd", 0, "-", host, began=now)
        request.attempts.append((host, None))
    else:
        status, try_began = rng.choice((200, 200, 503)), now
        add("UpstreamPoolReady", 0, "-", host, began=try_began)
        now += rng.randrange(30) * MILLISECOND
        add("UpstreamEnd", status, "-", host, began=try_began)
        add("DownstreamEnd", status, "-", host, began=began, number=number)
        request.attempts.append((host, status))
    return request


def lose(request: Request, type_: str) -> None:
    """Take the lines of a type out of the log."""
    request.lines = [line for line in request.lines if line.type != type_]
    request.is_complete = any(line.type == "DownstreamEnd" for line in request.lines)


def interleave(rng: random.Random, sequences: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return the lines of all sequences, those of each in its order."""
    waiting, out = [list(sequence) for sequence in sequences], []
    while waiting := [sequence for sequence in waiting if sequence]:
        out.append(rng.choice(waiting).pop(0))
    return out


class Log:
    """A log that is enriched chunk by chunk, by the engine and by the reference, which must agree."""

    def __init__(self, log_format: str = FORMAT, *others: str) -> None:
        """Write lines in the first of the formats that they may have, until another is set."""
        self.log_format = log_format
        self.metrics, self._expected = Metrics(lambda: AT), Metrics(lambda: AT)
        formats = tuple(map(envoy.compile_format, (log_format, *others)))
        self.engine = Enricher(FormatDetector(formats), self.metrics, node="n")
        self._reference = ReferenceEnricher(FormatDetector(formats), self._expected, node="n")
        self._histories = Histories(History(), History())
        self.rows: list[dict] = []
        self.waiting = 0
        """The number of lines that wait."""

    def add(self, *entries: Entry, is_block: bool = True, source: Source = SOURCE) -> None:
        self._enrich(b"".join(entry.framed(self.log_format) for entry in entries), is_block=is_block, source=source)

    def add_texts(self, *texts: bytes) -> None:
        """Add lines without their frames."""
        stamp = format_rfc3339(AT).encode()
        self._enrich(b"".join(b"%b stdout F %b\n" % (stamp, text) for text in texts), is_block=True, source=SOURCE)

    def _enrich(self, framed: bytes, *, is_block: bool, source: Source) -> None:
        block = Framer().feed(framed)
        lines = block if is_block else list(block)
        [output] = self.engine.enrich(source, lines, self._histories)
        [expected] = self._reference.enrich(source, lines, self._histories)
        self._take(output, expected)

    def release(self, now: int | None = None, source: Source = SOURCE) -> None:
        output = self.engine.release(source, self._histories, now)
        self._take(output, self._reference.release(source, self._histories, now))

    def _take(self, output, expected) -> None:
        assert output.data == expected.data
        assert output.kinds == expected.kinds
        self.waiting = len(output.waiting)
        rows = [orjson.loads(row) for row in output.data.splitlines()]
        assert len(rows) == sum(output.kinds.values())
        self.rows += rows

    def end(self) -> None:
        """End the log, and compare the counts."""
        self.release()
        assert not self.waiting
        self.engine.update_counts()
        self._reference.update_counts()
        assert not difference_in_counts(self._expected, self.metrics, overflow=False)

    def of_kind(self, kind: str) -> list[dict]:
        return [row for row in self.rows if row["kind"] == kind]

    @property
    def lone(self) -> list[dict]:
        """Return the tries without their request."""
        return [row for row in self.rows if "request_missing" in row]
