"""`enricher explain`: why an attempt failed, what was happening to its pod then, and the rule that decided."""

import json
import re

import pytest

from enricher.cli.main import main
from enricher.enrich.causes import RULES
from tests.support.controller_logs import access, cri

READY = {"ready": True, "serving": True, "terminating": False}
NOT_READY = {"ready": False, "serving": False, "terminating": False}
TERMINATING = {"ready": False, "serving": True, "terminating": True}
POD = "web-878dbc76b-k5z5k"
UID = "u-1"


def watch(*changes, address="10.0.0.1"):
    """Return a recorded watch of a pod that has been ready for long, and then changed at some times (23:MM:SS)."""
    lines = []
    for at, conditions in [("00:00", NOT_READY), ("01:00", READY), *changes]:
        target = {"kind": "Pod", "name": POD, "namespace": "shop", "uid": UID}
        endpoint = {"addresses": [address], "nodeName": "node-1", "targetRef": target, "conditions": conditions}
        obj = {
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [endpoint] if conditions else [],
            "ports": [{"port": 80}],
        }
        lines.append({"at": f"2026-11-22T23:{at}Z", "type": "MODIFIED" if lines else "ADDED", "object": obj})
    # The watch goes on, so that what followed is known.
    lines.append({"at": "2026-11-22T23:30:00Z", "type": "MODIFIED", "object": lines[-1]["object"]})
    return lines


@pytest.fixture
def explain(tmp_path, capfd):
    def explain(changes, line, *options, pods=()):
        (path := tmp_path / "watch.jsonl").write_text("".join(json.dumps(each) + "\n" for each in watch(*changes)))
        endpoints = ["--endpoints", str(path)]
        if pods:
            (snapshot := tmp_path / "pods.json").write_text(json.dumps({"kind": "PodList", "items": list(pods)}))
            endpoints += ["--endpoints", str(snapshot)]
        assert main(["explain", *endpoints, *options, line]) == 0
        return capfd.readouterr().out

    return explain


BAD_GATEWAY = cri(access(1, status="502", took="0.000", length="0"))
"""An attempt from 23:18:31.483 to 23:18:31.5."""


@pytest.mark.parametrize(
    ("changes", "cause", "happening"),
    [
        ([("18:32", NOT_READY)], "crashed, likely: unexplained", "was no longer ready 0.5 s after the attempt ended"),
        (
            [("18:29.5", NOT_READY), ("18:33", READY)],
            "crashed, likely",
            "was no longer ready 2.0 s before the attempt began, and ready again 1.5 s after the attempt ended",
        ),
        ([("18:30", TERMINATING)], "shutting_down, likely", "had begun to terminate 1.5 s before the attempt began"),
        ([("18:32", TERMINATING)], "shutting_down, likely", "began to terminate 0.5 s after the attempt ended"),
        ([("18:29", None)], "shutting_down, likely", "had begun to terminate 2.5 s before the attempt began"),
        ([], "unknown: unexplained", "was ready from 5 s before the attempt to 5 s after it"),
    ],
)
def test_what_was_happening_to_the_pod(explain, changes, cause, happening):
    out = explain(changes, BAD_GATEWAY)
    assert f"  cause: {cause}" in out
    assert f"; the pod {happening}\n" in out


def test_the_rule_is_the_one_of_the_docs(explain):
    out = explain([("18:32", NOT_READY)], BAD_GATEWAY)
    [rule] = [line.strip() for line in out.splitlines() if "rule: " in line]
    assert rule.removeprefix("rule: ").removesuffix(" (docs/causes.md)") in map(str, RULES)
    assert " | not ready | crashed | likely" in rule
    assert "rule: none of docs/causes.md fits" in explain([], BAD_GATEWAY)


ENDED = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-22T23:18:30Z"}
STATUS = {"containerStatuses": [{"name": "app", "state": {"terminated": ENDED}, "lastState": {}}]}
ENDED_POD = {"kind": "Pod", "metadata": {"name": POD, "namespace": "shop", "uid": UID}, "status": STATUS}


def test_the_end_of_a_container(explain):
    out = explain([], BAD_GATEWAY, pods=[ENDED_POD])
    assert "cause: oom_killed, certain" in out
    assert "the container app ended with exit code 137 (OOMKilled) at 2026-11-22T23:18:30Z" in out


def test_a_guess_of_the_pod_makes_a_guess_of_the_cause(explain):
    out = explain([("18:29", None)], BAD_GATEWAY, pods=[ENDED_POD])
    assert "= grace: " in out
    assert "cause: shutting_down, likely: " in out
    assert "likely only, because the pod is a guess: the attribution is grace" in out
    out = explain([("18:29", TERMINATING)], BAD_GATEWAY, pods=[ENDED_POD])
    assert "cause: shutting_down, certain: " in out
    assert "after the pod had begun to terminate" in out
    assert "because the pod is a guess" not in out


