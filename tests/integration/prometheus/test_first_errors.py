"""A pod's first errors come with their series, from which Prometheus' `rate` sees no rise: panels and alerts do."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.prometheus.queries import DASHBOARDS, RULES, filled

WINDOWS = {"__rate_interval": "1m", "__rate_interval_ms": "60000", "__range": "10m"}
LABELS = 'namespace="shop", service="web", pod="web-1", code="502", retried="true", origin="proxy", outcome="hidden"'
OLD_DAEMON, NEW_DAEMON = 'job="enricher", instance="old"}', 'job="enricher", instance="new"}'


def expression(title: str) -> str:
    dashboard = DASHBOARDS["pods.json"]
    [panel] = [panel for panel in dashboard["panels"] if panel["title"] == title]
    return filled(panel["targets"][0]["expr"], dashboard, WINDOWS)


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("title", "labels"),
    [
        ("Errors by pod and code", '{namespace="shop", service="web", pod="web-1", code="502"}'),
        ("Errors hidden from clients, by pod", '{namespace="shop", service="web", pod="web-1"}'),
        ("Who made the errors", '{origin="proxy"}'),
    ],
)
def test_a_burst_before_the_first_scrape_is_shown(tmp_path: Path, title: str, labels: str) -> None:
    """Scraped each 15 s. A daemon that is known has 12 errors at 5 min; one comes up at 10 min with 1000 old ones."""
    series = [
        {"series": f"enricher_build_info{{{OLD_DAEMON}", "values": "1x80"},
        {"series": f"ingress_upstream_errors_total{{{LABELS}, {OLD_DAEMON}", "values": "_x20 12x60"},
        {"series": f"enricher_build_info{{{NEW_DAEMON}", "values": "_x40 1x40"},
        {"series": f"ingress_upstream_errors_total{{{LABELS}, {NEW_DAEMON}", "values": "_x40 1000x40"},
    ]
    burst = {"4m45s": [], "5m": [0.2], "5m45s": [0.2], "6m": [0], "10m": [0], "10m30s": [0], "12m": [0]}
    checks = [
        {"expr": expression(title), "eval_time": at, "exp_samples": [{"labels": labels, "value": v} for v in values]}
        for at, values in burst.items()
    ]
    promtool(tmp_path, series, checks)


@pytest.mark.prometheus
def test_the_table_counts_from_the_first_error_on(tmp_path: Path) -> None:
    series = [{"series": f"ingress_upstream_errors_total{{{LABELS}, {OLD_DAEMON}", "values": "_x20 12x60"}]
    labels = '{namespace="shop", service="web", pod="web-1"}'
    checks = [
        {
            "expr": expression("Pods with errors"),
            "eval_time": at,
            "exp_samples": [{"labels": labels, "value": v} for v in found],
        }
        for at, found in {"4m": [], "5m": [12], "14m": [12], "16m": []}.items()
    ]
    promtool(tmp_path, series, checks)


def error(service: str, pod: str, daemon: str, values: str, outcome: str = "seen") -> list[dict[str, str]]:
    """A pod's errors, lines of the error log, and requests by a route of their own if clients saw the errors."""
    service_labels = f'namespace="shop", service="{service}"'
    labels = f'{service_labels}, pod="{pod}"'
    more = f'code="502", retried="true", origin="proxy", protocol="http", outcome="{outcome}", state="terminating"'
    seen = f'{service_labels}, route="{pod}", code="502", reason=""'
    requests = {"series": f"ingress_requests_total{{{seen}, {daemon}", "values": values}
    return [
        *([requests] if outcome == "seen" else []),
        {"series": f"ingress_upstream_errors_total{{{labels}, {more}, {daemon}", "values": values},
        {
            "series": f'ingress_upstream_failures_total{{{labels}, reason="refused", state="terminating", {daemon}',
            "values": values,
        },
    ]


