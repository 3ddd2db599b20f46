"""The alert rules: each has its texts, its runbook and its test."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.prometheus.queries import ROOT, RULES, SLO_RULES, alerts, of_panels, rules

RUNBOOKS = ROOT / "docs" / "runbooks"
ONE = {"labels": "{}", "value": 1}
TESTS = [Path(__file__).with_name(name) for name in ("rules_test.yaml", "slo_rules_test.yaml")]


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_it_means_and_has_a_runbook(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    headings = re.findall("^#+ (.*)", (RUNBOOKS / f"{name}.md").read_text(), re.MULTILINE)
    assert headings == [
        name,
        "What to look at",
        "What the causes say",
        "What to do",
        "When it is a false alarm",
    ]


@pytest.mark.parametrize("name", alerts())
def test_a_runbook_has_the_command_that_diagnoses(name: str) -> None:
    causes = (RUNBOOKS / f"{name}.md").read_text().partition("## What the causes say")[2].partition("## ")[0]
    commands = [line for line in causes.splitlines() if line.startswith("    ") and "enricher diagnose" in line]
    assert len(commands) == 1


@pytest.mark.parametrize("name", alerts())
def test_an_alert_about_a_service_names_the_main_cause_of_its_failures(name: str) -> None:
    """Two do not: their cause is what they are about. What names no service cannot."""
    is_about_service = "service" in alerts()[name]["expr"] and name.startswith("Upstream")
    names_cause = "Main cause of the service's failures" in alerts()[name]["annotations"]["description"]
    assert names_cause == (is_about_service and name not in {"UpstreamServiceDown", "UpstreamFailsDuringShutdown"})


def test_no_runbook_is_left_over() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == alerts().keys()


def test_the_documented_command_makes_links_of_the_runbooks_paths(tmp_path: Path) -> None:
    [command] = re.findall("^#   sed -i (.*) rules.yaml slo-rules.yaml$", RULES.read_text(), re.MULTILINE)
    assert command in (ROOT / "docs" / "dashboards.md").read_text()
    copies = [Path(shutil.copy(path, tmp_path)) for path in (RULES, SLO_RULES)]
    subprocess.run(["sed", "-i", command.strip("'"), *copies], check=True)
    links = {rule["annotations"]["runbook_url"] for copy in copies for rule in rules(copy) if "alert" in rule}
    assert links == {f"https://git.example.com/enricher/blob/main/docs/runbooks/{name}.md" for name in alerts()}


def test_the_docs_have_each_alert_with_its_severity() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| (\w+) \|", (ROOT / "docs" / "dashboards.md").read_text(), re.MULTILINE
    )
    assert dict(rows) == {name: alert["labels"]["severity"] for name, alert in alerts().items()}


def test_each_alert_is_tested_to_fire_and_not_to() -> None:
    """promtool wants exactly the alerts that are listed: what else a group feeds must not fire either."""
    groups = [group for path in TESTS for group in yaml.safe_load(path.read_text())["tests"]]
    checks = [check for group in groups for check in group.get("alert_rule_test", [])]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == alerts().keys()
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == alerts().keys()


def test_the_docs_have_each_objective_and_window() -> None:
    """The words of docs/slo.md and the numbers in the rules are of the same alerts."""
    text = (ROOT / "docs" / "slo.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| (\w+) \| (\w+) \|", text, re.MULTILINE)
    conditions = [
        (rule["alert"], speed, long, short)
        for rule in rules(SLO_RULES)
        if "alert" in rule
        for long, speed, short in re.findall(
            r"ratio_rate(\w+) / \(1 - [\d.]+ / 100\) > ([\d.]+)\s+and \w+:\w+:ratio_rate(\w+) / ", rule["expr"]
        )
    ]
    assert len(conditions) == 6
    assert rows == conditions


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", RULES, SLO_RULES), *(("test", "rules", path) for path in TESTS)],
    ids=["check", "rules", "slo-rules"],
)
def test_promtool_agrees(arguments: tuple[str | Path, ...]) -> None:
    promtool(*arguments)


@pytest.mark.prometheus
def test_each_panel_about_objectives_finds_what_the_rules_make(tmp_path: Path) -> None:
    """Its records take minutes, which promtool does not wait for."""
    document = yaml.safe_load(TESTS[1].read_text())
    document["rule_files"] = [str(RULES), str(SLO_RULES)]
    fed = document["tests"][-1]
    asked = [query.expression for query in of_panels() if "namespace_service:" in query.expression]
    assert asked
    found = [{"expr": f"count({query}) > bool 0", "eval_time": "200m", "exp_samples": [ONE]} for query in asked]
    document["tests"] = [{key: fed[key] for key in ("interval", "input_series")} | {"promql_expr_test": found}]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump(document))
    promtool("test", "rules", path)


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is not installed"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
