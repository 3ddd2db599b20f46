"""A proxy that says that the pod made a 502 or a 504 names the pod that made it, also across a take-over."""

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import profile_formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Line
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import AT, enrich_all, slice_of

ENVOY = (
    '[%s] "GET / HTTP/1.1" %d %s %s - "-" 0 31 4000 4000 "-" "-" "-" "shop.example" "10.0.0.1:80" shop '
    "10.0.0.9:1 10.0.0.9:2 192.0.2.7:0 - -"
)
"""Istio's format: a request that lasted four seconds."""


@pytest.mark.parametrize(
    ("status", "flags", "details", "expected"),
    [
        (200, "-", "via_upstream", ("exact", "new", None)),
        (503, "-", "via_upstream", ("exact", "new", "pod")),
        (502, "-", "via_upstream", ("exact", "new", "pod")),
        (504, "-", "via_upstream", ("exact", "new", "pod")),
        (504, "UT", "response_timeout", ("ambiguous", None, "proxy")),
    ],
)
def test_what_the_pod_answered_is_an_answer_whatever_its_status(history, status, flags, details, expected):
    end = AT + 5_000_000
    history.apply("MODIFIED", slice_of({"10.0.0.1": "new", "10.0.0.2": "web-2"}), end - 2 * SECOND)
    line = ENVOY % (format_rfc3339(end - 4 * SECOND)[:23] + "Z", status, flags, details)
    enricher = Enricher(FormatDetector(profile_formats("envoy")), Metrics(), node="n")
    lines = [Line(line.encode(), format_rfc3339(end).encode(), "stdout")]
    row = orjson.loads(enrich_all(enricher, Histories(history, History()), lines))
    (attempt,) = row["attempts"]
    assert (attempt["attribution"], attempt.get("pod"), attempt.get("origin")) == expected
