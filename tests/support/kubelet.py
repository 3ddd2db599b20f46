"""kubelet, the container runtime and a reader, simulated in a directory. Nothing sleeps: the clock is a variable."""

import gzip
import json
import os
from pathlib import Path

from enricher.line import Line, Source
from enricher.tailer.follower import LogFollower

_MOMENTS = iter(range(10**9))


def stamp() -> bytes:
    return b"2026-11-22T23:20:31.%09dZ" % next(_MOMENTS)


def cri(text: str | bytes, stream: str = "stdout", tag: str = "F") -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return b"%s %s %s %s\n" % (stamp(), stream.encode(), tag.encode(), text)


class Container:
    """The writer of `<n>.log`; file names and the order of steps are those of kubelet and containerd."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.run = 0
        self.rotations = 0
        self._file = self._new()

    @property
    def live(self) -> Path:
        return self.directory / f"{self.run}.log"

    def write(self, *texts: str | bytes, stream: str = "stdout", tag: str = "F") -> None:
        for text in texts:
            self.write_raw(cri(text, stream, tag))

    def write_raw(self, data: bytes) -> None:
        self._file.write(data)

    def rename(self) -> Path:
        """Do kubelet's half of a rotation: until `reopen` the runtime writes to the renamed file."""
        self.rotations += 1
        target = Path(f"{self.live}.20261122-{self.rotations:06d}")
        self.live.rename(target)
        return target

    def reopen(self) -> None:
        self._file.close()
        self._file = self._new()

    def rotate(self) -> Path:
        target = self.rename()
        self.reopen()
        return target

    def restart(self) -> None:
        self.run += 1
        self.reopen()

    def rotated(self) -> list[Path]:
        return sorted(self.directory.glob("*.log.*"), key=lambda path: (int(path.name.split(".")[0]), path.name))

    def _new(self):
        return self.live.open("ab", buffering=0)


def compress(path: Path) -> Path:
    """Compress as kubelet does: into a temporary file, renamed when complete; only then the plain file goes."""
    temporary = Path(f"{path}.tmp")
    temporary.write_bytes(gzip.compress(path.read_bytes(), 1))
    temporary.rename(f"{path}.gz")
    path.unlink()
    return Path(f"{path}.gz")


class Reading:
    """A follower, the lines that it returned, and the clock that it reads."""

    def __init__(self, path: Path, *, roots: list[Path] | None = None, **settings) -> None:
        self.now = 0.0
        self.lines: list[Line] = []
        self._settings = {"start": "beginning", **settings}
        self._path = path
        self._roots = [str(root) for root in roots or [path.parent]]
        self.follower = self.start()

    @property
    def texts(self) -> list[str]:
        return [line.text.decode() for line in self.lines]

    def start(self, position: dict | None = None) -> LogFollower:
        return LogFollower(
            Source(str(self._path), container="" if self._path.suffix == ".log" else "controller"),
            roots=self._roots,
            clock=lambda: self.now,
            position=position,
            **self._settings,
        )

    def read(self) -> list[str]:
        """Read and commit all lines that there are now; return their texts."""
        before = len(self.lines)
        while (chunk := self.follower.read()) is not None:
            self.lines += chunk.lines
            self.follower.commit(chunk, len(chunk.lines))
        return self.texts[before:]

    def drain(self) -> list[str]:
        """Read until not even the passing of time brings more lines; return their texts."""
        before = len(self.lines)
        for _ in range(8):
            self.read()
            self.now += 1.0
        return self.texts[before:]

    def restart(self) -> None:
        """Replace the follower by a new one that begins where it was, as across a clean stop."""
        self.resume(self.save())

    def save(self) -> str:
        return json.dumps(self.follower.position())

    def resume(self, saved: str) -> None:
        self.follower.close()
        self.follower = self.start(json.loads(saved))


def open_descriptors(path: Path) -> list[str]:
    """Return the files below a directory that this process has open, including deleted ones."""
    paths = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(str(path)):
            paths.append(target)
    return paths
