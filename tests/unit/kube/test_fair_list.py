"""A list of everybody's objects has a limit. Only those lose who have more than the others."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from enricher.kube.fair_list import CUT, FairList

ADDITIONS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 30)), max_size=200)


@given(additions=ADDITIONS, limit=st.integers(40, 1000))
def test_nobody_loses_who_has_less_than_an_equal_share(additions: list[tuple[str, int]], limit: int) -> None:
    kept_list, wanted, number = FairList[tuple[str, int]](limit, lambda item: item[1]), Counter[str](), Counter[str]()
    for item in additions:
        kept_list.add(item[0], item)
        wanted[item[0]] += item[1]
        number[item[0]] += 1
    kept = [*kept_list]
    assert sum(size for _, size in kept) <= limit
    for namespace in wanted:
        of_namespace = [item for item in kept if item[0] == namespace]
        assert len(of_namespace) + kept_list.dropped[namespace] == number[namespace]
        if wanted[namespace] <= CUT * limit / len(wanted):
            assert of_namespace == [item for item in additions if item[0] == namespace]


def test_one_namespace_alone_may_have_everything() -> None:
    items = FairList[int](100, lambda size: size)
    for _ in range(100):
        items.add("a", 1)
    assert (len([*items]), items.dropped) == (100, {})


def test_the_work_is_bounded_if_thousands_of_namespaces_overflow() -> None:
    calls = 0

    def size(_: int) -> int:
        nonlocal calls
        calls += 1
        return 1

    items = FairList[int](2_000, size)
    for number in range(30_000):
        items.add(f"{number % 1000}", 0)
    assert calls < 3 * 30_000
    assert len([*items]) > 1_000 * CUT
