"""CRI's, Docker's and no framing: fragments, forgeries, limits."""

import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.line import Line
from enricher.tailer.framing import Framer, Framing

T1, T2, T3 = (b"2026-11-22T23:20:31.%dZ" % n for n in (1, 22, 333))


def docker(log: str, stream: str = "stdout", time: bytes = T1) -> bytes:
    return orjson.dumps({"log": log, "stream": stream, "time": time.decode()}) + b"\n"


def test_cri_lines():
    framer = Framer()
    assert framer.feed(T1 + b" stdout F one\n" + T2 + b" stderr F two words \n" + T3 + b" stdout F \n") == [
        Line(b"one", T1, "stdout"),
        Line(b"two words ", T2, "stderr"),
        Line(b"", T3, "stdout"),
    ]


def test_cri_tags_and_stamps_with_an_offset():
    stamp = b"2026-11-22T23:20:31+01:00"
    assert Framer().feed(stamp + b" stdout F:x:y text\n") == [Line(b"text", stamp, "stdout")]


def test_fragments_are_joined_per_stream_with_the_first_stamp():
    framer = Framer()
    assert framer.feed(T1 + b" stdout P out-\n" + T2 + b" stderr P err-\n") == []
    assert framer.feed(T3 + b" stdout P more-\n" + T3 + b" stderr F end\n" + T3 + b" stdout F end\n") == [
        Line(b"err-end", T2, "stderr"),
        Line(b"out-more-end", T1, "stdout"),
    ]


def test_a_cut_inside_a_character_is_healed():
    text = "ä".encode()
    assert Framer().feed(T1 + b" stdout P " + text[:1] + b"\n" + T2 + b" stdout F " + text[1:] + b"\n")[0].text == text


def test_open_fragments_are_carried_to_the_next_framer():
    first = Framer()
    first.feed(T1 + b" stdout P a\xff\n" + T2 + b" stderr P b\n")
    saved = orjson.loads(orjson.dumps(first.framing.dump()))
    second = Framer(framing=Framing.load(saved))
    assert second.feed(T3 + b" stdout F c\n") == [Line(b"a\xffc", T1, "stdout")]
    assert second.flush() == [Line(b"b", T2, "stderr")]


def test_the_end_of_a_file_is_not_the_end_of_a_fragment():
    framer = Framer()
    framer.feed(T1 + b" stdout P a\n" + T2 + b" stderr F no newline")
    assert framer.unfinished_bytes == len(T2 + b" stderr F no newline")
    assert framer.end_file() == [Line(b"no newline", T2, "stderr")]
    assert framer.feed(T3 + b" stdout F b\n") == [Line(b"ab", T1, "stdout")]
    assert framer.flush() == []


@pytest.mark.parametrize(
    "line",
    [
        b"no frame at all",
        b"",
        b"2026-11-22T23:20:31Z stdout",
        b"2026-11-22T23:20:31Z stdout F",
        b"2026-11-22T23:20:31Z stdin F text",
        b"2026-11-22T23:20:31Z stdout X text",
        b"2026-11-22 23:20:31 stdout F text",
        b" 2026-11-22T23:20:31Z stdout F text",
        b'{"log":"docker\\n","stream":"stdout","time":"2026-11-22T23:20:31Z"}',
        b"\0\0\0",
    ],
)
def test_what_does_not_fit_the_frame_is_passed_on_whole(line):
    good = T1 + b" stdout F good\n"
    assert Framer().feed(good + line + b"\n" + good)[1:] == [Line(line), Line(b"good", T1, "stdout")]


def test_an_alien_line_does_not_disturb_an_open_fragment():
    framer = Framer()
    assert framer.feed(T1 + b" stdout P a\nalien\n" + T2 + b" stdout F b\n") == [
        Line(b"alien"),
        Line(b"ab", T1, "stdout"),
    ]


def test_a_frame_inside_a_text_is_text():
    forged = T2 + b" stderr F forged"
    assert Framer().feed(T1 + b" stdout F " + forged + b"\n") == [Line(forged, T1, "stdout")]
    assert Framer().feed(b"plain\n" + forged + b"\n") == [Line(b"plain"), Line(forged)]


def test_json_in_a_plain_log_is_text():
    forged = docker("forged\n")
    assert Framer().feed(b"plain\n" + forged)[1] == Line(forged[:-1])
    assert Framer().feed(b'{"status": 200}\n') == [Line(b'{"status": 200}')]


def test_the_first_line_that_is_not_blank_decides():
    framer = Framer()
    assert framer.feed(b"\n\n") == [Line(b""), Line(b"")]
    assert framer.feed(b"\n" + T1 + b" stdout F text\n") == [Line(b""), Line(b"text", T1, "stdout")]
    assert framer.framing.kind == "cri"


def test_docker_lines_and_their_parts():
    framer = Framer()
    assert framer.feed(docker("one\n") + docker("a", time=T1) + docker("x\n", "stderr") + docker("b\n", time=T2)) == [
        Line(b"one", T1, "stdout"),
        Line(b"x", T1, "stderr"),
        Line(b"ab", T1, "stdout"),
    ]
    assert framer.feed(docker("\n") + docker("ä\r\n")) == [
        Line(b"", T1, "stdout"),
        Line("ä\r".encode(), T1, "stdout"),
    ]


