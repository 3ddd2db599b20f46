"""What `tail`, `top` and the demo say of a failed attempt: why, and what its pod was in the middle of."""

import pytest

from enricher.report.record_view import attempts_text, cause_text, state_text
from tests.unit.report.test_pod_stats import record

REFUSED = {"reason": "refused", "cause": "shutting_down", "cause_grade": "likely"}


@pytest.mark.parametrize(
    ("failed", "text"),
    [
        ({}, ""),
        ({"cause": "unknown"}, ""),
        ({"cause": "application", "cause_grade": "certain"}, "application"),
        ({"cause": "crashed", "cause_grade": "likely"}, "crashed (likely)"),
        ({"reason": "no_endpoints", "cause": "no_endpoints", "cause_grade": "certain"}, ""),
        ({"cause": "crashed\x1b[2J", "cause_grade": "certain"}, r"crashed\x1b[2J"),
    ],
)
def test_cause(failed, text):
    assert cause_text(failed) == text


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        ({}, ""),
        ({"state": "ready", "state_seconds": 3.0}, ""),
        ({"state": "terminating", "state_seconds": 1.234, "late_seconds": 1.234}, "terminating for 1.2 s"),
        ({"state": "not_ready", "state_seconds": 0.6}, "not_ready for 0.6 s"),
        ({"state": "not_ready"}, "not_ready"),
        ({"state": "gone", "state_seconds": 0.6, "late_seconds": 31.5}, "gone, 31.5 s after it began to terminate"),
        ({"state": "gone", "state_seconds": 0.6}, "gone for 0.6 s"),
    ],
)
def test_state(attempt, text):
    assert state_text(attempt) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (record(0, ("a", 200, 0.1)), ""),
        (record(0, ("a", 502, 0.1, {"cause": "unknown"})), ""),
        (
            record(0, ("a", 502, 0.1, REFUSED | {"state": "terminating", "state_seconds": 1.2}), ("b", 200, 0.1)),
            "502 a refused, shutting_down (likely), terminating for 1.2 s → 200 b",
        ),
        (record(0, ("a", 500, 0.1, {"cause": "application", "cause_grade": "certain"})), "500 a application"),
        (record(0, ("a", 200, 0.1, {"state": "terminating", "late_seconds": 2.0})), "200 a terminating"),
        (record(0, status=503, reason="no_endpoints", cause="no_endpoints", cause_grade="certain"), "503 no_endpoints"),
        (record(0, status=503, reason="not_tried", cause="unknown"), "503 not_tried"),
        (
            record(0, status=503, reason="no_endpoints", namespace="shop", service="web", route="ingress/shop/web"),
            "503 shop/web no_endpoints",
        ),
        (
            record(0, status=503, reason="not_tried", route="httproute/shop/cart/rule/0"),
            "503 httproute/shop/cart/rule/0 not_tried",
        ),
        (record(0, status=None, reason="not_tried", route="a\x1b[2J"), r"- a\x1b[2J not_tried"),
    ],
)
def test_attempts(line, text):
    assert attempts_text(line) == text
