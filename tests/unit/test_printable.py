"""Text from outside for people, and JSON for a terminal: nothing to obey, nothing unseen, and no value changed."""

import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.text import MAX_MARKS, printable, printable_json

INVISIBLE = "\u034f\u115f\u3164\u2800\ufe0f\uffa0\U0001d159\U00016fe4\U000e0100"
WORST = st.sampled_from(
    "\x00\t\n\r\x1b\x7f\x85\x90\x9b\x9d\xad\u200b\u200e\u202e\u2028\u2029\u2066\ufeff\ue000\u0301a→"
)
TEXTS = st.text(st.one_of(WORST, st.sampled_from(INVISIBLE), st.characters()), max_size=60)
"""Any characters, also lone surrogates; the worst ones often."""


def is_harmless(text):
    marks = MAX_MARKS
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks > MAX_MARKS or character in INVISIBLE or not character.isprintable():
            return False
    return True


@given(TEXTS)
def test_nothing_is_obeyed_or_unseen(text):
    escaped = printable(text)
    assert is_harmless(escaped)
    assert printable(escaped) == escaped
    assert is_harmless(text) == (escaped == text)
    escaped.encode()


@given(st.binary(max_size=40))
def test_bytes_of_names_are_seen(name):
    """Python represents those that are not UTF-8 by lone surrogates."""
    assert is_harmless(printable(name.decode("utf-8", "surrogateescape")))
    assert printable("\udc9b") == r"\x9b"


@given(st.dictionaries(TEXTS, TEXTS, max_size=3), st.booleans())
def test_json_keeps_its_value(values, ascii_only):
    try:
        line = orjson.dumps(values) + b"\n"
    except (TypeError, orjson.JSONEncodeError):  # a lone surrogate
        return
    escaped = printable_json(line * 2, ascii_only=ascii_only)
    assert escaped.isascii() or not ascii_only
    first, second, rest = escaped.decode().split("\n")
    assert (first, rest) == (second, "")
    assert is_harmless(first)
    assert orjson.loads(first) == values
    assert is_harmless(line.decode()[:-1]) == (escaped == line * 2) or ascii_only


@pytest.mark.parametrize("text", ["web-1", "/grüße", "/हिन्दी", "/ไม่", "/שלום", "→ …", "[red]x[/x]", ":smile:", "漢字"])
def test_ordinary_text_stays(text):
    assert printable(text) == text
    assert printable_json(line := orjson.dumps(text)) == line


def test_marks_that_cover_their_neighbours():
    assert printable("a" + "\u0301" * 6) == "a" + "\u0301" * 4 + r"\u0301\u0301"
    assert printable("\u0301a") == r"\u0301a"
