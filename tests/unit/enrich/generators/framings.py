"""Lines as the bytes of container logs, with whole and broken frames."""

import random
from dataclasses import dataclass

import orjson

from enricher.timestamps import format_rfc3339

FRAMINGS = ("cri", "cri mixed", "cri fragments", "docker", "plain")
MAX_LINE = 700
"""The size limit of lines, where it is to be exceeded."""


@dataclass
class Written:
    """One line as the proxy wrote it."""

    text: bytes
    at: int
    """When the runtime stamped it (ns)."""
    stream: str = "stdout"


def frame(rng: random.Random, framing: str, lines: list[Written], odd: float) -> list[bytes]:
    """Return the physical lines of a log of this framing; `odd` is the share of strange frames."""
    write = {"cri": _cri, "cri mixed": _cri_mixed, "cri fragments": _cri_fragments, "docker": _docker}.get(
        framing, _plain
    )
    return [raw + b"\n" for raw in b"".join(write(rng, line, odd) for line in lines).split(b"\n")[:-1]]


def stamp(rng: random.Random, at: int, odd: float) -> str:
    """Return a stamp: as a runtime writes it, and now and then as no runtime does."""
    text = format_rfc3339(at)
    if rng.random() >= odd:
        return text
    second = text[:19]
    return rng.choice(
        (
            *(f"{second}Z", f"{second}.5Z", f"{second}.5+00:00", f"{second}.123456789Z", f"{second}.000Z"),
            *(f"{text[:-1]}+02:00", f"{text[:-1]}-11:30", f"{text[:11]}00:00:60Z", f"{text[:8]}31{text[10:]}"),
            *("2026-13-40T00:00:00.1Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9+14:00", f"{second}.1234567891Z"),
        )
    )


def _cri(rng: random.Random, line: Written, odd: float) -> bytes:
    return f"{stamp(rng, line.at, odd)} {line.stream} F ".encode() + line.text + b"\n"


def _cri_mixed(rng: random.Random, line: Written, odd: float) -> bytes:
    """Lines without a frame, tags, and lines of stderr."""
    if rng.random() < 0.02:
        return rng.choice((line.text + b"\n", b"\n", b"x stdout F \n", b"2026-11-22T23:18:31Z stdout F\n"))
    tag = rng.choice(("F", "F", "F", "F:", "F:a=b", "F:é"))
    stream = "stderr" if rng.random() < 0.05 else line.stream
    return f"{stamp(rng, line.at, odd)} {stream} {tag} ".encode() + line.text + b"\n"


def _cri_fragments(rng: random.Random, line: Written, odd: float) -> bytes:
    if rng.random() < 0.8:
        return _cri_mixed(rng, line, odd)
    cut = rng.randrange(len(line.text) + 1)
    first = f"{stamp(rng, line.at, odd)} {line.stream} P ".encode() + line.text[:cut] + b"\n"
    between = f"{format_rfc3339(line.at)} stderr F between\n".encode() if rng.random() < 0.3 else b""
    return first + between + f"{stamp(rng, line.at + 5, 0)} {line.stream} F ".encode() + line.text[cut:] + b"\n"


def _docker(rng: random.Random, line: Written, odd: float) -> bytes:
    text = line.text.decode("utf-8", "replace")
    if rng.random() < odd / 2:
        return rng.choice((b"not JSON\n", b'{"log":1,"stream":"stdout","time":"x"}\n', b"{}\n", line.text + b"\n"))
    parts = [text + "\n"]
    if rng.random() < odd / 2:
        cut = rng.randrange(len(text) + 1)
        parts = [text[:cut], text[cut:] + "\n"]
    entries = [{"log": part, "stream": line.stream, "time": stamp(rng, line.at, odd)} for part in parts]
    return b"".join(orjson.dumps(entry) + b"\n" for entry in entries)


def _plain(_rng: random.Random, line: Written, _odd: float) -> bytes:
    return line.text + b"\n"


def pieces(rng: random.Random, body: bytes) -> list[bytes]:
    """Return bytes in pieces, as they were read: mostly in one, else cut anywhere."""
    if rng.random() < 0.7 or not body:
        return [body]
    cut = rng.randrange(len(body))
    return [body[:cut], body[cut:]]
