"""However many services a log names, rows are bounded, no namespace takes those of another, and no request is lost."""

import pytest

from enricher.report import pod_stats
from enricher.report.migration import side as side_module
from enricher.report.migration.as_data import json_comparison
from tests.unit.report.migration.records import migration, request

LIMIT = 10


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(pod_stats, "MAX_PODS", LIMIT)
    monkeypatch.setattr(side_module, "MAX_PODS", LIMIT)


def of_namespace(record, namespace):
    owners = [attempt | {"namespace": namespace} for attempt in record["attempts"]]
    return record | {"namespace": namespace, "attempts": owners}


def test_services_have_rows_in_fair_shares():
    many = [of_namespace(request(f"s-{number}", 404), "evil") for number in range(500)]
    few = [request("cart")] * 200 + [request("pay")] * 200
    compared = migration(few, many + few)
    keys = [row.key for row in compared.rows]
    assert {("shop", "cart"), ("shop", "pay"), ("—", "overflow")} <= set(keys)
    assert len(keys) <= LIMIT + 1
    assert sum(row.new.requests.requests for row in compared.rows) == 900
    assert sum(row.new.attempts.attempts for row in compared.rows if row.new.attempts) == 900
    (overflow,) = [row for row in compared.rows if row.key[-1] == "overflow"]
    assert overflow.verdict is None
    assert b'{"namespace":null,"service":"overflow","verdict":null' in json_comparison(compared)