def test_good_attempts_have_no_cause(explain):
    out = explain([], cri(access(1, "10.0.0.1:80, 10.0.0.1:80", "502, 200", "0.001, 0.001", "0, 5")))
    assert out.count("cause: ") == 1
    assert "cause: " not in explain([], cri(access(1)))


def test_a_request_that_nobody_was_tried_for(explain):
    untried = cri(access(1, "-", "-", "-", "-").replace('HTTP/1.1" 200', 'HTTP/1.1" 503'))
    out = explain([("18:00", NOT_READY)], untried)
    assert "cause: no_endpoints, certain: no pod of shop/web was ready since 2026-11-22T23:18:00Z" in out
    assert "cause: unknown: a pod of shop/web was ready" in explain([], untried)
    assert "cause: " not in explain([], cri(access(1, "-", "-", "-", "-")))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ("shop cart - - 503", "cause: unknown: the line names the route only; other lines of the route may show"),
        ("- - - - 503", "cause: unknown: the line names no known service"),
    ],
)
def test_a_request_of_no_known_service(explain, values, text):
    log_format = "$namespace $ingress_name $upstream_addr $upstream_status $status"
    assert text in explain([], values, "--log-format", log_format)


ENVOY = '[2026-11-22T23:18:31.490Z] "GET / HTTP/1.1" 503 UF 0 0 0 - "-" "-" "id" "web" "10.0.0.1:80"'


def test_it_speaks_of_the_proxy_that_wrote_the_line(explain):
    """Envoy's line has the reason itself, and nothing about nginx is true of it."""
    out = explain([("18:32", NOT_READY)], ENVOY, "--profile", "envoy")
    assert "cause: crashed, likely: " in out
    assert "nginx" not in out
    assert "nginx" in explain([], BAD_GATEWAY)


def test_a_misfit_names_the_profile_that_was_given(tmp_path, capsys):
    (path := tmp_path / "e.yaml").write_text("10.0.0.1:80: web-1\n")
    assert main(["explain", "--endpoints", str(path), "--profile", "envoy", "nonsense"]) == 2
    err = capsys.readouterr().err
    assert "the line does not fit the log format of envoy: " in err


ENVOY_CUT = ENVOY.replace(" UF ", " UC ")
"""Envoy lost the connection before the answer: what a keep-alive race looks like if the pod is well."""
REDIRECTED = access(1, "10.0.0.1:80 : 10.0.0.1:80", "502 : 200", "0.001 : 0.001", "0 : 5")
RETRIED = access(1, "10.0.0.1:80, 10.0.0.1:80", "504, 502", "0.001, 0.000", "0, 0")
LINES = [
    (BAD_GATEWAY, ()),
    (cri(access(1, status="500")), ()),
    (cri(access(1, status="504", took="5.000", length="0")), ()),
    (cri(RETRIED), ()),
    (cri(RETRIED.replace("504, 502", "504, 200")), ()),
    (cri(REDIRECTED), ()),
    (cri(access(1, "-", "-", "-", "-").replace('HTTP/1.1" 200', 'HTTP/1.1" 503')), ()),
    (ENVOY, ("--profile", "envoy")),
    (ENVOY_CUT, ("--profile", "envoy")),
    (ENVOY_CUT.replace(" 0 0 0 ", " 0 0 900 "), ("--profile", "envoy")),
]
HISTORIES = [
    [],
    [("18:29", NOT_READY)],
    [("18:32", NOT_READY)],
    [("18:29", TERMINATING)],
    [("18:32", TERMINATING)],
    [("18:29", None)],
    [("18:29", NOT_READY), ("18:30", READY)],
]


@pytest.mark.parametrize("changes", HISTORIES)
@pytest.mark.parametrize(("line", "options"), LINES, ids=range(len(LINES)))
def test_the_causes_are_those_that_the_engine_gives_to_the_line(explain, tmp_path, capfd, changes, line, options):
    causes = re.findall(r"^  cause: (\w+)(?:, (\w+))?", explain(changes, line, *options), re.MULTILINE)
    (log := tmp_path / "log").write_text(line.rstrip("\n") + "\n")
    assert main(["enrich", "--endpoints", str(tmp_path / "watch.jsonl"), *options, str(log)]) == 0
    [record] = map(json.loads, capfd.readouterr().out.splitlines())
    failed = [part for part in (record, *record["attempts"]) if "cause" in part]
    assert failed or "cause: " not in explain(changes, line, *options)
    assert causes == [(part["cause"], part.get("cause_grade", "")) for part in failed]
