"""What a log does not tell is a question mark and a sentence, and never a number that only looks like another."""

import orjson
import pytest

from enricher.report.migration.as_data import json_comparison
from enricher.report.migration.notes import notes
from enricher.report.migration.texts import COLUMNS, values
from enricher.report.record_view import retries_of
from tests.unit.report.migration.records import migration, request, row_of

ATTEMPT = {"addr": "10.0.0.1:80", "status": 200, "response_time": 0.1, "attribution": "exact"}
REDIRECTED = ATTEMPT | {"internal_redirect": True}


@pytest.mark.parametrize(
    ("fields", "retries"),
    [
        ({"upstream_status": "200", "attempts": [ATTEMPT]}, 0),
        ({"upstream_status": "502, 200", "attempts": [ATTEMPT] * 2}, 1),
        ({"upstream_status": "502, 502 : 200", "attempts": [ATTEMPT] * 2 + [REDIRECTED]}, 1),
        ({"upstream_status": "-", "attempts": []}, 0),
        ({"upstream_attempts": 3, "attempts": [ATTEMPT]}, 2),
        ({"upstream_attempts": 0, "attempts": []}, 0),
        ({"upstream_attempts": 0, "attempts": [ATTEMPT]}, None),
        ({"upstream_attempts": 3, "attempts": [ATTEMPT] * 3}, 2),
        ({"termination_state": "----", "retries": 1, "attempts": [ATTEMPT]}, 1),
        ({"retries": 0, "upstream_status": 200, "attempts": [ATTEMPT]}, None),
        ({"upstream_addr": "10.0.0.1:80", "attempts": [ATTEMPT]}, None),
    ],
    ids=[
        "nginx",
        "nginx-2",
        "redirect",
        "nobody",
        "envoy",
        "envoy-nobody",
        "router",
        "joined",
        "haproxy",
        "traefik",
        "bare",
    ],
)
def test_retries(fields, retries):
    assert retries_of({"kind": "access"} | fields) == retries


def cells(compared, proxy):
    return dict(zip(COLUMNS, values(getattr(row_of(compared), proxy)), strict=True))


def test_retries_that_are_not_logged():
    compared = migration([request()] * 10, [request(upstream_status=200)] * 10)
    assert (cells(compared, "old")["retries"], cells(compared, "new")["retries"]) == ("0.000", "?")
    assert list(notes(compared)) == [
        "NEW does not log how often a request was tried: its retries are not known.",
        "NEW logs only the last attempt of a request: what failed before it is not in its numbers.",
        "What can be added to the log of NEW: see docs/proxies/index.md#which-change-your-proxy-needs",
    ]


def test_times_of_whole_requests_do_not_stand_beside_those_of_upstreams():
    substituted = request()
    substituted["attempts"] = [substituted["attempts"][0] | {"response_time_of": "request"}]
    compared = migration([request()] * 10, [request()] * 9 + [substituted])
    assert (cells(compared, "old")["up p50"], cells(compared, "new")["up p50"]) == ("0.010", "?")
    assert cells(compared, "new")["p50 s"] == "0.010"
    assert any("NEW does not log how long upstreams took" in note for note in notes(compared))
    assert orjson.loads(json_comparison(compared))["rows"][0]["new"]["upstream_p50_seconds"] is None


@pytest.mark.parametrize("value", [None, "-", "soon", -1, [1]])
def test_times_that_are_not_times(value):
    compared = migration([request()] * 10, [request(request_time=value)] * 10)
    assert any("NEW does not log how long requests took." in note for note in notes(compared))


def test_logs_without_times_of_day_and_without_hosts():
    compared = migration([request(host="-")] * 3, [request(time=None)] * 3)
    assert list(notes(compared)) == [
        "NEW does not log when requests were made.",
        "OLD does not log hosts: paths are those of all hosts together.",
    ]


def test_a_proxy_without_requests():
    compared = migration([request()] * 3, [])
    assert list(notes(compared)) == ["NEW has no requests."]
    assert set(cells(compared, "new").values()) == {"0", "-"}


def test_subrequests_are_not_requests():
    compared = migration([request()] * 3, [request()] * 3 + [request(status=403, subrequest=True)])
    assert row_of(compared).new.requests.requests == 3
