"""A list is read as it arrives: however its text is cut into chunks, its items are those of the whole."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.kube import responses as answers
from enricher.kube.responses import ApiError, ListSplitter, parse_items, parse_page

TEXTS = st.sampled_from(["", "a", '},{"metadata":{', '"items":[', "\\", "é", "]}"])
METADATA = st.fixed_dictionaries({"name": TEXTS})
ITEMS = st.lists(st.fixed_dictionaries({"metadata": METADATA, "endpoints": st.lists(TEXTS)}), max_size=5)


def read(body: bytes, cuts: list[int]) -> tuple[list, str, str]:
    splitter, items, begin = ListSplitter(), [], 0
    for end in (*sorted(cuts), len(body)):
        items += [item for text in splitter.feed(body[begin:end]) for item in parse_items(text)]
        begin = max(begin, end)
    page = parse_page(splitter.remainder())
    return items + page.items, page.version, page.continue_token


@given(items=ITEMS, cuts=st.lists(st.integers(0, 400), max_size=8), spaced=st.booleans())
def test_items_are_those_of_the_whole(items: list, cuts: list[int], spaced: bool) -> None:
    listed = {"kind": "EndpointSliceList", "metadata": {"resourceVersion": "7", "continue": "c"}, "items": items}
    body = (json.dumps(listed) if spaced else json.dumps(listed, separators=(",", ":"))).encode() + b"\n"
    assert read(body, cuts) == (items, "7", "c")


def test_most_of_a_large_list_is_never_held_as_a_whole() -> None:
    item = {"metadata": {"name": "x"}, "endpoints": []}
    body = orjson.dumps({"metadata": {"resourceVersion": "7"}, "items": [item] * 1000})
    splitter = ListSplitter()
    assert len(splitter.feed(body)) == 999
    assert len(splitter.remainder()) < 200


@pytest.mark.parametrize("limit", ["HEAD_LIMIT", "ITEM_LIMIT"])
def test_what_is_written_otherwise_is_kept_as_it_comes(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(answers, limit, 100)
    items = [{"metadata": {"name": f"{n}"}, "endpoints": []} for n in range(50)]
    body = json.dumps({"metadata": {"resourceVersion": "7"}, "items": items}).encode()
    assert read(body, list(range(0, len(body), 30))) == (items, "7", "")


BROKEN = (b"", b"no", b'{"items":[', b'{"items":[{"metadata":{}},{"metadata":{}', b'{"items":[1,2]}', b'{"items":[}]}')


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match=r"malformed (list|object)"):
        read(body, [])
