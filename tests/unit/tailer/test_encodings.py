"""Text files as people save them: what is decoded does not depend on where the bytes are cut."""

import bz2
import codecs
import gzip
import io
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.errors import ConfigurationError
from enricher.line import Line
from enricher.tailer.encodings import decode
from enricher.tailer.reader import read_file

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\ufeff\0"), max_size=9)
LINES = st.lists(TEXT, min_size=1, max_size=9)
MARKS = {"utf-8-sig": b"", "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def cut(content, places):
    ends = [*sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if begin < end]


@given(
    LINES, st.sampled_from(sorted(MARKS)), st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0, 999), max_size=9)
)
def test_marks_and_newlines(lines, encoding, newline, places):
    content = MARKS[encoding] + newline.join(["first", *lines, ""]).encode(encoding)
    expected = "\n".join(["first", *lines, ""]).encode()
    assert b"".join(decode(cut(content, places))) == expected


@given(st.lists(st.binary(max_size=9), max_size=9).map(b"\n".join), st.lists(st.integers(0, 999), max_size=9))
def test_other_bytes_are_left_alone(content, places):
    content = b"plain\n" + content
    assert b"".join(decode(cut(content, places))) == content


def test_files_appended_to_one_another():
    part = "\ufeffone\ntwo\n".encode()
    assert b"".join(decode([part * 2])) == b"one\ntwo\n" * 2


def test_a_log_without_a_newline_is_passed_on_in_pieces():
    pieces = decode([b"x" * 65536] * 100)
    assert len(next(iter(pieces))) <= 2 * 65536
    assert sum(map(len, pieces)) >= 98 * 65536


def test_half_a_character_at_the_end():
    assert b"".join(decode([codecs.BOM_UTF16_LE + "ab\n".encode("utf-16-le") + b"x"])) == "ab\n\ufffd".encode()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(compress):
    lines = [line for some in read_file(io.BytesIO(compress(b"one\ntwo\n"))) for line in some]
    assert lines == [Line(b"one"), Line(b"two")]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_that_end_too_early(tmp_path, compress):
    (path := tmp_path / "log").write_bytes(compress(b"one\ntwo\n" * 999)[:-9])
    with pytest.raises(ConfigurationError, match="log: "):
        list(read_file(str(path)))


@pytest.mark.parametrize(("head", "command"), [(b"\x28\xb5\x2f\xfd", "zstd -dc"), (b"PK\x03\x04", "unzip -p")])
def test_compressions_that_are_not_read(tmp_path, head, command):
    (path := tmp_path / "log").write_bytes(head + b"...")
    with pytest.raises(ConfigurationError, match=f"decompress it with `{command}`"):
        list(read_file(str(path)))
