"""A snapshot beside a recorded watch takes the certainty from all attributions: a warning names both files."""

import json

import orjson
import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri

SLICE = {
    "kind": "EndpointSlice",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
    "ports": [{"port": 80}],
    "endpoints": [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "web-1"}}
    ],
}
SERVICE = {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIPs": ["10.96.0.1"]}}

POD = {
    "kind": "Pod",
    "metadata": {"name": "web-1", "namespace": "shop"},
    "spec": {"containers": [{"name": "web"}]},
    "status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "phase": "Running"},
}


def event(obj):
    return json.dumps({"at": "2026-11-22T00:00:00Z", "type": "ADDED", "object": obj}) + "\n"


FILES = {
    "watch": event(SLICE),
    "services-watch": event(SERVICE),
    "snapshot": json.dumps(SLICE),
    "pods": json.dumps(POD),
    "services": json.dumps(SERVICE),
    "fixed": "10.0.0.9: other",
    "fixed-json": '{"10.0.0.9:80": {"pod": "other"}}',
}


@pytest.fixture
def grade(tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "log").write_text(cri(access(1, "10.0.0.1:80", "502", "0.001", "0")))

    def grade(*names):
        """Return the grade of the attempt, and the warnings."""
        caplog.clear()
        options = [option for name in names for option in ("--endpoints", name)]
        assert main(["enrich", *options, "log"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return orjson.loads(out)["attribution"], caplog.messages

    return grade


@pytest.mark.parametrize("beside", ["services", "services-watch", "fixed", "fixed-json"])
def test_files_that_take_no_times(grade, beside):
    assert grade("watch", beside) == ("exact", [])
    assert grade("snapshot", beside) == ("assumed", [])


def test_pods_beside_a_watch_take_no_times(grade):
    """They show why pods failed, and nothing else."""
    assert grade("watch", "pods") == ("exact", [])
    assert grade("pods", "watch") == ("exact", [])
    assert grade("pods", "fixed", "watch") == ("exact", [])
    assert grade("snapshot", "pods") == ("assumed", [])
    assert grade("pods") == ("assumed", [])
    assert grade("pods", "fixed") == ("assumed", [])


@pytest.mark.parametrize("others", [[], ["fixed"], ["services-watch", "services"]])
def test_a_snapshot_beside_a_watch(grade, others):
    for names in (["watch", *others, "snapshot"], ["snapshot", "watch", *others]):
        assert grade(*names) == (
            "assumed",
            [
                "--endpoints watch has times and snapshot has none, so all attributions are `assumed`: "
                "give the files with times alone"
            ],
        )


def test_each_alone(grade):
    assert grade("watch") == ("exact", [])
    assert grade("snapshot") == ("assumed", [])
    assert grade("snapshot", "snapshot") == ("assumed", [])
