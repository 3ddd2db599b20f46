"""`enricher tail`: which requests are printed, by what became of them and by their route."""

import pytest

from enricher.cli.line_filter import LineFilter, parse_seconds, parse_statuses
from enricher.cli.main import main
from enricher.errors import UsageError

ROUTE = "httproute/shop/cart/rule/1"
SLOW = {"kind": "access", "status": 503, "request_time": 2.5, "route": ROUTE, "attempts": [{"status": 502}]}
FAST = {"kind": "access", "status": 200, "request_time": 0.0, "attempts": []}
TRY = {"kind": "try", "request_missing": "late", "attempts": [{"status": 503, "response_time": 0.7}]}
TIMELESS = {"kind": "access", "status": None, "request_time": None, "attempts": []}
ERROR = {"kind": "error", "message": "connect() failed"}
ALL = {"slow": SLOW, "fast": FAST, "try": TRY, "timeless": TIMELESS, "error": ERROR}


def matching(**conditions):
    return [name for name, record in ALL.items() if LineFilter(**conditions).matches(record)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("503", ["slow", "try"]), ("5xx", ["slow", "try"]), ("502", []), ("2xx,404", ["fast"]), ("404", [])],
)
def test_statuses(text, expected):
    assert matching(statuses=parse_statuses(text)) == expected


@pytest.mark.parametrize("text", ["", "5", "5x", "xx", "5xx,", "600x", "0xx", "-503", "\u0665xx"])
def test_what_is_not_a_status(text):
    with pytest.raises(UsageError, match="--status"):
        parse_statuses(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("0s", ["slow", "fast", "try"]), ("700ms", ["slow", "try"]), ("1s", ["slow"]), ("1m", [])]
)
def test_durations(text, expected):
    assert matching(slower_than=parse_seconds(text)) == expected


@pytest.mark.parametrize("text", ["", "1", "1h", "1.5s", "-1s", "s"])
def test_what_is_not_a_duration(text):
    with pytest.raises(UsageError, match="--slower-than"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        *(
            (pattern, ["slow"])
            for pattern in (ROUTE, "shop/cart", "shop", "cart", "httproute/shop/*", "cart/rule/1", "c*t")
        ),
        *((pattern, []) for pattern in ("art", "cart/rule/2", "ingress/*", "rule/1/x")),
    ],
)
def test_routes(pattern, expected):
    assert matching(route=pattern) == expected


def test_all_conditions_must_be_met():
    assert matching(statuses=parse_statuses("5xx"), slower_than=1, route="cart") == ["slow"]
    assert matching(statuses=parse_statuses("5xx"), slower_than=1, route="cart", errors=True, pod="x") == []


@pytest.mark.parametrize("option", ["-f", "--follow"])
def test_a_file_is_not_followed(capsys, option):
    for arguments in ([option, "a.log"], ["a.log", option]):
        assert main(["tail", *arguments]) == 2
        assert "use `tail -F a.log | enricher tail -`" in capsys.readouterr().err
    assert main(["tail", option, "--no-follow"]) == 2
    assert "cannot be combined" in capsys.readouterr().err
