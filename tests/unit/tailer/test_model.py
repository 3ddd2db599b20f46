"""Any schedule of what writers, kubelet, logrotate and crashes do: every line once and in order.

The model is the list of the lines as they were completed. What may be lost by nature is left out of the schedules:
bytes deleted before they were read, and what is written to a file that nobody can tell is still in use.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.kubelet import Container, Reading, compress, cri, open_descriptors


class Model(RuleBasedStateMachine):
    """The reader's half: it reads, commits parts of what it read, saves, stops and is killed."""

    reading: Reading

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="enricher-model-"))
        self.expected: list[tuple[str, str]] = []
        self.out: list[tuple[str, str]] = []
        self.saved, self.out_when_saved = "{}", 0
        self.numbers: Iterator[int] = iter(range(10**6))

    def text(self, size: int) -> str:
        return f"{next(self.numbers)}".ljust(size, ".")

    @rule(chunks=st.integers(1, 4), leave=st.integers(0, 3), patience=st.sampled_from([0, 0.15, 0.3]))
    def read(self, chunks: int, leave: int, patience: float) -> None:
        """`leave` lines of a chunk are not out when something else happens."""
        self.reading.now += patience
        for _ in range(chunks):
            chunk = self.reading.follower.read()
            if chunk is None:
                return
            taken = max(0, len(chunk.lines) - leave)
            self.take(chunk, taken)
            if taken < len(chunk.lines):
                self.stop()
                return

    def take(self, chunk, taken: int) -> None:
        self.out += [(line.stream, line.text.decode()) for line in chunk.lines[:taken]]
        self.reading.follower.commit(chunk, taken)

    @rule()
    def catch_up(self) -> None:
        for _ in range(6):
            while chunk := self.reading.follower.read():
                self.take(chunk, len(chunk.lines))
            self.reading.now += 0.5

    @rule()
    def save(self) -> None:
        self.saved, self.out_when_saved = self.reading.save(), len(self.out)

    @rule()
    def stop(self) -> None:
        """And start again: a clean stop saves."""
        self.save()
        self.reading.resume(self.saved)

    @rule()
    def kill(self) -> None:
        """What was written since the last save comes again, just so."""
        del self.out[self.out_when_saved :]
        self.reading.resume(self.saved)

    def finish(self) -> None:
        """Brings to an end what the writer has begun."""

    def teardown(self) -> None:
        try:
            self.finish()
            self.catch_up()
            self.check()
            assert self.reading.follower.missed_files == 0
            self.reading.follower.close()
            assert not [path for path in open_descriptors(self.directory) if "deleted" in path]
        finally:
            shutil.rmtree(self.directory)

    def check(self) -> None:
        assert self.out == self.expected


class ContainerModel(Model):
    """Fragments of two streams, lines torn in two writes, kubelet's rotation in its steps, container restarts."""

    @initialize(chunk_size=st.sampled_from([40, 150, 5000]))
    def begin(self, chunk_size: int) -> None:
        self.container = Container(self.directory / "controller")
        self.reading = Reading(self.container.directory, chunk_size=chunk_size)
        self.open = {"stdout": "", "stderr": ""}
        self.torn = b""
        self.renamed = False

    @rule(
        stream=st.sampled_from(["stdout", "stderr"]), whole=st.booleans(), size=st.integers(1, 90), tear=st.booleans()
    )
    def write(self, stream: str, whole: bool, size: int, tear: bool) -> None:
        self.finish()
        text = self.text(size)
        self.open[stream] += text
        line = cri(text, stream, "F" if whole else "P")
        self.torn = line[size:] if tear else b""
        self.container.write_raw(line[:size] if tear else line)
        if whole:
            self.expected.append((stream, self.open[stream]))
            self.open[stream] = ""

    @rule(count=st.integers(2, 60))
    def write_many(self, count: int) -> None:
        for _ in range(count):
            self.write("stdout", True, 3, False)

    def finish(self) -> None:
        self.container.write_raw(self.torn)
        self.torn = b""

    @precondition(lambda self: not self.renamed)
    @rule()
    def rename(self) -> None:
        self.container.rename()
        self.renamed = True

    @precondition(lambda self: self.renamed)
    @rule()
    def reopen(self) -> None:
        self.finish()
        self.container.reopen()
        self.renamed = False

    @precondition(lambda self: not self.renamed)
    @rule()
    def rotate(self) -> None:
        self.rename()
        self.reopen()

    @precondition(lambda self: not self.renamed)
    @rule()
    def pack(self) -> None:
        for path in self.container.rotated()[:-1]:
            if path.suffix != ".gz":
                compress(path)

    @rule()
    def delete_what_was_read(self) -> None:
        self.write("stdout", True, 3, False)  # nobody can tell that a file is done with until the next one has begun
        self.catch_up()
        self.save()
        for path in self.container.rotated()[:-1]:
            if path.stat().st_size:  # what was empty was never opened: a run of such files counts as missed
                path.unlink()

    @rule()
    def restart_container(self) -> None:
        self.finish()
        self.container.restart()
        self.expected += [(stream, text) for stream, text in self.open.items() if text]
        self.open = {"stdout": "", "stderr": ""}
        self.renamed = False

    def check(self) -> None:
        # Lines left open at a restart have no order of their own between the streams.
        for stream in ("stdout", "stderr"):
            assert of(stream, self.out) == of(stream, self.expected)


class PlainModel(Model):
    """logrotate: by renaming, and by copying and truncating; numbered names; packing."""

    @initialize(chunk_size=st.sampled_from([10, 150, 5000]))
    def begin(self, chunk_size: int) -> None:
        self.log = self.directory / "access.log"
        self.log.touch()
        self.reading = Reading(self.log, chunk_size=chunk_size)

    @rule(count=st.integers(1, 30), size=st.integers(1, 90))
    def write(self, count: int, size: int) -> None:
        with self.log.open("a") as log:
            for _ in range(count):
                text = self.text(size)
                self.expected.append(("", text))
                log.write(text + "\n")

    def shift(self) -> None:
        for path in sorted(self.directory.glob("access.log.*"), key=lambda path: -number(path)):
            path.rename(self.log.with_suffix(f".log.{number(path) + 1}" + ".gz" * (path.suffix == ".gz")))

    @rule()
    def rotate(self) -> None:
        self.shift()
        self.log.rename(self.log.with_suffix(".log.1"))
        self.log.touch()

    @rule()
    def copy_and_truncate(self) -> None:
        self.shift()
        shutil.copy(self.log, self.log.with_suffix(".log.1"))
        self.log.write_bytes(b"")

    @rule()
    def pack(self) -> None:
        for path in self.directory.glob("access.log.*"):
            if number(path) > 1 and path.suffix != ".gz":
                compress(path)

    @rule()
    def delete_what_was_read(self) -> None:
        self.write(1, 1)
        self.catch_up()
        self.save()
        for path in self.directory.glob("access.log.*"):
            if number(path) > 2:
                path.unlink()


def of(stream: str, lines: list[tuple[str, str]]) -> list[str]:
    return [text for its, text in lines if its == stream]


def number(path: Path) -> int:
    return int(path.name.split(".")[2])


@pytest.mark.parametrize("model", [ContainerModel, PlainModel])
def test_every_line_once_and_in_order(model: type[Model]) -> None:
    class Machine(model):
        pass

    Machine.TestCase.settings = settings(
        max_examples=100, stateful_step_count=40, suppress_health_check=list(HealthCheck)
    )
    Machine.TestCase().runTest()
