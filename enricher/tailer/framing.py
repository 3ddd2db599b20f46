"""Bytes of a log's files → lines: takes the container runtime's frame off and joins what it had cut. Pure.

CRI (kubelet's format, containerd and CRI-O): `<RFC 3339 stamp> stdout|stderr P|F[:tags] <text>`; `P` says that the line
goes on in the next one of its stream. Docker: one JSON object per line, a `log` without a final newline goes on.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from enricher.line import Block, Line

MAX_LINE = 1024 * 1024
"""Bytes of a line that are kept; what is longer is cut."""

_FRAME_ROOM = 128 * 1024
"""What a frame may add to a text: Docker's 16 KiB become 96 KiB when every byte is written as `\\u00XX`."""

_CRI_HEAD = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF])(?::[^ \n]*)? "
_CRI_LINE = re.compile(_CRI_HEAD)
_CRI_LINES = re.compile(rb"^(?:" + _CRI_HEAD + rb"(.*)|(.*))$", re.MULTILINE)
_FRAGMENT = re.compile(rb" std(?:out|err) P")
_STREAMS = {b"stdout": "stdout", b"stderr": "stderr"}


class Part(NamedTuple):
    """The fragments of a line that is not complete yet; the stamp is the first one's."""

    stamp: bytes
    text: bytes
    cut: int


class Framing(NamedTuple):
    """What has to be known to go on in the middle of a file, or in the file after it.

    `kind` is "cri", "docker", "plain" or, before the first line that is not blank, ""; `parts` goes by stream.
    """

    kind: str = ""
    parts: tuple[tuple[str, Part], ...] = ()

    def dump(self) -> dict[str, Any]:
        parts = {stream: [p.stamp.decode("latin-1"), b64encode(p.text).decode(), p.cut] for stream, p in self.parts}
        return {"kind": self.kind, "parts": parts}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> "Framing":
        """Raises KeyError, TypeError or ValueError for what `dump` did not write."""
        parts = {
            str(stream): Part(stamp.encode("latin-1"), b64decode(text), int(cut))
            for stream, (stamp, text, cut) in saved["parts"].items()
        }
        return cls(str(saved["kind"]), tuple(parts.items()))


def kind_of(line: bytes) -> str:
    """The framing of a file that begins with this line (its first 100 bytes are enough for CRI)."""
    if _CRI_LINE.match(line):
        return "cri"
    return "docker" if _docker(line) else "plain"


