"""An attempt at a pod that should get none any more says how late it was, and is counted, whether it failed or not."""

import pytest

from enricher.metrics.counters import Metrics
from enricher.metrics.series import LATENESS_BUCKETS
from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.enrich.test_states_of_attempts import attempt

BEGUN = 27
"""Ms from the earliest beginning of the attempt to its line; see test_states_of_attempts.py."""


def late_series(metrics: Metrics) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Return the number of late attempts by their labels, and the sum of their lateness in ms."""
    return {key: (sum(series.buckets), series.time // MILLISECOND) for key, series in metrics.late.items()}


@pytest.mark.parametrize("status", [b"200", b"502"])
@pytest.mark.parametrize(
    ("changes", "state", "seconds"),
    [
        ([(60_000, "ready"), (4_000 + BEGUN, "terminating")], "terminating", 4),
        ([(60_000, "ready"), (9_000 + BEGUN, "not_ready"), (4_000 + BEGUN, "terminating")], "terminating", 4),
        ([(60_000, "ready"), (4_000 + BEGUN, "not_ready")], "not_ready", 4),
        ([(60_000, "ready"), (4_000 + BEGUN, "terminating"), (1_000 + BEGUN, "gone")], "gone", 4),
        ([(60_000, "ready"), (1_000 + BEGUN, "gone")], "gone", 1),
    ],
    ids=["terminating", "not ready before", "not ready", "gone", "gone at once"],
)
def test_late_attempt(changes: list[tuple[int, str]], state: str, seconds: float, status: bytes) -> None:
    found, metrics = attempt(changes, status=status)
    assert (found["state"], found["late_seconds"]) == (state, seconds)
    assert late_series(metrics) == {("shop", "web", state): (1, seconds * 1000)}


@pytest.mark.parametrize("status", [b"200", b"502"])
@pytest.mark.parametrize(
    "changes",
    [
        [(60_000, "ready")],
        [(60_000, "ready"), (9_000, "not_ready"), (4_000, "ready")],
        [(9_000, "not_ready")],
        [(60_000, "ready"), (BEGUN - 1, "terminating")],
        [(60_000, "ready"), (0, "terminating")],
    ],
    ids=["ready", "ready again", "not ready yet", "terminating at about that time", "terminating after it"],
)
def test_attempt_that_is_not_certain_to_be_late(changes: list[tuple[int, str]], status: bytes) -> None:
    found, metrics = attempt(changes, status=status)
    assert "late_seconds" not in found
    assert not metrics.late


def test_an_attempt_counts_in_the_bucket_that_it_does_not_exceed() -> None:
    _, metrics = attempt([(60_000, "ready"), (2_000 + BEGUN, "terminating")])
    (series,) = metrics.late.values()
    assert series.buckets == [int(bound == 2) for bound in LATENESS_BUCKETS] + [0]
    assert series.time == 2 * SECOND
