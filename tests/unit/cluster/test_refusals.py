"""Slices that name other people's pods, or too many: which namespace they are in is logged, within bounds."""

import logging

import pytest

from enricher.cluster.endpoint_source import MAX_REFUSALS, REFUSAL_INTERVAL, RefusalLog
from enricher.endpoints.history import MAX_CLAIMS, History
from enricher.endpoints.refusals import MAX_NAMESPACES, OTHER_NAMESPACES
from tests.unit.endpoints.timeline import pod, slice_


def claims(namespace, number=1, **more):
    """Return a slice that names pods of the namespace `shop`."""
    obj = slice_("a", *(pod("10.0.0.1", f"web-{n}", **more) for n in range(number)))
    obj["metadata"]["namespace"] = namespace
    return obj


@pytest.fixture
def refused(caplog):
    history = History()
    log = RefusalLog(history)

    def refused(at, *slices):
        """Return what is logged at this second because of some slices."""
        caplog.clear()
        for obj in slices:
            history.apply("MODIFIED", obj, 10**18)
        log.update(at)
        return [record.getMessage() for record in caplog.records]

    caplog.set_level(logging.INFO)
    refused.history = history
    return refused


def test_a_namespace_is_named_once_an_hour(refused):
    [text] = refused(0, claims("tenant"), claims("tenant"))
    assert text == "EndpointSlices in namespace tenant have pods of other namespaces: these endpoints are not used"
    assert refused(60, claims("tenant")) == []
    assert refused(REFUSAL_INTERVAL, claims("tenant")) == [text]
    assert refused(2 * REFUSAL_INTERVAL) == []
    assert dict(refused.history.refusals.counts) == {("tenant", "foreign_pod"): 4}


def test_too_many_pods_at_one_address(refused):
    assert refused(0, claims("shop", MAX_CLAIMS)) == []
    assert len(refused(60, claims("shop", MAX_CLAIMS + 1))) == 1


def test_what_is_logged_and_kept_has_a_limit(refused):
    assert len(refused(0, *(claims(f"tenant-{n}") for n in range(2 * MAX_NAMESPACES)))) == MAX_REFUSALS
    assert refused(1, *(claims(f"tenant-{n}") for n in range(2 * MAX_NAMESPACES))) == []
    counts = refused.history.refusals.counts
    assert len(counts) == MAX_NAMESPACES + 1
    assert counts[OTHER_NAMESPACES, "foreign_pod"] == 2 * MAX_NAMESPACES
    assert counts["tenant-0", "foreign_pod"] == 2


def test_a_name_cannot_move_the_cursor(refused):
    assert "\x1b" not in refused(0, claims("tenant\x1b[2J"))[0]


def test_each_reason_is_named(refused):
    several = claims("shop")
    several["endpoints"][0]["addresses"].append("10.0.0.2")
    malformed = claims("shop")
    malformed["endpoints"][0]["nodeName"] = "a b"
    [text] = refused(0, several, malformed)
    assert text == (
        "EndpointSlices in namespace shop have several addresses of one endpoint, names that are malformed, or "
        "addresses that are not of the slice's type: these endpoints are not used"
    )
