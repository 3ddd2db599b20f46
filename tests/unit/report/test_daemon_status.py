"""The answer of a daemon is used if it is what docs/status-page.md says, and else refused in words."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.report.daemon_status import DaemonStatus, parse_status
from enricher.timestamps import MINUTE, parse_rfc3339
from tests.support.statuses import FAILING, OUT_OF_SYNC, POD, QUIET

DOCUMENT = orjson.loads(orjson.dumps(FAILING))
USED = [
    *((name,) for name in ("at", "node", "problem", "sources", "failing", "untried", "causes")),
    *(
        ("failing", 0, name)
        for name in ("namespace", "service", "pod", "node", "errors_per_minute", "hidden_per_minute", "requests")
    ),
    *(("failing", 1, name) for name in ("guesses", "errors", "by_code", "failures")),
    *(("failing", 0, "by_code", 1, name) for name in ("code", "origin", "errors")),
    *(("untried", 2, name) for name in ("namespace", "service", "reason", "requests", "requests_per_minute")),
    *(("causes", 0, name) for name in ("namespace", "service", "by_cause")),
    *(("causes", 0, "by_cause", 1, name) for name in ("cause", "cause_grade", "failures")),
]
"""Each field that is read."""


def changed(path, value=None, *, removed=False):
    """The document with another value at a place, or with none."""
    document = orjson.loads(orjson.dumps(DOCUMENT))
    at = document
    for step in path[:-1]:
        at = at[step]
    if removed:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return orjson.dumps(document)


def test_what_a_daemon_sends_is_read():
    status = parse_status(orjson.dumps(FAILING))
    assert (status.node, status.problem, status.sources) == ("node-1", "", 1)
    assert status.minute == parse_rfc3339(FAILING.at.encode()) // MINUTE
    first, second = status.failing
    assert (first.namespace, first.service, first.pod, first.node) == ("shop", "web", "web-1", "node-1")
    assert (second.namespace, second.pod) == ("", "")
    assert (first.errors_per_minute, first.hidden_per_minute) == (POD.errors_per_minute, POD.hidden_per_minute)
    assert (first.requests, first.guesses, first.errors) == (1000, 1, 15)
    assert first.codes == {("502", "proxy"): 14, ("503", "pod"): 1}
    assert first.reasons == {"refused": 14}
    assert [(each.service, each.reason, each.requests, sum(each.requests_per_minute)) for each in status.untried] == [
        ("down", "no_endpoints", 1234, 34),
        ("down", "not_tried", 1, 1),
        ("", "not_tried", 3, 3),
    ]
    assert status.causes[0].causes == {("shutting_down", "likely"): 4, ("unknown", ""): 1}
    assert parse_status(orjson.dumps(OUT_OF_SYNC)).problem == OUT_OF_SYNC.problem
    assert parse_status(orjson.dumps(QUIET)).failing == []


def test_codes_of_two_protocols_are_added_up():
    kinds = [DOCUMENT["failing"][0]["by_code"][0] | {"protocol": protocol} for protocol in ("http", "grpc")]
    assert parse_status(changed(("failing", 0, "by_code"), kinds)).failing[0].codes == {("502", "proxy"): 28}


@pytest.mark.parametrize("path", USED)
def test_a_field_that_is_missing_is_named_with_the_version(path):
    """An older or a newer daemon has other fields."""
    answer = parse_status(changed(path, removed=True))
    assert answer == f"status.json has no usable {path[-1]}: the daemon is of version 0.1.0"


WRONG = (True, -1, 1.5, "x" * 9, [], {}, [None], [1] * 59, [-1] * 60, [True] * 60, 1 << 60, {"x": "y"}, [{}])


@pytest.mark.parametrize("path", USED)
def test_a_field_of_another_type_is_refused(path):
    refused = [parse_status(changed(path, value)) for value in WRONG]
    assert sum(isinstance(answer, str) for answer in refused) >= len(WRONG) - 3, "few values fit a field"
    for answer in refused:
        assert isinstance(answer, DaemonStatus) or answer.startswith("status.json has no usable ")


@pytest.mark.parametrize("body", [b"", b"[", b"null", b"7", b'"x"', b"[]", b"{}", b"\xff", b'{"version": {"a": 1}}'])
def test_something_else_is_refused(body):
    assert isinstance(parse_status(body), str)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(path=st.sampled_from(USED), value=ANY)
def test_nothing_raises(path, value):
    try:
        body = changed(path, value)
    except (TypeError, ValueError):
        return  # JSON cannot hold it
    assert isinstance(parse_status(body), DaemonStatus | str)


@pytest.mark.parametrize("at", ["", "yesterday", "0001-01-01T00:00:00Z", "9999-99-99T99:99:99Z"])
def test_a_time_that_is_none(at):
    assert parse_status(changed(("at",), at)).startswith("status.json has no usable at")


def test_texts_are_cut():
    status = parse_status(changed(("failing", 0, "pod"), "p" * 10_000))
    assert len(status.failing[0].pod) < 300
    assert len(parse_status(orjson.dumps({"version": "v" * 10_000}))) < 400
