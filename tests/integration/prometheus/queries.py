"""What Grafana and Prometheus ask, taken from what is shipped."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
SLO_RULES = RULES.with_name("slo-rules.yaml")
DASHBOARDS = {path.name: json.loads(path.read_text()) for path in sorted((ROOT / "deploy" / "grafana").glob("*.json"))}
CHOSEN = {"__rate_interval": "5m", "__rate_interval_ms": "300000", "__range": "1h"}
"""What Grafana puts in itself. Of the other variables each is "All"."""
METRIC = re.compile(r"\b(?:up|kube_\w+|enricher_\w+|ingress_\w+|namespace_service\w*:[\w:]+)\b(?:\{[^}]*\})?")


@dataclass(frozen=True)
class Asked:
    """One query of a panel."""

    panel: str
    legend: str
    expression: str


def of_panels() -> list[Asked]:
    return [
        Asked(panel["title"], target["legendFormat"], filled(target["expr"], dashboard))
        for dashboard in DASHBOARDS.values()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def filled(expression: str, dashboard: dict[str, Any], chosen: dict[str, str] = CHOSEN) -> str:
    """As Grafana would send it."""
    values = chosen | {v["name"]: v["allValue"] for v in dashboard["templating"]["list"] if v["type"] == "query"}
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)


def rules(path: Path = RULES) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts of all files, by name."""
    return {rule["alert"]: rule for path in (RULES, SLO_RULES) for rule in rules(path) if "alert" in rule}


def of_runbooks() -> list[tuple[str, str]]:
    """Each runbook's name with a query of its own; what is to be filled in is anything."""
    found = []
    for path in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        shown = "\n".join(line[4:] for line in path.read_text().splitlines() if line.startswith("    "))
        queries = [text for text in re.split(r"\n(?! )", shown) if not text.startswith(("kubectl ", "enricher "))]
        found += [(path.stem, re.sub(r'="[A-Z]+"', '=~".*"', text)) for text in queries]
    return found


def selectors(expression: str) -> set[str]:
    """All series that an expression reads, each as an expression of its own."""
    return {" ".join(found.split()) for found in METRIC.findall(expression)}
