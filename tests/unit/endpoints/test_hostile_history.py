"""Saved histories that another program wrote, or changed: refused, or without effect beyond their own time.

A file's content may be false in itself, and nobody can see that. But whatever it claims of the past, the watch's lists
and events have the last word from then on.
"""

import copy
import os
import random
from typing import Any

import orjson
import pytest

from enricher.endpoints import saved_history
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.endpoints.tenure import BEGINNING, FOREVER
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary
from tests.unit.test_hostile_state import VALUES, paths, variants, with_value, without

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1")) * 4000


def saved_by_a_daemon() -> dict:
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1"), pod("10.0.0.2", "web-2", terminating=True)))
    t.put(5, slice_("b", pod("10.0.0.1", "web-1"), service="canary", port=9090))
    t.put(8, slice_("b", pod("10.0.0.1", "web-1"), service="canary", port=9091))
    t.put(10, slice_("a", pod("10.0.0.1", "web-3")))
    t.put(15, slice_("empty"))
    t.put(20, slice_("a", pod("10.0.0.1", "web-3"), pod("fd00::1", "web-4")))
    return orjson.loads(orjson.dumps(t.history.dump()))


def value_at(document: Any, path: tuple) -> Any:
    for key in path:
        document = document[key]
    return document


def mutate(rng: random.Random, document: Any) -> Any:
    """Return the document with something replaced, left out, doubled, moved or swapped, as a whole or in part."""
    places = list(paths(document))[1:]
    path = rng.choice(places)
    value = value_at(document, path)
    match rng.randrange(5):
        case 0:
            return with_value(document, path, rng.choice(VALUES))
        case 1:
            return without(document, path)
        case 2:
            return with_value(document, path, copy.deepcopy(value_at(document, rng.choice(places))))
        case 3 if isinstance(value, list) and value:
            return with_value(document, path, [*value, copy.deepcopy(rng.choice(value))])
        case 4 if isinstance(value, list):
            return with_value(document, path, rng.sample(value, len(value)))
    times = [value for path in places if type(value := value_at(document, path)) is int and abs(value) > 1000]
    return with_value(document, path, rng.choice([*times, FOREVER, BEGINNING]) + rng.choice([-1, 0, 1]))


def loaded(document: Any) -> History | None:
    """Return the history of a document, unless it is refused; the daemon refuses what was saved after its own start."""
    history = History()
    try:
        history.load(document)
        if history.complete_until > ns(1000):
            return None
    except ValueError:
        return None
    return history


def assert_the_watch_has_the_last_word(history: History) -> None:
    """Check that a list replaces all that was loaded, and that no holder of then is certain of anything later."""
    t = Timeline()
    t.history = history
    assert orjson.loads(orjson.dumps(history.dump()))
    begin = history.complete_until // ns(1) + 1000
    t.relist(begin, slice_("a", pod("10.0.0.1", "new")), slice_("c", pod("fd00::1", "other")))
    t.put(begin + 1, slice_("b", pod("10.0.0.2", "web-2"), service="canary"))
    for ip, name in (("10.0.0.1", "new"), ("[fd00::1]", "other"), ("10.0.0.2", "web-2")):
        for found in (t.answered(begin + 300, f"{ip}:8080"), t.failed(begin + 299, begin + 300, f"{ip}:8080")):
            assert summary(found) == ("exact", name)
    assert history.open_tenures == 3
    t.relist(begin + 400)
    assert history.open_tenures == 0
    history.expire(ns(begin + 10**6))
    assert not list(history.tenures())
    assert history.dump()["slices"] == []
    assert not history.has_namespace("shop")


def test_the_watch_has_the_last_word():
    rng, accepted, refused = random.Random(16), 0, 0
    saved = saved_by_a_daemon()
    assert_the_watch_has_the_last_word(loaded(saved))
    for _ in range(EXAMPLES):
        document = saved
        for _ in range(rng.choice((1, 1, 2, 3, 5))):
            document = mutate(rng, document)
            if not isinstance(document, dict) or not list(paths(document))[1:]:
                break
        if history := loaded(document):
            accepted += 1
            assert_the_watch_has_the_last_word(history)
        else:
            refused += 1
    assert accepted > EXAMPLES / 20
    assert refused > EXAMPLES / 2


