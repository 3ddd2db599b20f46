"""The container runtime's framing: bytes of log files to lines, with fragments joined. Pure.

CRI (kubelet's format, containerd and CRI-O): `<RFC 3339 stamp> stdout|stderr P|F[:tags] <text>`; after `P` the line
continues in the next one of its stream. Docker: one JSON object per line; a `log` without a final newline continues.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import orjson

from enricher.line import Block, Line

MAX_LINE = 1024 * 1024
"""Bytes of a line that are kept. The rest of a longer line is dropped."""

_MAX_FRAME_OVERHEAD = 128 * 1024
"""Bytes that a frame may add to a text: Docker's 16 KiB become 96 KiB if every byte is written as `\\u00XX`."""

_STAMP = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"
_CRI_HEAD = _STAMP + rb" (stdout|stderr) ([PF])(?::[^ \n]*)? "
_CRI_LINE = re.compile(_CRI_HEAD)
_CRI_LINES = re.compile(rb"^(?:" + _CRI_HEAD + rb"(.*)|(.*))$", re.MULTILINE)
_DOCKER_LINES = re.compile(
    rb'^\{"log":"((?:[^"\\\x00-\x1f]++|\\(?!n").)*+)\\n","stream":"(stdout|stderr)",'
    rb'"time":"' + _STAMP + rb'"\}\n',
    re.MULTILINE,
)
"""Lines of Docker's json-file driver, each of which ends a line of the log."""
_FRAGMENT = re.compile(rb" std(?:out|err) P")
_KINDS = frozenset(("", "cri", "docker", "plain"))
_STREAMS = {b"stdout": "stdout", b"stderr": "stderr"}
_STAMP_ALONE = re.compile(_STAMP)


class PartialLine(NamedTuple):
    """The joined fragments of a line that is not complete yet.

    `stamp` is the first fragment's. `cut` is the number of bytes dropped from the end.
    """

    stamp: bytes
    text: bytes
    cut: int


class Framing(NamedTuple):
    """The state of a Framer between two physical lines, from which another Framer can continue.

    `kind` is "cri", "docker" or "plain", or "" before the first line that is not blank. `partial_lines` are pairs of a
    stream and its line that is not complete yet.
    """

    kind: str = ""
    partial_lines: tuple[tuple[str, PartialLine], ...] = ()

    def dump(self) -> dict[str, Any]:
        """Return the framing as JSON values."""
        parts = {
            stream: [partial.stamp.decode("latin-1"), b64encode(partial.text).decode(), partial.cut]
            for stream, partial in self.partial_lines
        }
        return {"kind": self.kind, "parts": parts}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> "Framing":
        """Return the framing that `dump` saved; raise KeyError, TypeError, AttributeError or ValueError for others."""
        partial_lines = {
            stream: PartialLine(stamp.encode("latin-1"), b64decode(text, validate=True), cut)
            for stream, (stamp, text, cut) in saved["parts"].items()
        }
        are_partial_lines = all(
            stream in _STREAMS.values()
            and _STAMP_ALONE.fullmatch(partial.stamp)
            and len(partial.text) <= MAX_LINE
            and type(partial.cut) is int
            and 0 <= partial.cut < 1 << 63
            for stream, partial in partial_lines.items()
        )
        if saved["kind"] not in _KINDS or not are_partial_lines:
            raise ValueError("not the state of a framing")
        return cls(saved["kind"], tuple(partial_lines.items()))


def detect_kind(line: bytes) -> str:
    """Return the kind of framing of a file that begins with this line; for CRI its first 100 bytes are enough."""
    if _CRI_LINE.match(line):
        return "cri"
    return "docker" if _parse_docker(line) else "plain"


