"""Who made a 5xx: the pod, or the proxy that could not reach it; and where the log does not tell, that it does not."""

import pytest

from enricher.accesslog.record import Attempt
from enricher.enrich.error_correlation import error_origin
from tests.unit.enrich.controller_lines import STAMP

FORMAT = "$remote_addr $status $upstream_addr $upstream_status $upstream_response_length $upstream_header_time"


@pytest.mark.parametrize(
    ("status", "length", "has_header", "explained", "made_by"),
    [
        (None, None, None, False, ""),
        (200, 5, None, False, ""),
        (499, 0, None, False, ""),
        (600, 5, None, False, ""),
        (500, 5, None, False, "pod"),
        (503, 0, None, False, "pod"),
        (503, 9, None, True, "pod"),  # it began an answer, and broke it off
        (502, 0, None, True, "proxy"),
        (504, 0, None, True, "proxy"),
        (502, 7, None, False, "pod"),
        (502, 0, None, False, "unknown"),
        (502, None, None, False, "unknown"),
        (502, 0, False, False, "proxy"),
        (502, 0, True, False, "pod"),
        (504, 0, True, False, "pod"),
    ],
)
def test_who_made_it(status, length, has_header, explained, made_by):
    assert error_origin(Attempt("10.0.0.1:80", status, 1, length, has_header), explained=explained) == made_by


def test_a_format_with_the_header_time_tells_them_apart(enriched):
    rows = enriched(
        b"192.0.2.7 502 10.0.0.1:80 502 0 -",
        b"192.0.2.7 502 10.0.0.1:80 502 0 0.001",
        b"192.0.2.7 200 10.0.0.1:80, 10.0.0.2:80 502, 200 0, 5 -, 0.001",
        format_=FORMAT,
        stamp=STAMP,
    )
    assert [[a.get("origin") for a in row["attempts"]] for row in rows] == [["proxy"], ["pod"], ["proxy", None]]
