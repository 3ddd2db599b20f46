"""Requests that nginx makes beside a client's own: a mirror's, and one to ask whether the client may.

The lines are like those that nginx 1.22 wrote with `log_subrequest on`, as ingress-nginx has it: the subrequest's line
comes first, with the same request id, without a byte of a request; `$proxy_upstream_name` is one variable for both.
"""

import orjson
import pytest

from enricher.line import Line
from tests.unit.enrich.controller_lines import STAMP, enrich_all

LINE = (
    '10.9.9.9 - - [22/Nov/2026:23:18:31 +0000] "GET /x HTTP/1.1" {status} 149 "-" "curl/8.5" {length} 0.010 '
    "[{name}] [] {addr} 0 {took} {statuses} 5f0c9b5be3f7a1d2c4b6a8f0e1d2c3b4"
)


def line(length, addr="10.0.0.1:8080", status=200, statuses="", took="0.001", name="-"):
    return LINE.format(length=length, addr=addr, status=status, statuses=statuses or status, took=took, name=name)


@pytest.fixture(params=[False, True], ids=["json", "count only"])
def enriched(request, make):
    """Return the output (nothing, if lines are only counted), the counted requests, and the pods' series."""

    def enriched(*texts):
        enricher, histories = make(count_only=request.param)
        data = enrich_all(enricher, histories, [Line(text.encode(), STAMP, "stdout") for text in texts])
        enricher.update_counts()
        metrics = enricher._tools.counts
        requests = sum(series.requests for _, series in metrics.requests.items())
        return list(map(orjson.loads, data.splitlines())), requests, dict(metrics.pods.items())

    return enriched


def test_a_mirrors_line_is_an_attempt_and_no_request(enriched):
    records, requests, pods = enriched(line(0, status=404), line(87))
    assert requests == 1
    assert sum(series.requests for series in pods.values()) == 2
    assert [record.get("subrequest") for record in records] in ([True, None], [])


def test_a_failure_of_which_the_client_knows_nothing(enriched):
    records, requests, pods = enriched(line(0, status=503), line(87))
    assert requests == 1
    assert [error.outcome for series in pods.values() for error in series.errors] == ["unknown"]
    assert [record["attempts"][0].get("outcome") for record in records] in (["unknown", None], [])


def test_several_attempts(enriched):
    tries = {"addr": "10.0.0.1:8080, 10.0.0.1:8080", "statuses": "502, 200", "took": "0.001, 0.002"}
    records, requests, pods = enriched(line(0, **tries))
    assert requests == 0
    assert sum(series.requests for series in pods.values()) == 2
    assert all(record["subrequest"] is True for record in records)


def test_a_request_that_is_refused_at_its_first_byte_is_a_request(enriched):
    records, requests, _ = enriched(line(0, addr="-", status=400, statuses="-", took="-"))
    assert requests == 1
    assert not any("subrequest" in record for record in records)
