"""That failures come by one route, listener or Gateway is said if others of the service did well, and only then."""

import pytest

from enricher.report.findings import diagnosis
from enricher.report.findings.as_text import text_lines, totals_texts
from tests.unit.report.findings.records import attempt, diagnose, only_finding, record

ROUTES = [f"httproute/shop/cart/rule/{number}" for number in range(3)]


def entry(route=0, gateway="infra/main", listener="https"):
    return {"route": ROUTES[route], "gateway": gateway, "listener": listener}


def mixed(number, *entries, failing=0):
    """So many requests by each entry in turn, at three pods each; those by the `failing` one fail."""
    return [
        record(attempt(f"web-a-{n % 3}", "application" if index == failing else ""), at=n + index / 10, **by)
        for n in range(number)
        for index, by in enumerate(entries)
    ]


def test_all_failures_come_by_one_rule():
    finding = only_finding(*mixed(40, entry(1), entry(0), entry(2)))
    assert finding.evidence[0] == (
        f"All 40 failures came by route {ROUTES[1]}, none by {ROUTES[0]} and {ROUTES[2]}, where 80 attempts went well."
    )
    assert finding.routes == {ROUTES[1]: 40}
    assert finding.gateways == {"infra/main": 40}


def test_all_failures_come_by_one_listener():
    finding = only_finding(*mixed(40, entry(listener=":10080"), entry()))
    assert finding.evidence[0] == (
        "All 40 failures came by listener :10080 of infra/main, none by https of infra/main, "
        "where 40 attempts went well."
    )


def test_all_failures_come_by_one_gateway_whose_listeners_both_have_them():
    inner = [entry(gateway="infra/inner", listener=name) for name in ("https", "http")]
    records = [*mixed(20, inner[0], entry()), *mixed(20, inner[1], entry())]
    assert only_finding(*records).evidence[0] == (
        "All 40 failures came by Gateway infra/inner, none by infra/main, where 40 attempts went well."
    )


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(mixed(40, entry(1)), id="there is no other route"),
        pytest.param([*mixed(20, entry(1), entry(0)), *mixed(20, entry(0), entry(1))], id="all have failures"),
        pytest.param(mixed(3, entry(1), entry(0)), id="too few to be more than chance"),
        pytest.param([*mixed(99, entry(0), failing=1), *mixed(40, entry(1))[:0]], id="there are no failures"),
    ],
)
def test_what_is_not_said(records):
    findings = diagnose(*records).findings()
    assert not any("came by" in text for finding in findings for text in finding.evidence)


def test_routes_that_were_not_tried_at_the_time_prove_nothing():
    before = [record(attempt("web-a-1"), at=n, **entry(0)) for n in range(50)]
    after = [record(attempt("web-a-1", "application"), at=1000 + n, **entry(1)) for n in range(50)]
    assert not any("came by" in text for text in only_finding(*before, *after).evidence)


def untried(route, **fields):
    return record(**{"reason": "not_tried", "cause": "unknown", "origin": "proxy", "route": route} | fields)


def test_failures_of_services_without_a_name_are_told_apart_by_their_routes():
    """Envoy Gateway names no service if it tries no pod."""
    findings = diagnose(*(untried(ROUTES[n % 2], at=n) for n in range(5))).findings()
    assert [(finding.headline, finding.failures) for finding in findings] == [
        (f"{ROUTES[0]}: no pod was tried", 3),
        (f"{ROUTES[1]}: no pod was tried", 2),
    ]
    with_service = diagnose(*(untried(ROUTES[n % 2], namespace="shop", service="web") for n in range(5))).findings()
    assert [finding.headline for finding in with_service] == ["shop/web: no pod was tried"]


def test_a_tenants_many_routes_take_no_ones_finding(monkeypatch):
    monkeypatch.setattr(diagnosis, "MAX_GROUPS", 10)
    evil = [untried(f"httproute/evil/r-{n}/rule/0") for n in range(100)]
    made = diagnose(*evil[:50], *(untried(route) for route in ROUTES), *evil[50:])
    headlines = " ".join(finding.headline for finding in made.findings())
    assert all(route in headlines for route in ROUTES)
    assert made.totals.failures == 103 == sum(f.failures for f in made.findings()) + made.totals.without_place


def test_what_is_not_compared_is_counted(monkeypatch):
    monkeypatch.setattr(diagnosis, "MAX_ENTRIES", 9)
    evil = [record(attempt("web-a-1", namespace="evil"), route=f"httproute/evil/r-{n}/rule/0") for n in range(100)]
    made = diagnose(*mixed(40, entry(1), entry(0)), *evil)
    assert "came by route" in made.findings()[0].evidence[0]
    assert made.totals.routes_without_place > 90
    assert any("not compared by route" in text for text in totals_texts(made.findings(), made.totals))


def test_a_route_cannot_write_to_a_terminal():
    finding = only_finding(*(untried("a\x1b[2J" + "x" * 9999, gateway="b\x1b[2J") for _ in range(2)))
    text = "\n".join(line.text for line in text_lines([finding], diagnose().totals, 80))
    assert "\x1b" not in text
    assert len(text) < 2000
