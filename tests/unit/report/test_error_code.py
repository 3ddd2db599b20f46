"""An attempt of the output is an error by its status, or by its origin if its status is not known."""

import pytest

from enricher.report.record_view import error_code


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        ({"status": 200}, ""),
        ({"status": 502, "origin": "unknown"}, "502"),
        ({"status": 200, "grpc_status": "INTERNAL", "origin": "pod"}, "INTERNAL"),
        ({"status": None}, ""),
        ({"status": None, "reason": "reset"}, ""),
        ({"status": None, "origin": "unknown"}, "unknown"),
        ({"status": None, "origin": "proxy", "reason": "refused"}, "unknown"),
        ({"status": None, "grpc_status": "INTERNAL", "origin": "pod"}, "INTERNAL"),
    ],
)
def test_error_code(attempt, code):
    assert error_code(attempt) == code
