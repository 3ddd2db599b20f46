"""What `enricher diagnose` finds in a recorded incident is what was done there, and nothing else."""

import gzip
from pathlib import Path

import orjson
import pytest

import demo
from enricher.cli.main import main

DATA = Path(demo.__file__).parent / "data"
ACTIONS = [orjson.loads(line) for line in (DATA / "actions.jsonl").read_bytes().splitlines()]
CAUSES = {"kill9": "crashed", "delete-force": "shutting_down", "delete": None}
"""The causes of what was done. The pod that was deleted with a grace period went on answering: nothing failed."""


@pytest.fixture
def findings(capfdbinary):
    def run(*arguments):
        assert main(["diagnose", "-o", "json", *arguments]) == 0
        return orjson.loads(capfdbinary.readouterr().out)["findings"]

    return run


def by_pod(findings):
    return {(pod, finding["cause"]) for finding in findings for pod in finding["pods"]}


def test_what_was_done_is_found_and_nothing_else(findings):
    made = {(action["pod"], cause) for action in ACTIONS if (cause := CAUSES[action["action"]])}
    found = findings("--endpoints", str(DATA / "watch.jsonl.gz"), str(DATA / "controller.log.gz"))
    assert by_pod(found) == made
    assert len(found) == len(made) == 3
    for finding in found:
        (pod,) = finding["pods"]
        (action,) = (action for action in ACTIONS if action["pod"] == pod)
        assert action["at"] < finding["first"]
        assert (finding["grade"], finding["seen_by_clients"]) == ("likely", 0)


def test_the_output_of_a_daemon_leads_to_the_same_findings(findings, capfdbinary, tmp_path):
    arguments = ["--endpoints", str(DATA / "watch.jsonl.gz"), str(DATA / "controller.log.gz")]
    assert main(["enrich", *arguments]) == 0
    (tmp_path / "enriched.log.gz").write_bytes(gzip.compress(capfdbinary.readouterr().out))
    assert findings(str(tmp_path / "enriched.log.gz")) == findings(*arguments)


def test_a_snapshot_has_no_times_so_less_is_said(findings, tmp_path):
    events = map(orjson.loads, gzip.decompress((DATA / "watch.jsonl.gz").read_bytes()).splitlines())
    first = {event["object"]["metadata"]["name"]: event["object"] for event in events if event["type"] == "ADDED"}
    items = [{"kind": "EndpointSlice", **obj} for obj in first.values()]
    (tmp_path / "endpoints.json").write_bytes(orjson.dumps({"kind": "List", "items": items}))
    found = findings("--endpoints", str(tmp_path / "endpoints.json"), str(DATA / "controller.log.gz"))
    assert {finding["cause"] for finding in found} <= {"unknown", "timeout"}
    assert all(finding["spared"] is None for finding in found)
