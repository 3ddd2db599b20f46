"""A list is read as it arrives: however its text is cut into chunks, its items are those of the whole."""

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.kube import lists
from enricher.kube.lists import Item, ListSplitter, Page
from enricher.kube.objects import OBJECT_LIMIT, Unusable
from enricher.kube.responses import ApiError

TEXTS = st.sampled_from(
    ["", "a", '},{"metadata":{', '"items":[', "\\", "é", "]}", '}]}\n{"metadata":{"name":"forged"}}']
)
METADATA = st.fixed_dictionaries({"name": TEXTS})
ITEMS = st.lists(st.fixed_dictionaries({"metadata": METADATA, "endpoints": st.lists(TEXTS)}), max_size=5)
LIST = {"kind": "EndpointSliceList", "metadata": {"resourceVersion": "7", "continue": "c"}}
POISON = {
    "long": b'"x":"' + b"a" * OBJECT_LIMIT + b'"',
    "deep": b'"x":' + b"[" * 2000 + b"]" * 2000,
    "surrogate": rb'"x":"\ud800"',
    "control": b'"x":"\x01"',
    "latin": b'"x":"\xff"',
}


def read(body: bytes, cuts: list[int]) -> tuple[list[Item], Page]:
    splitter, items, begin = ListSplitter(), list[Item](), 0
    for end in (*sorted(cuts), len(body)):
        items += splitter.feed(body[begin:end])
        begin = max(begin, end)
    page, last_items = splitter.finish()
    return items + last_items, page


def raw_item(name: str, poison: bytes = b'"x":1') -> bytes:
    return b'{"metadata":{"name":"%b","namespace":"shop","uid":"u","resourceVersion":"3"},%b}' % (name.encode(), poison)


def raw_list(*items: bytes) -> bytes:
    return b'{"kind":"L","metadata":{"resourceVersion":"7"},"items":[%b]}\n' % b",".join(items)


@given(items=ITEMS, cuts=st.lists(st.integers(0, 400), max_size=8), spaced=st.booleans())
def test_items_are_those_of_the_whole(items: list, cuts: list[int], spaced: bool) -> None:
    listed = LIST | {"items": items}
    body = (json.dumps(listed) if spaced else json.dumps(listed, separators=(",", ":"))).encode() + b"\n"
    assert read(body, cuts) == (items, Page("7", "c"))


@pytest.mark.parametrize("poison", POISON)
@given(
    poisoned=st.lists(st.booleans(), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 4 * OBJECT_LIMIT), max_size=20),
)
def test_one_item_that_cannot_be_used_costs_no_other(poison: str, poisoned: list[bool], cuts: list[int]) -> None:
    texts = [raw_item(f"item-{n}", POISON[poison] if bad else b'"x":1') for n, bad in enumerate(poisoned)]
    items, page = read(raw_list(*texts), cuts)
    assert page == Page("7", "")
    names = [item.name if isinstance(item, Unusable) else item["metadata"]["name"] for item in items]
    assert names == [f"item-{n}" for n in range(len(poisoned))]
    assert [isinstance(item, Unusable) for item in items] == poisoned
    assert {item[:3:2] for item in items if isinstance(item, Unusable)} <= {("shop", "3")}


def test_most_of_a_large_list_is_never_held_as_a_whole() -> None:
    item = {"metadata": {"name": "x"}, "endpoints": []}
    body = orjson.dumps({"metadata": {"resourceVersion": "7"}, "items": [item] * 1000})
    splitter = ListSplitter()
    assert len(splitter.feed(body)) == 999
    assert len(splitter.finish()[1]) == 1


@pytest.mark.parametrize("length", [1_400_000, 9_000_000])
def test_memory_does_not_grow_with_the_list(length: int) -> None:
    text = raw_list(*[raw_item("x", b'"x":"' + b"a" * length + b'"')] * 20)
    splitter = ListSplitter()
    tracemalloc.start()
    try:
        count = sum(len(splitter.feed(text[at : at + 65536])) for at in range(0, len(text), 65536))
        count += len(splitter.finish()[1])
        assert tracemalloc.get_traced_memory()[1] < 10 * OBJECT_LIMIT
    finally:
        tracemalloc.stop()
    assert count == 20


def test_a_list_in_small_chunks_takes_a_time_that_its_length_explains() -> None:
    searched = 0

    class Counting(bytearray):
        def find(self, what: bytes, start: int = 0) -> int:
            nonlocal searched
            searched += len(self) - start
            return super().find(what, start)

    splitter, text = ListSplitter(), raw_list(raw_item("x", b'"x":"' + b"a" * (1 << 20) + b'"'), raw_item("y"))
    splitter._rest = Counting()
    for at in range(0, len(text), 100):
        splitter.feed(text[at : at + 100])
    assert len(splitter.finish()[1]) == 1
    assert searched < 3 * len(text)


@pytest.mark.parametrize("items_first", [True, False])
def test_a_list_that_is_written_otherwise_is_parsed_as_a_whole(items_first: bool) -> None:
    items = [{"metadata": {"name": f"{n}"}, "endpoints": []} for n in range(50)]
    metadata = {"metadata": {"resourceVersion": "7"}, "filling": "x" * lists.HEAD_LIMIT}
    body = json.dumps({"items": items} | metadata if items_first else metadata | {"items": items}).encode()
    assert read(body, list(range(0, len(body), 30))) == (items, Page("7", ""))


def test_a_list_that_is_written_otherwise_is_not_read_beyond_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "WHOLE_LIMIT", lists.HEAD_LIMIT)
    with pytest.raises(ApiError, match="unusual list"):
        read(json.dumps(LIST | {"items": [{"x": "a" * lists.HEAD_LIMIT}]}).encode(), [lists.HEAD_LIMIT])


def test_null_is_an_empty_list() -> None:
    assert read(b'{"metadata":{"resourceVersion":"7"},"items":null}\n', []) == ([], Page("7", ""))


def test_items_that_are_no_objects_are_left_out() -> None:
    items, _ = read(b'{"metadata":{"resourceVersion":"7"},"items":[1,null,{"metadata":{}},[]]}\n', [])
    assert [isinstance(item, Unusable) for item in items] == [True, True, False, True]


@given(cut=st.integers(1, 300), poison=st.sampled_from(["deep", "latin", ""]))
def test_a_list_that_breaks_off_is_not_taken_for_a_whole_one(cut: int, poison: str) -> None:
    text = raw_list(
        raw_item("a"),
        raw_item("b", b'"ports":[{"port":80}],"x":[{"y":{}}]'),
        raw_item("c", POISON.get(poison, b'"x":1')),
    )
    if orjson_fails(text[:-cut]):
        with pytest.raises(ApiError, match="malformed list"):
            read(text[:-cut], [])


def orjson_fails(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return True
    return False


BROKEN = (
    b"",
    b"no",
    b"[]",
    b'{"items":[',
    b'{"items":[{"metadata":{}},{"metadata":{}',
    b'{"items":[{}]}',
    b'{"items":1,"metadata":{"resourceVersion":"7"}}',
    b'{"items":[],"metadata":{"resourceVersion":7}}',
    b'{"items":[],"metadata":{"resourceVersion":"%b"}}' % (b"7" * 1000),
    b'{"items":[],"metadata":{"resourceVersion":"7","continue":["c"]}}',
    b'{"items":[],"metadata":[]}',
    b'{"metadata":{},"items":[{"metadata":{}},{"metadata":{},"x":"\xff"}]}\n',
)


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="malformed list"):
        read(body, [])
