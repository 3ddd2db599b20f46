"""What is derived or converted for whole columns is what it is for each line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.dialect import Fact
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.accesslog.values import INTEGER, MILLISECONDS, NANOSECONDS, ValueType, dump_value
from enricher.enrich.layout_facts import all_with_json, with_json
from enricher.timestamps import SECOND

INTEGERS = st.one_of(st.just(b""), st.integers(0, 10**18 - 1).map(b"%d".__mod__), st.integers(0, 3).map(b"%d".__mod__))
DIALECTS = {log_format.dialect.facts: name for name in PROFILES for log_format in profile_formats(name)}
FACTS = {
    fact: f"{name} {fact.variables[0]}"
    for facts, name in DIALECTS.items()
    for fact in facts
    if isinstance(fact, Fact) and fact.derive_all
}


def test_there_are_such_facts() -> None:
    assert FACTS


@pytest.mark.parametrize("fact", FACTS, ids=FACTS.values())
@given(data=st.data())
def test_facts(fact: Fact, data: st.DataObject) -> None:
    values = st.sampled_from([INTEGERS, INTEGERS.filter(bool)])  # columns with and without values that are missing
    width = len(fact.variables)
    size = data.draw(st.integers(1, 6))
    columns = [data.draw(st.lists(data.draw(values), min_size=size, max_size=size)) for _ in range(width)]
    assert list(fact.derive_all(*columns)) == [fact.derive(*row) for row in zip(*columns, strict=True)]


@given(times=st.lists(st.one_of(st.none(), st.integers(0, 5 * SECOND), st.integers(0, 10**18)), min_size=1))
def test_response_times_as_json(times: list[int | None]) -> None:
    assert all_with_json(times) == list(map(with_json, times))


@pytest.mark.parametrize("value_type", [INTEGER, MILLISECONDS, NANOSECONDS], ids=["integer", "ms", "ns"])
@given(numbers=st.lists(st.one_of(st.integers(0, 10**11 - 1), st.integers(0, 999_999_999)), min_size=1))
def test_numbers_as_json(value_type: ValueType, numbers: list[int]) -> None:
    column = [b"%d" % number for number in numbers]
    convert = value_type.convert_column or (lambda raw: raw)
    assert convert(column) == [dump_value(value_type.convert(raw, "none")) for raw in column]
