"""The dashboards' JSON: made by its script, complete, and without what only one Grafana would have."""

import re
import runpy
from typing import Any

import pytest

from tests.integration.prometheus.queries import DASHBOARDS, ROOT

GRAFANA = ROOT / "deploy" / "grafana"
KINDS = {"timeseries", "stat", "table"}
UNITS = {"reqps", "percentunit", "s", "short", "none", "cps", "bytes", "Bps"}
"""Of Grafana's (packages/grafana-data, valueFormats/categories)."""
BUILT_IN = {"__rate_interval", "__rate_interval_ms", "__range"}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, found in DASHBOARDS.items()
    for panel in found["panels"]
]


def test_the_files_are_what_the_script_makes() -> None:
    made = runpy.run_path(str(GRAFANA / "dashboards.py"))["all_dashboards"]()
    assert {path.name: path.read_text() for path in GRAFANA.glob("*.json")} == made


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_imported_anywhere(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] == 38
    assert "id" not in dashboard  # Grafana gives one; a foreign one would overwrite what has it
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert used(dashboard) - BUILT_IN == variables.keys()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    cells = [cell for panel in dashboard["panels"] for cell in covered(panel["gridPos"])]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert {x for x, _ in cells} == set(range(24))


def used(found: Any) -> set[str]:
    """The variables' names in whatever is asked."""
    if isinstance(found, dict):
        return set().union(*(used(value) for key, value in found.items() if key != "description"))
    if isinstance(found, list):
        return set().union(*map(used, found))
    return set(re.findall(r"\$\{?(\w+)", found)) - {"__all"} if isinstance(found, str) else set()


def covered(at: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]


def test_dashboards_have_different_uids() -> None:
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS) == 4


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_answers_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["type"] in KINDS
    assert panel["description"].endswith((".", "?"))
    overrides = panel["fieldConfig"]["overrides"]
    units = {p["value"] for override in overrides for p in override["properties"] if p["id"] == "unit"}
    assert {panel["fieldConfig"]["defaults"]["unit"], *units} <= UNITS
    assert [target["refId"] for target in panel["targets"]] == [*"ABCDEFG"][: len(panel["targets"])]
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_the_docs_have_each_dashboard_and_no_panel_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "dashboards.md").read_text()
    assert set(re.findall(r"^\| `(\w+\.json)`", text, re.MULTILINE)) == DASHBOARDS.keys()
    reading = " ".join(text.partition("### How to read them")[2].partition("## ")[0].split())
    titles = {panel["title"] for dashboard in DASHBOARDS.values() for panel in dashboard["panels"]}
    named = set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", reading))
    assert named
    assert named <= titles
