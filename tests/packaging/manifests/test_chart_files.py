"""What the chart repeats of the project is the same there: no Helm needed.

A chart can only read what lies in its own directory: `make chart` copies the rules and dashboards there.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from enricher.accesslog.profiles import PROFILES
from enricher.config.options import RUN
from tests.packaging.manifests.helm_chart import CHART, DEPLOY

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())["properties"]

ELSEWHERE = {
    "--log-format-file": "log-format says the same without a file",
    "--state-dir": "always /var/lib/enricher, where hostPaths.state is mounted",
    "--listen": "the value `port`, which the probes and monitors need too",
    "--kubeconfig": "a pod has a service account",
    "--context": "goes with --kubeconfig",
    "--endpoints": "takes a cluster's place",
    "--extra-endpoints": "the value `extraEndpoints`, which a ConfigMap holds",
    "--node": "from the downward API",
}
"""Options that are no values of the chart's `options`, and why."""


def test_every_option_of_the_daemon_is_a_value_or_has_a_reason_not_to_be() -> None:
    assert {f"--{name}" for name in SCHEMA["options"]["properties"]} | set(ELSEWHERE) == {o.flag for o in RUN}
    assert not {f"--{name}" for name in SCHEMA["options"]["properties"]} & set(ELSEWHERE)


def test_the_schema_knows_the_profiles() -> None:
    assert SCHEMA["options"]["properties"]["profile"]["enum"] == ["", *PROFILES]


def test_every_value_is_written_down_in_the_values() -> None:
    assert set(yaml.safe_load(VALUES)) == set(SCHEMA)
    assert set(re.findall(r"^  # ([a-z-]+): ", VALUES, re.MULTILINE)) == set(SCHEMA["options"]["properties"])


def test_the_chart_has_the_project_s_version() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_the_copies_in_the_chart_are_the_files_they_were_made_from() -> None:
    originals = {Path(p.name): p for p in DEPLOY.glob("prometheus/rules.yaml")}
    originals |= {p.relative_to(DEPLOY): p for p in DEPLOY.glob("grafana/*.json")}
    copies = {p.relative_to(CHART / "files"): p for p in CHART.glob("files/**/*") if p.is_file()}
    read = {name: path.read_text() for name, path in originals.items()}
    assert read == {name: path.read_text() for name, path in copies.items()}, "make chart copies them"


TABLE = DEPLOY.parent / "docs" / "helm-values.md"


def test_the_table_of_the_values_is_the_one_that_the_values_make() -> None:
    command = [sys.executable, str(DEPLOY / "helm" / "values_table.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert TABLE.read_text() == done.stdout, "make chart writes it"


def test_the_table_has_every_value_with_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", TABLE.read_text(), re.MULTILINE)
    found = {name: json.loads(default) for name, default in rows}
    # A default that is written on one line is one row.
    expected = dict(leaves(yaml.safe_load(VALUES), set(found)))
    assert found == expected


def leaves(values: dict[str, Any], whole: set[str], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value and above + key not in whole:
            yield from leaves(value, whole, f"{above}{key}.")
        else:
            yield above + key, value
