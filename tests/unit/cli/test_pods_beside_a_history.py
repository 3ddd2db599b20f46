"""What a newcomer has after an incident: a daemon's history, a list of pods and a log, in any order."""

import itertools
import json

import orjson
import pytest

from enricher.cli.main import main
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import dump_histories
from enricher.endpoints.history import History
from enricher.state_file import StateFile
from enricher.timestamps import SECOND, parse_rfc3339
from tests.unit.endpoints.test_lists_of_kubectl import kubectl_list, pod_object
from tests.unit.endpoints.timeline import slice_

SINCE = parse_rfc3339(b"2026-11-22T23:00:00Z")
LINE = (
    '10.1.2.3 - - [22/Nov/2026:23:18:{n:02} +0000] "GET /{n} HTTP/1.1" 502 1 "-" "-" 1 0.002 '
    "[shop-cart-80] [] 10.42.0.1:8080 0 0.001 502 id-{n}\n"
)
END = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-22T23:18:00Z"}


def pods():
    failed, other = pod_object(1), pod_object(2)
    failed["status"]["containerStatuses"] = [
        {
            "name": "app",
            "restartCount": 1,
            "state": {"running": {"startedAt": "2026-11-22T23:18:30Z"}},
            "lastState": {"terminated": END},
        }
    ]
    return json.dumps(kubectl_list([failed, other, unhealthy("23:18:05"), unhealthy("23:59:00")]))


def unhealthy(last):
    """Return an Event of a probe that failed."""
    pod = {key: pod_object(1)["metadata"][key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": pod["namespace"], "name": f"event-{last}"},
        "involvedObject": {"kind": "Pod", **pod},
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed",
        "firstTimestamp": f"2026-11-22T{last}Z",
        "lastTimestamp": f"2026-11-22T{last}Z",
        "count": 7,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history, meta = History(), pod_object(1)["metadata"]
    history.replace([], SINCE)
    endpoint = {
        "addresses": ["10.42.0.1"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", **{name: meta[name] for name in ("namespace", "name", "uid")}},
    }
    history.apply("ADDED", slice_("cart", endpoint, service="cart"), SINCE + SECOND)
    history.apply("BOOKMARK", {"metadata": {}}, SINCE + 3600 * SECOND)
    saved = dump_histories(Histories(history, History()), from_files=False)
    assert StateFile(str(tmp_path), "history").save(saved)
    (tmp_path / "pods.json").write_text(pods())
    (tmp_path / "controller.log").write_text("".join(LINE.format(n=n) for n in range(2, 22)))
    return tmp_path


@pytest.mark.parametrize("files", list(itertools.permutations(["history.json", "pods.json"])))
def test_why_it_failed(folder, files, capsys):
    options = [text for file in files for text in ("--endpoints", file)]
    assert main(["diagnose", *options, "-o", "json", "controller.log"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    [finding] = orjson.loads(out)["findings"]
    assert (finding["cause"], finding["grade"], finding["failures"]) == ("oom_killed", "certain", 20)
    pod = pod_object(1)["metadata"]["name"]
    ended = f"Container app of {pod} ended with exit code 137 (OOMKilled) at 23:18:00."
    probe = f"The readiness probe of {pod} failed 7 times, last at 23:18:05: HTTP probe failed"
    assert {ended, f"Containers of {pod} have begun again once in all.", probe} <= set(finding["evidence"])
    assert not any("23:59" in text for text in finding["evidence"]), "that is about another time"


def test_without_the_pods_it_is_not_known(folder, capsys):
    assert main(["diagnose", "--endpoints", "history.json", "-o", "json", "controller.log"]) == 0
    [finding] = orjson.loads(capsys.readouterr().out)["findings"]
    assert finding["cause"] == "unknown"