def test_the_watch_has_the_last_word_for_each_value_in_each_place():
    for document in variants(saved_by_a_daemon()):
        if history := loaded(document):
            assert_the_watch_has_the_last_word(history)


# --- what no value of its own shows -----------------------------------------------------------------------------------

ROW = saved_by_a_daemon()["tenures"][1]
"""A pod that holds its address."""


def with_tenures(*rows: list, slices: list | None = None) -> dict:
    document = saved_by_a_daemon()
    return document | {"tenures": list(rows), "slices": slices if slices is not None else []}


def always(row: list) -> list:
    row = copy.deepcopy(row)
    row[2][0] = row[2][1] = BEGINNING
    return row


def test_a_holder_that_nobody_would_ever_remove():
    """As a fixed address has, which no slice names."""
    row = next(row for row in saved_by_a_daemon()["tenures"] if row[2][2] == FOREVER)
    document = with_tenures(always(row))
    with pytest.raises(ValueError, match="always held"):
        History().load(document)
    History(retention=None).load(document)  # as `explain` does, with the histories of fixed addresses


def test_a_pod_that_holds_an_address_twice():
    """Only one of the two would end with the pod."""
    document = saved_by_a_daemon()
    name, numbers = next((row[1], row[-1]) for row in document["slices"] if row[-1])
    copied = len(document["tenures"])
    document["tenures"].append(copy.deepcopy(document["tenures"][numbers[0]]))
    twice = copy.deepcopy(document)
    next(row for row in twice["slices"] if row[1] == name)[-1].append(copied)
    with pytest.raises(ValueError, match="twice"):
        History().load(twice)
    row = copy.deepcopy(next(row for row in document["slices"] if row[1] == name))
    row[1], row[-1] = "another", [copied]
    document["slices"].append(row)
    with pytest.raises(ValueError, match="twice at present"):
        History().load(document)


def test_loading_takes_no_longer_than_the_file_is_large():
    """Not with the square of it: a hundred thousand slices that name one pod."""
    document = saved_by_a_daemon()
    row = next(row for row in document["slices"] if len(row[-1]) == 1 or row[-1])
    number = row[-1][0]
    namespace, name = row[2], row[3]
    document["slices"] = [["shop", f"slice-{n}", namespace, name, row[4], [number]] for n in range(100_000)]
    document["tenures"][number] = copy.deepcopy(document["tenures"][number])
    with pytest.raises(ValueError, match="more slices name a pod"):
        History().load(document)


@pytest.mark.parametrize("rows", ["ports", "tenures", "slices"])
def test_more_rows_than_a_history_keeps(rows):
    with pytest.raises(ValueError, match="more rows"):
        History().load(saved_by_a_daemon() | {rows: [None] * (saved_history.MAX_ROWS + 1)})


def test_more_tenures_of_an_address_than_a_history_keeps():
    document = saved_by_a_daemon()
    ended = next(row for row in document["tenures"] if row[2][2] != FOREVER)
    with pytest.raises(ValueError, match="an address has more tenures"):
        History().load(with_tenures(*[ended] * (saved_history.MAX_TENURES_OF_ADDRESS + 1)))


def test_what_a_history_keeps_can_be_loaded():
    """As many pods and slices as it takes at one address, and names of all lengths."""
    t = Timeline()
    for n in range(40):
        t.put(n, slice_(f"s{n}" + "-" * 200, pod("10.0.0.1", "host"), *(pod("10.0.0.2", f"p{i}") for i in range(50))))
    for n in range(200):
        t.put(100 + n, slice_("flapping", pod("10.0.0.3", f"p-{n}", uid="u" * 128, node="n" * 253)))
    history = History()
    history.load(orjson.loads(orjson.dumps(t.history.dump())))
    assert orjson.dumps(history.dump()) == orjson.dumps(t.history.dump())
    history.replace([read_slice(slice_("a"))], ns(400))
    assert history.open_tenures == 0