class Framer:
    """Takes one container run's bytes, in pieces of any size, file after file.

    The kind of framing is decided once, by the first line that is not blank: a later line is client-controlled and may
    look like anything. A line that doesn't fit the frame is passed on whole, without stamp and stream.
    """

    def __init__(self, max_line: int = MAX_LINE, framing: Framing | None = None) -> None:
        self._max_line = max_line
        self._kind, parts = framing or Framing()
        self._parts = dict(parts)
        self._rest = b""
        self._dropped = 0

    @property
    def unfinished(self) -> int:
        """Bytes of the file since the last newline; `state` leaves them out: who goes on later feeds them again."""
        return len(self._rest) + self._dropped

    def state(self) -> Framing:
        return Framing(self._kind, tuple(self._parts.items()))

    def decide(self, head: bytes) -> None:
        """Settles the kind from the file's first bytes, for who doesn't read from its beginning."""
        if self._kind:
            return
        if first := head.lstrip(b"\n").partition(b"\n")[0]:
            self._kind = kind_of(first)

    def feed(self, data: bytes) -> Sequence[Line]:
        """The lines that these bytes complete; as a Block where each is a CRI line of its own."""
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        lines = list[Line]()
        begin = 0
        if self._dropped:
            begin = data.find(b"\n") + 1
            lines = self._over_long(self._dropped + begin - 1)
        body = self._rest + data[begin : end + 1] if begin <= end else b""
        if body:
            self._rest = b""
        self._keep(data[end + 1 :])
        if body and not lines and self._is_block(body):
            return Block(body, _whole_lines)
        return lines + self._lines(body[:-1]) if body else lines

    def _is_block(self, body: bytes) -> bool:
        """Whether no line of the body is part of another, or too long."""
        self.decide(body)
        fragments = self._parts or _FRAGMENT.search(body)
        return self._kind == "cri" and not fragments and len(body) <= self._max_line

    def end_file(self) -> Sequence[Line]:
        """The file won't grow: its last line counts even without a newline. Open fragments wait for the next file."""
        return self.feed(b"\n") if self._rest else []

    def flush(self) -> list[Line]:
        """Nothing more will come: the open fragments are all there is of their lines."""
        lines = list(self.end_file())
        lines += [Line(part.text, part.stamp, stream, part.cut) for stream, part in self._parts.items()]
        self._parts.clear()
        return lines

    def _keep(self, data: bytes) -> None:
        room = max(0, self._max_line + _FRAME_ROOM - len(self._rest))
        self._dropped += max(0, len(data) - room)
        self._rest += data[:room]

    def _over_long(self, dropped: int) -> list[Line]:
        raw, self._rest, self._dropped = self._rest, b"", 0
        self.decide(raw)
        return self._one(raw, dropped)

    def _lines(self, body: bytes) -> list[Line]:
        self.decide(body)
        if len(body) > self._max_line or self._kind == "docker":
            return [line for raw in body.split(b"\n") for line in self._one(raw)]
        if self._kind == "cri":
            return self._cri(body)
        return [Line(raw) for raw in body.split(b"\n")]

    def _cri(self, body: bytes) -> list[Line]:
        """Many lines at once: this is where a busy log's time goes."""
        lines = []
        parts = self._parts
        for stamp, stream, tag, text, raw in _CRI_LINES.findall(body):
            if not stamp:
                lines.append(Line(raw))
            elif tag == b"F" and not parts:
                lines.append(Line(text, stamp, _STREAMS[stream]))
            else:
                lines += self._join(stamp, _STREAMS[stream], text, whole=tag == b"F", dropped=0)
        return lines

    def _one(self, raw: bytes, dropped: int = 0) -> list[Line]:
        """One physical line of any kind and length; `dropped` bytes at its end were too many to keep."""
        if self._kind == "cri" and (found := _CRI_LINE.match(raw)):
            stamp, stream, tag = found.groups()
            return self._join(stamp, _STREAMS[stream], raw[found.end() :], whole=tag == b"F", dropped=dropped)
        if self._kind == "docker" and (entry := _docker(raw)):
            stamp, name, text = entry
            return self._join(stamp, name, text.removesuffix(b"\n"), whole=text.endswith(b"\n"), dropped=dropped)
        return [Line(raw[: self._max_line], cut=dropped + max(0, len(raw) - self._max_line))]

    def _join(self, stamp: bytes, stream: str, text: bytes, *, whole: bool, dropped: int) -> list[Line]:
        part = self._parts.pop(stream, None) or Part(stamp, b"", 0)
        room = self._max_line - len(part.text)
        cut = part.cut + dropped + max(0, len(text) - room)
        joined = Part(part.stamp, part.text + text[:room], cut)
        if not whole:
            self._parts[stream] = joined
            return []
        return [Line(joined.text, joined.stamp, stream, joined.cut)]


def _whole_lines(body: bytes) -> list[Line]:
    """CRI lines that are no fragments."""
    found = _CRI_LINES.findall(body.removesuffix(b"\n"))
    return [Line(text, stamp, _STREAMS[stream]) if stamp else Line(raw) for stamp, stream, _, text, raw in found]


def _docker(raw: bytes) -> tuple[bytes, str, bytes] | None:
    """Stamp, stream and text of a line of Docker's json-file driver; None for anything else."""
    if not raw.startswith(b'{"'):
        return None
    try:
        entry = orjson.loads(raw)
        text, stream, stamp = entry["log"], entry["stream"], entry["time"]
        return (stamp.encode(), stream, text.encode()) if stream in _STREAMS.values() else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