class Framer:
    """A parser of one container run's bytes, which come in pieces of any size, file after file.

    The kind of framing is detected once, from the first line that is not blank, because a later line is controlled by
    clients and may look like anything. A line that does not fit the frame is passed on whole, without stamp and stream.
    """

    def __init__(self, max_line: int = MAX_LINE, framing: Framing | None = None) -> None:
        """Start from a saved framing, or before the first line; `max_line` is the size limit of lines in bytes."""
        self._max_line = max_line
        self._kind, partial_lines = framing or Framing()
        self._partial_lines = dict(partial_lines)
        self._rest = b""  # the physical line that has no newline yet
        self._dropped = 0  # bytes of it beyond those that are kept

    @property
    def unfinished_bytes(self) -> int:
        """Return the number of bytes of the file after the last newline.

        `framing` does not include them: another Framer that continues from it is fed them again.
        """
        return len(self._rest) + self._dropped

    @property
    def framing(self) -> Framing:
        """Return the state after the last whole physical line."""
        return Framing(self._kind, tuple(self._partial_lines.items()))

    def detect(self, head: bytes) -> None:
        """Detect the kind of framing from the file's first bytes, for reading that does not begin there."""
        if self._kind:
            return
        if first := head.lstrip(b"\n").partition(b"\n")[0]:
            self._kind = detect_kind(first)

    def feed(self, data: bytes) -> Sequence[Line]:
        """Return the lines that these bytes complete; as a Block if each physical line of them is one whole line."""
        end = data.rfind(b"\n")
        if end < 0:
            self._buffer(data)
            return []
        lines = list[Line]()
        begin = 0
        if self._dropped:
            begin = data.find(b"\n") + 1
            lines = self._end_overlong_line(self._dropped + begin - 1)
        body = self._rest + data[begin : end + 1] if begin <= end else b""
        if body:
            self._rest = b""
        self._buffer(data[end + 1 :])
        if body and not lines and (block := self._make_block(body)):
            return block
        return lines + self._parse_lines(body[:-1]) if body else lines

    def _make_block(self, body: bytes) -> Block | None:
        """Return the lines of the body, if every physical line is one whole line within the size limit."""
        self.detect(body)
        if len(body) > self._max_line or self._partial_lines:
            return None
        if self._kind == "plain":
            return Block(body, _count_lines(body), _parse_plain_lines, framed=False, stream="")
        if self._kind == "docker":
            return _make_docker_block(body)
        return None if _FRAGMENT.search(body) else Block(body, _count_lines(body), _parse_whole_lines)

    def end_file(self) -> Sequence[Line]:
        """Return the last line of a file that will not grow, even if it has no newline.

        Partial lines still wait for the next file.
        """
        return self.feed(b"\n") if self._rest else []

    def flush(self) -> list[Line]:
        """Return the last lines of a log that will not continue: partial lines are as complete as they will be."""
        lines = list(self.end_file())
        lines += [
            Line(partial.text, partial.stamp, stream, partial.cut) for stream, partial in self._partial_lines.items()
        ]
        self._partial_lines.clear()
        return lines

    def _buffer(self, data: bytes) -> None:
        room = max(0, self._max_line + _MAX_FRAME_OVERHEAD - len(self._rest))
        self._dropped += max(0, len(data) - room)
        self._rest += data[:room]

    def _end_overlong_line(self, dropped: int) -> list[Line]:
        raw, self._rest, self._dropped = self._rest, b"", 0
        self.detect(raw)
        return self._parse_line(raw, dropped)

    def _parse_lines(self, body: bytes) -> list[Line]:
        self.detect(body)
        if len(body) > self._max_line or self._kind == "docker":
            return [line for raw in body.split(b"\n") for line in self._parse_line(raw)]
        if self._kind == "cri":
            return self._parse_cri_lines(body)
        return [Line(raw) for raw in body.split(b"\n")]

    def _parse_cri_lines(self, body: bytes) -> list[Line]:
        """Parse many lines at once, because this is where a busy log's time is spent."""
        lines = []
        partial_lines = self._partial_lines
        for stamp, stream, tag, text, raw in _CRI_LINES.findall(body):
            if not stamp:
                lines.append(Line(raw))
            elif tag == b"F" and not partial_lines:
                lines.append(Line(text, stamp, _STREAMS[stream]))
            else:
                lines += self._join(stamp, _STREAMS[stream], text, whole=tag == b"F", dropped=0)
        return lines

    def _parse_line(self, raw: bytes, dropped: int = 0) -> list[Line]:
        """Parse one physical line of any kind and length, of whose end `dropped` bytes were not kept."""
        if self._kind == "cri" and (match := _CRI_LINE.match(raw)):
            stamp, stream, tag = match.groups()
            return self._join(stamp, _STREAMS[stream], raw[match.end() :], whole=tag == b"F", dropped=dropped)
        if self._kind == "docker" and (entry := _parse_docker(raw)):
            stamp, name, text = entry
            return self._join(stamp, name, text.removesuffix(b"\n"), whole=text.endswith(b"\n"), dropped=dropped)
        return [Line(raw[: self._max_line], cut=dropped + max(0, len(raw) - self._max_line))]

    def _join(self, stamp: bytes, stream: str, text: bytes, *, whole: bool, dropped: int) -> list[Line]:
        """Append a fragment to its stream's partial line; return the line if this completes it (`whole`)."""
        partial = self._partial_lines.pop(stream, None) or PartialLine(stamp, b"", 0)
        room = self._max_line - len(partial.text)
        cut = partial.cut + dropped + max(0, len(text) - room)
        joined = PartialLine(partial.stamp, partial.text + text[:room], cut)
        if not whole:
            self._partial_lines[stream] = joined
            return []
        return [Line(joined.text, joined.stamp, stream, joined.cut)]


def _count_lines(body: bytes) -> int:
    """Return the number of whole physical lines; `bytes.count` looks at each byte, which takes three times as long."""
    return len(BytesIO(body).readlines())


def _parse_whole_lines(body: bytes) -> list[Line]:
    """Parse CRI lines of which none is a fragment."""
    matches = _CRI_LINES.findall(body.removesuffix(b"\n"))
    return [Line(text, stamp, _STREAMS[stream]) if stamp else Line(raw) for stamp, stream, _, text, raw in matches]


def _parse_plain_lines(body: bytes) -> list[Line]:
    return [Line(raw) for raw in body.removesuffix(b"\n").split(b"\n")]


def _make_docker_block(body: bytes) -> Block | None:
    """Return whole lines of Docker's json-file driver with frames as of CRI; None if one of them is anything else."""
    rows = _DOCKER_LINES.findall(body)
    if len(rows) != body.count(b"\n"):
        return None
    lines = list[bytes]()
    for escaped, stream, stamp in rows:
        text = escaped.replace(b'\\"', b'"')
        if b"\\" in text or not text.isascii():
            try:
                text = orjson.loads(b'"%b"' % escaped).encode()
            except ValueError:
                return None
            if b"\n" in text:
                return None
        lines += (stamp, b" ", stream, b" F ", text, b"\n")
    return Block(b"".join(lines), len(rows), _parse_whole_lines)


def _parse_docker(raw: bytes) -> tuple[bytes, str, bytes] | None:
    """Return stamp, stream and text of a line of Docker's json-file driver, or None if it is another line."""
    if not raw.startswith(b'{"'):
        return None
    try:
        entry = orjson.loads(raw)
        text, stream, stamp = entry["log"].encode(), entry["stream"], entry["time"].encode()
        return (stamp, stream, text) if stream in _STREAMS.values() and _STAMP_ALONE.fullmatch(stamp) else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
