"""The daemon's log names who has more series than its share, now and then."""

import logging

import pytest

from enricher.daemon.overflow_log import LOG_INTERVAL, OverflowLog
from enricher.metrics.bounded import MAX_NAMESPACES, Overflow


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO)
    overflow = Overflow()
    log = OverflowLog(overflow)

    def logged(at, *namespaces):
        caplog.clear()
        for namespace in namespaces:
            overflow.count(namespace, 2)
        log.update(at)
        return [record.getMessage() for record in caplog.records]

    logged.overflow = overflow
    return logged


def test_a_namespace_is_named_once_an_hour(logged):
    assert logged(0) == []
    [text] = logged(60, "evil")
    assert text.startswith("namespace evil has more series than its share of --max-series: 2 attempts or requests")
    assert logged(120, "evil") == []
    assert [text.split()[1] for text in logged(180, "evil", "other")] == ["other"]
    assert logged(60 + LOG_INTERVAL) == []
    assert len(logged(61 + LOG_INTERVAL, "evil")) == 1


def test_namespaces_that_only_lines_name_are_one(logged):
    assert logged(0, None, None)[0].startswith('namespace "" (none, or one without pods) has')


def test_a_name_cannot_move_the_cursor(logged):
    assert "\x1b" not in logged(0, "tenant\x1b[2J")[0]


def test_the_namespaces_are_bounded(logged):
    assert len(logged(0, *(f"tenant-{n}" for n in range(2 * MAX_NAMESPACES)))) == MAX_NAMESPACES + 1
    assert logged.overflow.counted["overflow"] == 2 * MAX_NAMESPACES
