"""A file or a stream, once."""

import gzip
import io
import os

import pytest

from enricher.errors import ConfigurationError
from enricher.line import Line
from enricher.tailer.reader import read_file

LOG = b"2026-11-22T23:20:31Z stdout F one\n2026-11-22T23:20:32Z stdout P two\n"
LINES = [Line(b"one", b"2026-11-22T23:20:31Z", "stdout"), Line(b"two", b"2026-11-22T23:20:32Z", "stdout")]


def lines(file, **settings) -> list[Line]:
    return [line for some in read_file(file, **settings) for line in some]


@pytest.mark.parametrize(
    "content",
    [LOG, gzip.compress(LOG), gzip.compress(LOG[:40]) + gzip.compress(LOG[40:])],
    ids=["plain", "packed", "packed in two"],
)
def test_plain_and_packed_files_and_streams(tmp_path, content):
    path = tmp_path / "any-name"
    path.write_bytes(content)
    assert lines(str(path)) == LINES
    assert lines(io.BytesIO(content)) == LINES


def test_an_empty_file(tmp_path):
    assert lines(io.BytesIO(b"")) == []


def test_progress_counts_the_files_bytes(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(b"plain\n" * 100_000))
    heard = []
    assert len(lines(str(path), progress=heard.append)) == 100_000
    assert heard[-1] == path.stat().st_size
    assert heard == sorted(heard)


def test_lines_of_a_pipe_come_while_it_is_open():
    out, into = os.pipe()
    with os.fdopen(out, "rb") as stream, os.fdopen(into, "wb", buffering=0) as writer:
        some = read_file(stream)
        writer.write(b"a\n")
        assert next(some) == [Line(b"a")]
        writer.write(b"b\n")
        assert next(some) == [Line(b"b")]


def test_a_missing_or_broken_file_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigurationError, match="missing: No such file"):
        lines(str(tmp_path / "missing"))
    broken = tmp_path / "broken"
    broken.write_bytes(gzip.compress(LOG)[:-9])
    with pytest.raises(ConfigurationError, match="broken: "):
        lines(str(broken))
