"""`enrich --summary`, `top` and `diagnose` by route, Gateway and listener, with lines as Envoy Gateway writes them."""

import csv
import io
import json

import pytest

from enricher.cli.main import main
from enricher.cli.roll_ups import ROLL_UPS
from enricher.report.pod_stats import PodStats
from tests.support.terminals import assert_harmless
from tests.unit.cli.test_top import screen, top

MAIN = "envoy-gateway-system_envoy-infra-main-gw-ffdcc7e7-7f9c5d8b6-x2x4z_0f3a/envoy"
"""The directory of the log of a pod of Envoy Gateway's for `infra/main-gw`."""
SHARED = "envoy-gateway-system_envoy-eg-d8c59e83-7f9c5d8b6-x2x4z_0f3b/envoy"
"""The same with `mergeGateways`, for the GatewayClass `eg`."""


def line(second, route, status=200, host="10.0.0.1:80", port=10443, **more):
    fields = {"start_time": f"2026-11-26T22:41:{second:02}.125Z", "response_code": status, "duration": 1}
    fields |= {"response_flags": "-" if host else "UH", "upstream_host": host, "route_name": route}
    fields |= {"upstream_cluster": route and route.partition("/match")[0], ":authority": "a.com", "method": "GET"}
    fields |= {"response_code_details": "via_upstream" if host else "no_healthy_upstream", "bytes_sent": 1}
    fields |= {"downstream_local_address": f"10.244.0.7:{port}", "protocol": "HTTP/1.1", "x-envoy-origin-path": "/"}
    return f"2026-11-26T22:41:{second:02}.9Z stdout F {json.dumps(fields | more, separators=(',', ':'))}\n"


@pytest.fixture
def logs(tmp_path, endpoints):
    def rule(number):
        return f"httproute/shop/cart/rule/{number}/match/0/a_com"

    first = [line(n, rule(0)) for n in range(5)] + [line(n, rule(1), 500, port=10080) for n in range(4)]
    first += [line(7, rule(2), 503, None), line(8, None, 404, None)]
    chain = {"filter_chain_name": "infra/inner/http", "downstream_tls_version": "TLSv1.3"}
    second = [line(n, rule(0), **chain) for n in range(2)] + [line(3, rule(0))]
    for directory, lines in ((MAIN, first), (SHARED, second)):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "0.log").write_text("".join(lines))
    return ["--endpoints", str(endpoints), "--profile", "envoy", str(tmp_path)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "route",
            {
                ("infra/main-gw", "httproute/shop/cart/rule/0", "5", "0", "0"),
                ("infra/main-gw", "httproute/shop/cart/rule/1", "4", "4", "0"),
                ("infra/main-gw", "httproute/shop/cart/rule/2", "0", "1", "1"),
                ("infra/inner", "httproute/shop/cart/rule/0", "2", "0", "0"),
                ("", "httproute/shop/cart/rule/0", "1", "0", "0"),
            },
        ),
        ("gateway", {("infra/main-gw", "9", "5", "1"), ("infra/inner", "2", "0", "0"), ("", "1", "0", "0")}),
        (
            "listener",
            {
                ("infra/main-gw", ":10443", "5", "1", "1"),
                ("infra/main-gw", ":10080", "4", "4", "0"),
                ("infra/inner", "http", "2", "0", "0"),
                ("", "", "1", "0", "0"),
            },
        ),
    ],
)
def test_rows(capsys, logs, by, expected):
    assert main(["enrich", "--summary", "--by", by, "-o", "csv", *logs]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    width = rows[0].index("attempts")
    assert rows[0][width - 1] == by
    assert {(*row[: width + 2], row[width + 2]) for row in rows[1:]} == expected


def test_what_a_line_says(capsys, logs):
    assert main(["enrich", *logs]) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    found = [(row.get("route"), row.get("gateway"), row.get("listener")) for row in rows if row["status"] == 404]
    assert found == [(None, "infra/main-gw", ":10443")]
    assert {row.get("gateway") for row in rows} == {"infra/main-gw", "infra/inner", None}
    assert not any("listener" in row for row in rows if "gateway" not in row)


def test_diagnose_tells_the_rule(capsys, logs):
    assert main(["diagnose", "-o", "json", *logs]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    (of_route,) = [finding for finding in findings if not finding["service"]]
    assert of_route["headline"].startswith("httproute/shop/cart/rule/2: ")
    assert of_route["routes"] == {"httproute/shop/cart/rule/2": 1}
    assert of_route["gateways"] == {"infra/main-gw": 1}


@pytest.mark.parametrize("by", ROLL_UPS)
async def test_top_has_the_rows_of_what_was_asked_for(by):
    record = {"time": "2026-11-26T22:41:01Z", "kind": "access", "status": 502, "request": "GET / HTTP/1.1"}
    record |= {"gateway": "infra/main", "listener": "https\x1b[2J", "route": "httproute/shop/cart/rule/1"}
    attempt = {"addr": "10.0.0.1:80", "status": 502, "response_time": None, "attribution": "exact"}
    attempt |= {"pod": "web-7f9c6d5b48-x2x2x", "namespace": "shop", "service": "web", "node": "node-1", "zone": "a"}
    stats = PodStats(None, roll_up=ROLL_UPS[by])
    record |= {"attempts": [attempt | {"cause": "unknown", "outcome": "seen"}]}
    async with top(record, stats=stats, size=(140, 24)) as (app, _):
        text = screen(app)
    (row,) = stats.rows(stats.newest)
    assert " ".join(ROLL_UPS[by].columns) in " ".join(text.split())
    assert all(name in text for name in row.key)
    assert f"last failures of {row.key[-1]}" in text
    assert_harmless(text)


@pytest.mark.parametrize(
    ("by", "section"),
    [
        ("gateway", "the-gateway-and-its-listener"),
        ("listener", "the-gateway-and-its-listener"),
        ("route", "the-route"),
        ("service", ""),
    ],
)
def test_that_no_line_shows_what_the_rows_are_made_of_is_said(tmp_path, endpoints, capsys, by, section):
    path = tmp_path / "copied.log"
    path.write_text(line(1, None) + line(2, None, 503))
    assert (
        main(["enrich", "--endpoints", str(endpoints), "--profile", "envoy", "--summary", "--by", by, str(path)]) == 0
    )
    err = capsys.readouterr().err
    assert (f"docs/proxies/index.md#{section} for what a log needs" in err) if section else not err


@pytest.mark.parametrize("by", ["gateway", "listener", "route"])
def test_nothing_is_said_if_some_lines_show_it(logs, capsys, by):
    assert main(["enrich", "--summary", "--by", by, *logs]) == 0
    assert "no line shows" not in capsys.readouterr().err
