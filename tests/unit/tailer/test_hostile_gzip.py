"""Gzipped files of any content: read as gzip(1) would, or counted as missed; no step takes long."""

import gzip
import os
import random
import struct
import zlib
from pathlib import Path

import pytest

from enricher.tailer import gzip_reader, plain_or_gzip
from enricher.tailer.gzip_reader import CorruptGzipError, GzipReader
from tests.support.kubelet import Reading, cri

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
NAMED_HEADER = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
EMPTY = gzip.compress(b"")


def read_all(path: Path, size: int = 1000) -> bytes:
    """Return the content in pieces of any size; raise CorruptGzipError as the reader does, with what was read."""
    descriptor = os.open(path, os.O_RDONLY)
    parts = []
    try:
        reader = GzipReader(descriptor, str(path))
        while data := reader.read(size):
            assert len(data) <= size
            parts.append(data)
            assert reader.offset == sum(map(len, parts))
        assert reader.read(size) == b""
        assert reader.compressed_offset == path.stat().st_size
    finally:
        os.close(descriptor)
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(40))
def test_members_and_padding_as_the_standard_library_reads_them(tmp_path, monkeypatch, seed):
    random_ = random.Random(seed)
    monkeypatch.setattr(gzip_reader, "READ_SIZE", random_.choice([1, 2, 17, 100, 65536]))
    path = tmp_path / "x.gz"
    parts = list[bytes]()
    for _ in range(random_.randint(0, 5)):
        content = random_.choice([b"", b"a" * random_.randint(1, 5000), random_.randbytes(random_.randint(1, 3000))])
        parts += [gzip.compress(content, random_.randint(0, 9)), b"\0" * random_.choice([0, 0, 3, 70])]
    if parts and random_.random() < 0.3:
        parts[-1] += random_.choice([b"garbage", HEADER, HEADER[:5], b"\x1f"])
    packed = b"".join(parts)
    if random_.random() < 0.3:
        packed = packed[: random_.randint(0, len(packed))]
    path.write_bytes(packed)
    try:
        expected = gzip.decompress(packed)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error):
        with pytest.raises(CorruptGzipError):
            read_all(path, random_.randint(1, 3000))
    else:
        assert read_all(path, random_.randint(1, 3000)) == expected


BARREN = {
    "file name without end": NAMED_HEADER + b"x" * 40_000_000,
    "empty members": EMPTY * 500_000,
    "empty blocks": HEADER + b"\x00\x00\x00\xff\xff" * 5_000_000,
    "padding only": b"\0" * 40_000_000,
}


@pytest.mark.parametrize("content", BARREN.values(), ids=BARREN.keys())
def test_bytes_that_bring_nothing_are_given_up(tmp_path, container, reading, content):
    """Each step is short: a few megabytes are looked at, not all of them."""
    path = Path(f"{container.live}.20260101-000000.gz")
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    reader = GzipReader(descriptor, str(path))
    with pytest.raises(CorruptGzipError, match="no content"):
        reader.read(1000)
    assert reader.compressed_offset <= gzip_reader.MAX_BARREN + 2 * gzip_reader.READ_SIZE
    os.close(descriptor)
    container.write("a")
    assert reading.drain() == ["a"]


def bomb(path: Path) -> None:
    """Write 200 MB of NULs in 200 KB, with one line before and one behind."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(packer.compress(cri("before")))
        for _ in range(200):
            file.write(packer.compress(b"\0" * 1_000_000))
        file.write(packer.compress(b"\n" + cri("behind")) + packer.flush())


def test_a_bomb_is_read_in_small_steps(container, reading):
    bomb(Path(f"{container.live}.20260101-000000.gz"))
    sizes, lines = list[int](), list[bytes]()
    container.write("live")
    while chunk := reading.follower.read():
        sizes.append(chunk.size)
        lines += [line.text for line in chunk.lines if line.stamp]
    assert lines == [b"before", b"behind", b"live"]
    assert max(sizes) <= 16 * 128 * 1024


def test_a_place_in_a_bomb_is_approached_in_small_steps(container, reading, monkeypatch):
    """After a restart the file must be decompressed up to there; other logs get their turns meanwhile."""
    path = Path(f"{container.live}.20260101-000000.gz")
    bomb(path)
    container.write("live")
    while (chunk := reading.follower.read()) and chunk.end.offset < 100_000_000:
        reading.follower.commit(chunk, len(chunk.lines))
        if chunk.lines:
            break
    position = reading.follower.position() | {"offset": 150_000_000}
    reading.follower.close()
    reading.follower = reading.start(position)
    skipped = list[int]()
    real = plain_or_gzip.LogFile.approach

    def spy(file, offset):
        before = file._gzip.offset if file._gzip else 0
        result = real(file, offset)
        skipped.append((file._gzip.offset if file._gzip else 0) - before)
        return result

    monkeypatch.setattr(plain_or_gzip.LogFile, "approach", spy)
    lines, steps = list[bytes](), list[int]()
    while chunk := reading.follower.read():
        lines += [line.text for line in chunk.lines if line.stamp]
        steps.append(sum(skipped))
        skipped.clear()
    assert lines == [b"behind", b"live"]
    assert 149_000_000 < sum(steps) <= 150_000_000
    assert max(steps) <= 16 * 1024 * 1024


def test_the_end_of_a_bomb_is_not_looked_for(container):
    """With `--from end`, a file that is done with already is not decompressed."""
    container.write("a")
    container.live.unlink()
    bomb(Path(f"{container.live}.20260101-000000.gz"))
    reading = Reading(container.directory, start="end")
    assert reading.drain() == []
    container.reopen()
    container.write("b")
    assert reading.drain() == ["b"]


@pytest.mark.parametrize("rest", [b"garbage", HEADER, EMPTY[:-1], NAMED_HEADER + b"x" * 100], ids=range(4))
def test_what_was_readable_is_read_and_the_rest_counted(container, reading, rest):
    Path(f"{container.live}.20260101-000000.gz").write_bytes(gzip.compress(cri("a")) + rest)
    container.write("b")
    assert reading.drain() == ["a", "b"]
    assert reading.follower.missed_files == 1
