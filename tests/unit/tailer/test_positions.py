"""Where a follower goes on: committed lines never come again, the others do."""

import json

import pytest

from enricher.tailer.position import Position
from tests.support.kubelet import Container, Reading, compress, cri


def fill(container: Container) -> list[str]:
    texts = []
    for number in range(60):
        text = f"{number}-" * (1 + number % 9)
        if number % 4 == 3:
            container.write(text[:3], tag="P")
            container.write(f"e{number}", stream="stderr")
            texts.append(f"e{number}")
            if number % 8 == 3:
                container.rotate()
            container.write(text[3:])
        else:
            container.write(text)
        texts.append(text)
        if number == 40:
            container.restart()
    for path in container.rotated()[:3]:
        compress(path)
    return texts


@pytest.mark.parametrize("taken", range(6))
@pytest.mark.parametrize("chunk_size", [90, 700, 65536])
def test_after_every_number_of_lines_a_new_follower_goes_on_exactly_there(container, taken, chunk_size):
    texts = fill(container)
    reading = Reading(container.directory, chunk_size=chunk_size)
    read: list[str] = []
    for _ in range(400):
        while (chunk := reading.follower.read()) is None and reading.now < 100:
            reading.now += 1
        if chunk is None:
            break
        out = chunk.lines[: taken or len(chunk.lines)]
        read += [line.text.decode() for line in out]
        reading.follower.commit(chunk, len(out))
        reading.restart()
    assert read == texts


def test_uncommitted_lines_come_again(container, reading):
    container.write("a", "b")
    assert reading.read() == ["a", "b"]
    container.write("c")
    assert [line.text for line in reading.follower.read().lines] == [b"c"]
    reading.restart()
    assert reading.read() == ["c"]


def test_several_chunks_may_be_under_way(container):
    reading = Reading(container.directory, chunk_size=50)
    container.write(*"abcdef")
    chunks = []
    while chunk := reading.follower.read():
        chunks.append(chunk)
    assert len(chunks) > 2
    for chunk in chunks[:2]:
        reading.follower.commit(chunk, len(chunk.lines))
    done = [line.text.decode() for chunk in chunks[:2] for line in chunk.lines]
    reading.restart()
    assert done + reading.read() == list("abcdef")


def test_a_commit_follows_into_files_that_brought_no_line(container, reading):
    container.write("a")
    chunk = reading.follower.read()
    container.write("open", tag="P")
    container.rotate()
    container.write("-more", tag="P")
    reading.drain()
    reading.follower.commit(chunk, 1)
    saved = reading.save()
    for path in container.rotated():
        path.unlink()
    container.write(" end")
    reading.resume(saved)
    assert reading.drain() == ["open-more end"]
    assert reading.follower.missed_files == 0


def test_a_file_that_was_done_with_may_go(container, reading):
    container.write("a")
    reading.read()
    done = container.live
    container.restart()
    assert reading.drain() == []
    saved = reading.save()
    done.unlink()
    container.write("b")
    reading.resume(saved)
    assert reading.drain() == ["b"]
    assert reading.follower.missed_files == 0


def test_a_line_that_is_not_finished_is_read_again_from_its_start(container, reading):
    line = cri("in two steps")
    container.write_raw(line[:40])
    reading.read()
    reading.restart()
    container.write_raw(line[40:])
    assert reading.read() == ["in two steps"]


def test_a_first_line_that_is_not_finished_decides_nothing(container, reading):
    line = cri("in two steps")
    container.write_raw(b"\n" + line[:1])
    reading.read()
    reading.restart()
    reading.read()
    container.write_raw(line[1:])
    assert reading.read() == ["in two steps"]


def test_nothing_that_was_there_is_history(container):
    reading = Reading(container.directory, start="end")
    container.live.unlink()
    reading.read()
    reading.restart()
    container.reopen()
    container.write("a")
    assert reading.read() == ["a"]


def test_nothing_read_yet_is_an_empty_position(tmp_path):
    assert Reading(tmp_path / "missing").follower.position() == {}


@pytest.mark.parametrize("change", [{"after": None}, {"offset": "x"}, {"framing": {}}, {"head": [1]}, {"device": None}])
def test_a_position_that_makes_no_sense_is_none(container, reading, change):
    container.write("a")
    reading.read()
    saved = json.loads(reading.save()) | change
    reading.resume(json.dumps(saved))
    assert reading.read() == ["a"]


def test_an_endless_line_gives_the_caller_its_turn(container):
    reading = Reading(container.directory, chunk_size=100, max_line=500)
    container.write_raw(b"x" * 5000)
    chunk = reading.follower.read()
    assert chunk is not None
    assert (chunk.lines, chunk.size) == ([], 1500)
    assert reading.read() == []
    container.write_raw(b"\n")
    reading.read()
    assert [(len(line.text), line.cut) for line in reading.lines] == [(500, 4500)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("offset", -1770), ("skip", -1), ("run", -(1 << 63)), ("run", 1 << 80), ("inode", -5), ("offset", float("inf"))],
)
def test_numbers_that_no_follower_wrote(container, reading, name, value):
    container.write("a")
    reading.read()
    saved = reading.follower.position()
    assert Position.load(saved) is not None
    assert Position.load(saved | {name: value}) is None


def test_a_run_far_ahead_is_counted_and_not_gone_through(container, reading):
    container.write("a")
    reading.read()
    (container.directory / "999999999.log").write_bytes(cri("far"))
    assert reading.drain() == ["far"]
    assert reading.follower.missed_files == 999_999_998
