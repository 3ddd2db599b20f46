"""Output records of requests at a proxy, made by hand, and comparisons of them."""

from enricher.cli.roll_ups import ROLL_UPS
from enricher.report.migration.comparison import compare
from enricher.report.migration.side import Side
from enricher.timestamps import SECOND, format_rfc3339

START = 1_795_773_600 * SECOND
"""2026-11-27T10:00:00Z."""


def request(service="cart", status=200, seconds=0.01, path="/cart", at=0.0, **fields):
    """A request that a pod answered, as nginx logs it; without a service, one that the proxy answered by itself."""
    made = {"time": format_rfc3339(START + int(at * SECOND)), "kind": "access", "status": status, "logged_by": {}}
    made |= {"request": f"GET {path} HTTP/1.1", "host": "shop.example", "request_time": seconds}
    made |= {"upstream_status": str(status), "attempts": []}
    if service:
        owner = {"namespace": "shop", "service": service, "pod": f"{service}-1", "node": "n", "attribution": "exact"}
        attempt = owner | {"addr": "10.0.0.1:80", "status": status, "response_time": seconds}
        if status >= 500:
            attempt |= {"cause": "application", "cause_grade": "certain", "outcome": "seen", "origin": "pod"}
        made |= owner | {"attempts": [attempt]}
    return made | fields


def side(records, by="service"):
    made = Side(ROLL_UPS[by])
    for record in records:
        made.add(record)
    return made


def migration(old, new, by="service"):
    return compare(side(old, by), side(new, by))


def row_of(compared, service="cart"):
    (row,) = [row for row in compared.rows if row.key == ("shop", service)]
    return row
