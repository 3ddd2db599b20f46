"""A pod's first errors come with their series, from which Prometheus' `rate` sees no rise: the panels show them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .queries import DASHBOARDS, filled

WINDOWS = {"__rate_interval": "1m", "__rate_interval_ms": "60000", "__range": "10m"}
LABELS = 'namespace="shop", service="web", pod="web-1", code="502", retried="true", origin="proxy", protocol="http"'
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
        ("Errors hidden by retries, by pod", '{namespace="shop", service="web", pod="web-1"}'),
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


def promtool(directory: Path, series: list[dict[str, str]], checks: list[dict[str, Any]]) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is not installed"
    path = directory / "test.yaml"
    path.write_text(
        yaml.safe_dump({"tests": [{"interval": "15s", "input_series": series, "promql_expr_test": checks}]})
    )
    done = subprocess.run([program, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