DAEMONS = [
    {"series": f"enricher_build_info{{{OLD_DAEMON}", "values": "1x100"},
    {"series": f"enricher_build_info{{{NEW_DAEMON}", "values": "_x40 1x60"},
    {"series": f'ingress_upstream_requests_total{{namespace="shop", service="web", pod="web", {OLD_DAEMON}',
     "values": "0+1250x100"},
    {"series": f'ingress_requests_total{{namespace="shop", service="web", route="", code="200", {OLD_DAEMON}',
     "values": "0+1250x100"},
]  # fmt: skip
"""Scraped each 15 s; the old one from the beginning, the new one from 10 min on. 5,000 requests a minute."""


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("alertname", "outcome"),
    [("UpstreamServiceFailing", "seen"), ("UpstreamErrorsHiddenByRetries", "hidden")],
)
def test_many_pods_that_fail_a_little_each_are_a_service_that_fails(
    tmp_path: Path, alertname: str, outcome: str
) -> None:
    """From 10 min on one more pod each 15 s has its first 100 errors, and no more after them: 8 % all in all."""
    series = [*DAEMONS]
    for n in range(60):
        series += error("web", f"p{n}", OLD_DAEMON, f"_x{40 + n} 100x100", outcome)
    promtool(tmp_path, series, alerts=[(alertname, "9m", 0), (alertname, "11m", 0), (alertname, "24m", 1)])


@pytest.mark.prometheus
def test_reasons_of_many_daemons_are_a_pod_without_an_answer(tmp_path: Path) -> None:
    """Each counts 2 lines only; each 15 s there is one more."""
    daemons = [f'job="enricher", instance="i{n}"}}' for n in range(60)]
    series = [{"series": f"enricher_build_info{{{daemon}", "values": "1x100"} for daemon in daemons]
    for n, daemon in enumerate(daemons):
        series += error("web", "p", daemon, f"_x{40 + n} 2x100")
    checks = [("UpstreamWithoutAnswer", "9m", 0), ("UpstreamWithoutAnswer", "24m", 1)]
    promtool(tmp_path, series, alerts=checks)


@pytest.mark.prometheus
def test_what_is_over_alerts_nobody(tmp_path: Path) -> None:
    """A burst that the series began with; and old errors that a new daemon brings along."""
    series = [
        *DAEMONS,
        *error("web", "burst", OLD_DAEMON, "_x40 9000x60"),
        *error("web", "old", NEW_DAEMON, "_x40 9000x60"),
    ]
    record = "namespace_service_pod_code_retried_outcome_protocol:ingress_upstream_errors:rate5m"
    labels = f'{record}{{namespace="shop", service="web", pod="%s", code="502", '
    labels += 'retried="true", outcome="seen", protocol="http"}'
    checks = [
        {
            "expr": record,
            "eval_time": at,
            "exp_samples": [{"labels": labels % pod, "value": value} for pod, value in found.items()],
        }
        for at, found in {"9m": {}, "12m": {"burst": 30, "old": 0}, "16m": {"burst": 0, "old": 0}}.items()
    ]
    alerts = [
        (name, f"{at}m", 0) for name in ("UpstreamServiceFailing", "UpstreamWithoutAnswer") for at in range(10, 20)
    ]
    promtool(tmp_path, series, checks, alerts)


def promtool(
    directory: Path,
    series: list[dict[str, str]],
    checks: Sequence[dict[str, Any]] = (),
    alerts: Sequence[tuple[str, str, int]] = (),
) -> None:
    """`alerts`: names, times, and how many fire."""
    program = shutil.which("promtool")
    assert program, "promtool is not installed"
    checks = [*checks, *(fires(*alert) for alert in alerts)]
    path = directory / "test.yaml"
    tests = [{"interval": "15s", "input_series": series, "promql_expr_test": checks}]
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests}))
    done = subprocess.run([program, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def fires(name: str, at: str, number: int) -> dict[str, Any]:
    found = [{"labels": "{}", "value": number}] if number else []
    return {"expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})', "eval_time": at, "exp_samples": found}
