"""Places are shared fairly, in the order in which they were used, and none is given away twice."""

from hypothesis import event, given
from hypothesis import strategies as st

from enricher.fair_share import FairShare, take_turns

steps = st.tuples(st.sampled_from(["use", "use", "use", "remove"]), st.sampled_from("aaaabc"), st.integers(0, 9))


@given(st.integers(0, 8), st.lists(steps, max_size=80), st.sets(st.integers(0, 9)))
def test_only_a_larger_group_or_an_idle_key_gives_up_a_place(limit, history, idle):
    share, used = FairShare(limit), []

    def size(group):
        return sum(other[0] == group for other in used)

    for step, group, number in history:
        key = (group, number)
        assert (key in share, len(share)) == (key in used, len(used))
        if key in used:
            used.remove(key)
            if step == "remove":
                share.remove(key)
            else:
                share.touch(key)
                used.append(key)
        elif step == "use":
            if share.is_full(key):
                assert len(used) >= limit
                largest = max(map(size, "abc"))
                replaced = share.replaceable(key, group, lambda other: other[1] in idle)
                event(f"replaced: {replaced and ('own' if replaced[0] == group else 'of another')}")
                if replaced is None:
                    assert largest <= size(group) + 1
                    assert next((other[1] for other in used if other[0] == group), None) not in idle
                    continue
                assert share.group_of(replaced) == replaced[0]
                assert replaced == next(other for other in used if other[0] == replaced[0])
                assert size(replaced[0]) == largest > size(group) + 1 or replaced[1] in idle
                share.remove(replaced)
                used.remove(replaced)
            share.add(key, group)
            used.append(key)
        assert len(share) <= limit


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_groups_take_turns(items):
    taken = take_turns(items, lambda item: item[0])
    assert sorted(taken) == sorted(items)
    for group in "abc":
        assert [item for item in taken if item[0] == group] == [item for item in items if item[0] == group]
    turns = [sum(other[0] == item[0] for other in taken[:n]) for n, item in enumerate(taken)]
    assert turns == sorted(turns)
