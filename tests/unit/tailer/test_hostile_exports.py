"""Exports that are damaged, or made to break what reads them: every line comes out, and nothing is raised."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.errors import ConfigurationError
from enricher.tailer.exports import flatten
from enricher.tailer.json_wrappers import unwrap_json
from enricher.tailer.wrappers import WRAPPERS

NAMES = (
    "log message line time timestamp stream kubernetes labels pod name _source fields hits data result values events "
    "entries status body stringValue resource a.b"
)
KEYS = st.sampled_from(NAMES.split())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
HEADS = st.sampled_from([b"[", b"{", b'{"took":1,', b"[{", b'{"status":"success",', b"Time,Line", b"9 <1>", b"\xff"])


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_records_of_any_shape(entry):
    unwrapped = unwrap_json(json.dumps(entry).encode("utf-8", "surrogatepass"))
    assert unwrapped is None or isinstance(unwrapped.text, bytes)


@given(VALUES, st.sampled_from([None, 1]))
def test_documents_of_any_shape(document, indent):
    for line in b"".join(flatten([json.dumps(document, indent=indent).encode("utf-8", "surrogatepass")])).splitlines():
        unwrap_json(line)


@given(HEADS, st.lists(st.binary(max_size=20), max_size=6))
def test_damaged_documents(head, rest):
    b"".join(flatten([head, b"\n", *rest]))


@given(st.binary(max_size=60))
def test_lines_of_any_bytes(line):
    for wrapper in WRAPPERS:
        wrapper(line)


@pytest.mark.parametrize("head", [b"[" * 100_000, b"{\n" + b"[" * 100_000 + b"\n}", b'{"hits":' * 100_000])
def test_lists_in_lists(head):
    assert b"".join(flatten([head]))


@pytest.mark.parametrize("depth", [200, 300, 900])
def test_an_entry_that_is_nested_too_deeply_keeps_its_text(depth):
    """One level more than can be written ends neither the file nor the entry."""
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    entries = b'[\n{"log":"one","b":%b},\n{"log":"two"}\n]\n' % nested
    first, second = b"".join(flatten([entries])).splitlines()
    assert [unwrap_json(line).text for line in (first, second)] == [b"one", b"two"]


@pytest.mark.parametrize(("depth", "is_line"), [(200, True), (300, False), (900, False)])
def test_a_message_that_is_nested_too_deeply_is_not_a_line(depth, is_line):
    line = b'{"message":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    assert (unwrap_json(line) is not None) == is_line


@pytest.mark.parametrize("head", [b"{\n", b"Time,Line\n"])
def test_lines_without_an_end(head):
    with pytest.raises(ConfigurationError, match="is not read"):
        list(flatten([head, *[b"x" * 65536] * 200]))


@pytest.mark.parametrize("damaged", [b"a\rb\n", b'"' + b"x" * 2_000_000 + b'"\n'])
def test_a_damaged_row_of_a_table_is_passed_on_as_it_is(damaged):
    rows = b"".join(flatten([b"Time,Line\n1,one\n", damaged, b"2,two\n"]))
    assert rows == b'{"Time":"1","Line":"one"}\n' + damaged + b'{"Time":"2","Line":"two"}\n'


@given(st.lists(st.sampled_from([b"", b"text", b"a,b", b"[x] y", b"{}", b"1 2"]), max_size=9))
def test_other_files_pass_unchanged(lines):
    content = b"\n".join([b'192.0.2.7 - - "GET /"', *lines])
    assert b"".join(flatten([content])) == content
