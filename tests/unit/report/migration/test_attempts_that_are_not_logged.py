"""How many requests may have had attempts that the log does not show, and attempts whose request it does not show."""

import pytest

from enricher.report.migration.notes import notes
from tests.unit.enrich.generators.envoy_tries import FORMAT, WITHOUT_NUMBER, Entry, Log
from tests.unit.report.migration.records import migration, request, row_of, side

NGINX = [request()] * 4
ENVOY = [request(upstream_status=200)] * 4
"""By the defaults."""
BOTH = [{"addr": "10.0.0.1:80", "status": 503, "response_time": 0.1, "attribution": "exact"}] * 2


def counted(numbers):
    """Return requests with their number of attempts."""
    return [request(upstream_status=200, upstream_attempts=number) for number in numbers]


@pytest.mark.parametrize(
    ("records", "incomplete"),
    [
        (NGINX, 0),
        (ENVOY, 4),
        ([*NGINX, *ENVOY], 4),
        ([*ENVOY, *NGINX], 4),
        ([*ENVOY, request(upstream_status="502, 200", attempts=BOTH)], 4),
        (counted([1, 1, 1]), 0),
        (counted([1, 3, 1, 2]), 2),
        ([request(upstream_status=200, upstream_attempts=3, attempts=BOTH)], 1),
        ([request(upstream_status=200, termination_state="--", retries=number) for number in (0, 0, 1)], 1),
        ([request(upstream_status=None, upstream_addr="a, b", attempts=BOTH), *ENVOY], 0),
        ([request(service="", status=404)], 0),
    ],
)
def test_by_what_each_record_says(records, incomplete):
    assert side(records).listed.incomplete == incomplete


def envoy(log_format, *requests):
    """Return the output of a log with lines of attempts; each request has the statuses of its attempts."""
    log = Log(log_format)
    for number, statuses in enumerate(requests):
        for place, status in enumerate(statuses):
            log.add(Entry("UpstreamEnd", f"id-{number}", status=status, host=f"10.0.0.{place}:80"))
        host = f"10.0.0.{len(statuses) - 1}:80"
        log.add(Entry("DownstreamEnd", f"id-{number}", status=statuses[-1], host=host, number=len(statuses)))
    log.end()
    return log.rows


@pytest.mark.parametrize("log_format", [FORMAT, WITHOUT_NUMBER])
def test_lines_of_attempts_by_their_share(log_format):
    with_attempts = envoy(log_format, [200], [503, 200], [200], [503, 503, 503])
    assert side(with_attempts).listed.incomplete == 0
    without = [row for row in envoy(WITHOUT_NUMBER, [200], [200], [503]) if row["kind"] == "access"]
    for records in ([*with_attempts, *without], [*without, *with_attempts]):
        assert side(records).listed.incomplete == len(without)


def test_the_note_says_of_how_many():
    [note] = [note for note in notes(migration(NGINX, [*NGINX, *ENVOY])) if "last attempt" in note]
    assert note.startswith("NEW logs only the last attempt of 4 of 8 requests: ")
    [note] = [note for note in notes(migration(NGINX, ENVOY)) if "last attempt" in note]
    assert note.startswith("NEW logs only the last attempt of a request: ")


def test_attempts_without_their_request_count_at_their_service():
    attempt = request(status=503)["attempts"][0]
    lone = {"time": None, "kind": "try", "logged_by": {}, "request_missing": "late", "attempts": [attempt]}
    row = row_of(migration(NGINX, [*NGINX, lone])).new
    assert row.requests.requests == 4
    assert (row.attempts.attempts, row.attempts.errors, row.attempt_error_share) == (5, 1, 0.2)
