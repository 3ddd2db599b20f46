"""Error lines as a real ingress-nginx controller's runtime frames them: out of step with the access lines."""

import orjson
import pytest

from tests.unit.enrich.controller_lines import enrich_all, framed

CLOSED = "upstream prematurely closed connection while reading response header from upstream"
REFUSED = "connect() failed (111: Connection refused) while connecting to upstream"


def error(stamp, message, addr, connection=19):
    return (
        f"2026-11-22T23:18:{stamp}Z stderr F 2026/11/22 23:18:31 [error] 95#95: *{connection} {message}, "
        f'client: 192.0.2.7, server: shop.test, request: "GET /cart HTTP/1.1", upstream: "http://{addr}/cart", '
        'host: "shop.test"'
    )


def access(stamp, took, addrs, times, statuses):
    return (
        f'2026-11-22T23:18:{stamp}Z stdout F 192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET /cart HTTP/1.1" 502 150 '
        f'"-" "-" 86 {took} [shop-web-80] [] {addrs} {", ".join(["0"] * len(times.split()))} {times} {statuses} id'
    )


@pytest.fixture
def attempts(make):
    """Makes the attempts of the last of some lines, each as its reason and origin."""

    def attempts(*lines, at_once=True):
        enricher, histories = make()
        parts = [lines] if at_once else [[line] for line in lines]
        out = b"".join(enrich_all(enricher, histories, framed("\n".join([*part, ""]).encode())) for part in parts)
        *_, row = (row for row in map(orjson.loads, out.splitlines()) if row["kind"] == "access")
        return [(attempt.get("reason"), attempt.get("origin")) for attempt in row["attempts"]]

    return attempts


@pytest.mark.parametrize("at_once", [True, False])
def test_one_upstream_tried_twice_within_milliseconds(attempts, at_once):
    """The first try of the first pod killed it, the second found it dead."""
    reasons = attempts(
        error("31.836524264", CLOSED, "10.0.0.1:80"),
        error("31.839377471", CLOSED, "10.0.0.2:80"),
        error("31.839493823", REFUSED, "10.0.0.1:80"),
        access("31.841221063", 0.007, "10.0.0.1:80, 10.0.0.2:80, 10.0.0.1:80", "0.004, 0.003, 0.000", "502, 502, 502"),
        at_once=at_once,
    )
    assert reasons == [("premature_close", "proxy"), ("premature_close", "proxy"), ("refused", "proxy")]


@pytest.mark.parametrize("stamp", ["30.900", "31.640", "31.748", "31.8", "31.981", "31.99"])
def test_an_error_line_that_is_stamped_too_early_or_too_late(attempts, stamp):
    """By nginx's own times the first try ended at 31.800; the access line was stamped at 31.890."""
    lines = sorted(
        [
            error(stamp, REFUSED, "10.0.0.1:80"),
            access("31.890668583", 0.091, "10.0.0.1:80, 10.0.0.2:80", "0.000, 0.090", "502, 200"),
        ]
    )
    assert attempts(*lines) == [("refused", "proxy"), (None, None)]