@pytest.mark.parametrize("line", [b'{"log":"x', b"{}", b'{"log":1,"stream":"stdout","time":"x"}', b"[]", b'{"a":' * 9])
def test_what_is_not_dockers_json_is_passed_on_whole(line):
    assert Framer().feed(docker("good\n") + line + b"\n")[1] == Line(line)


@pytest.mark.parametrize("damaged", [b"~" + docker("text\n"), docker("a\n").strip() + docker("b\n"), docker("c\n")[1:]])
def test_a_line_with_something_beside_dockers_json_is_passed_on_whole(damaged):
    good = docker("good\n")
    for data in (damaged, good + damaged, good + damaged + good):
        framer = Framer()
        framer.feed(good)
        assert Line(damaged.removesuffix(b"\n")) in list(framer.feed(data))


@pytest.mark.parametrize("damaged", [b"~" + T1 + b" stdout F text\n", T1 + b"  stdout F text\n", T1 + b" stdout F\n"])
def test_a_line_with_a_damaged_head_is_passed_on_whole(damaged):
    good = T1 + b" stdout F good\n"
    for data in (damaged, good + damaged, good + damaged + good):
        framer = Framer()
        framer.feed(good)
        assert Line(damaged.removesuffix(b"\n")) in list(framer.feed(data))


def test_nuls_carriage_returns_and_invalid_utf8_pass():
    text = b"\0\r\xff\xfe\xc0\xaf\x0b\x85"
    assert Framer().feed(T1 + b" stdout F " + text + b"\n") == [Line(text, T1, "stdout")]
    assert Framer().feed(text + b"\n") == [Line(text)]


@pytest.mark.parametrize("size", [7, 64 * 1024])
def test_a_line_of_ten_megabytes_is_cut_and_counted(size):
    framer = Framer(max_line=1000)
    total = 10 * 1024 * 1024 if size > 1000 else 300_000
    lines = []
    tracemalloc.start()
    try:
        for _ in range(total // size):
            lines += framer.feed(b"x" * size)
        lines += framer.feed(b"end\nnext\n")
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
    assert lines == [Line(b"x" * 1000, cut=total // size * size + 3 - 1000), Line(b"next")]


def test_the_fragments_of_a_long_line_are_bounded_together():
    framer = Framer(max_line=100)
    piece = b"x" * 60
    for _ in range(1000):
        assert framer.feed(T1 + b" stdout P " + piece + b"\n") == []
    assert framer.feed(T1 + b" stdout F " + piece + b"\n") == [Line(b"x" * 100, T1, "stdout", 1001 * 60 - 100)]
    assert framer.feed(T2 + b" stdout F short\n") == [Line(b"short", T2, "stdout")]


def test_a_frame_of_its_own_line_may_be_long_too():
    framer = Framer(max_line=100)
    framer.feed(T1 + b" stdout F start\n")
    text = b"y" * 300_000
    assert framer.feed(T2 + b" stderr F " + text) == []
    assert framer.feed(b"\n" + T3 + b" stdout F z\n") == [
        Line(b"y" * 100, T2, "stderr", len(text) - 100),
        Line(b"z", T3, "stdout"),
    ]


def test_the_kind_of_a_file_without_a_newline_is_decided_by_its_beginning():
    framer = Framer(max_line=10)
    framer.feed(T1 + b" stdout F " + b"x" * 300_000)
    assert framer.feed(b"\n") == [Line(b"x" * 10, T1, "stdout", 300_000 - 10)]


_TEXT = st.binary(max_size=12).map(lambda text: text.replace(b"\n", b""))
_CRI = st.builds(lambda s, t, x: b"%s %s %s %s" % (T1, s, t, x), st.sampled_from([b"stdout", b"stderr"]),
                 st.sampled_from([b"P", b"F", b"F:a", b"X"]), _TEXT)  # fmt: skip
_DOCKER = st.builds(lambda log, stream: docker(log, stream)[:-1], st.text(max_size=9), st.sampled_from(["stdout", "x"]))
_LOG = st.lists(st.one_of(_CRI, _DOCKER, _TEXT), max_size=12).map(b"\n".join)


@given(log=_LOG, cuts=st.lists(st.integers(0, 400), max_size=8), max_line=st.sampled_from([5, 1000]))
def test_where_the_bytes_are_cut_changes_nothing(log, cuts, max_line):
    whole, pieces = Framer(max_line), Framer(max_line)
    expected = whole.feed(log)
    begin, lines = 0, []
    for cut in [*sorted(cuts), len(log)]:
        lines += pieces.feed(log[begin:cut])
        begin = max(begin, cut)
    assert lines == expected
    assert pieces.framing == whole.framing
    assert pieces.flush() == whole.flush()


@given(log=_LOG)
def test_going_on_from_a_saved_state_changes_nothing(log):
    expected = Framer()
    expected_lines = [*expected.feed(log), *expected.flush()]
    lines, framer, fed = [], Framer(), 0
    for newline in [place for place, byte in enumerate(log) if byte == 10]:
        lines += framer.feed(log[fed : newline + 3])
        fed = min(newline + 3, len(log)) - framer.unfinished_bytes
        framer = Framer(framing=Framing.load(orjson.loads(orjson.dumps(framer.framing.dump()))))
    lines += framer.feed(log[fed:])
    assert [*lines, *framer.flush()] == expected_lines
