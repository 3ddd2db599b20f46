"""`enricher rollout`: the new revision of a Deployment against the one before, over files."""

import json

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri

OLD, NEW, OLDEST = "5d4bc8f7d6", "7f9c6d5b48", "66c94d8b5f"
ADDRESSES = {OLDEST: "10.0.0.1", OLD: "10.0.0.2", NEW: "10.0.0.3"}
BEGAN = {OLDEST: "2026-11-22T20:00:00Z", OLD: "2026-11-22T21:00:00Z", NEW: "2026-11-22T22:00:00Z"}


def recording(began, namespaces=("shop",)):
    for number, namespace in enumerate(namespaces):
        for revision, at in began.items():
            pod = {"kind": "Pod", "name": f"web-{revision}-x2x2x", "namespace": namespace, "uid": f"{number}{revision}"}
            ip = ADDRESSES[revision].replace("10.0.0", f"10.0.{number}")
            slice_ = {
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"web-{revision}",
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": "web"},
                },
                "endpoints": [{"addresses": [ip], "targetRef": pod, "conditions": {"ready": True}}],
                "ports": [{"port": 80}],
            }
            yield json.dumps({"at": at, "type": "ADDED", "object": slice_}) + "\n"


@pytest.fixture
def rollout(tmp_path, capsys):
    def rollout(counts, *options, began=BEGAN, namespaces=("shop",), workload="web"):
        (tmp_path / "watch.jsonl").write_text("".join(recording(began, namespaces)))
        lines = []
        for revision, (good, bad) in counts.items():
            for number in range(len(namespaces)):
                to = ADDRESSES[revision].replace("10.0.0", f"10.0.{number}") + ":80"
                lines += [cri(access(1, to))] * good + [cri(access(2, to, "502"))] * bad
        (log := tmp_path / "log").write_text("".join(lines))
        code = main(["rollout", workload, "--endpoints", str(tmp_path / "watch.jsonl"), *options, str(log)])
        return code, *capsys.readouterr()

    return rollout


@pytest.mark.parametrize(
    ("counts", "code", "verdict"),
    [
        ({OLD: (300, 0), NEW: (300, 0)}, 0, "no worse"),
        ({OLD: (270, 30), NEW: (290, 10)}, 0, "no worse"),
        ({OLD: (299, 1), NEW: (297, 3)}, 0, "no worse"),
        ({OLD: (300, 0), NEW: (280, 20)}, 4, "worse"),
        ({OLD: (300, 0), NEW: (0, 5)}, 4, "worse"),
        ({OLD: (300, 0), NEW: (50, 0)}, 5, "too few"),
        ({OLD: (50, 0), NEW: (300, 3)}, 5, "too few"),
    ],
)
def test_the_verdict_is_the_exit_code(rollout, counts, code, verdict):
    found, out, err = rollout(counts)
    assert (found, err) == (code, "")
    assert out.splitlines()[-1].startswith(verdict)
    assert f"new {NEW}" in out


def test_one_revision_is_not_a_comparison(rollout):
    code, out, err = rollout({NEW: (300, 0)})
    assert (code, out) == (5, "")
    assert "one revision only, 7f9c6d5b48" in err


def test_the_two_latest_are_compared(rollout):
    code, out, err = rollout({OLDEST: (0, 300), OLD: (300, 0), NEW: (200, 100)}, "-o", "json")
    document = json.loads(out)
    assert (code, document["verdict"]) == (4, "worse")
    assert [document[name]["revision"] for name in ("new", "old")] == [NEW, OLD]
    assert document["new"]["codes"] == {"502": 100}
    assert f"not compared: {OLDEST}" in err


def test_which_is_new_may_have_to_be_said(rollout):
    at_once = dict.fromkeys(BEGAN, BEGAN[OLD])
    counts = {OLD: (300, 0), NEW: (100, 100)}
    code, _, err = rollout(counts, began=at_once)
    assert code == 2
    assert "give it with --new" in err
    assert rollout(counts, "--new", NEW, began=at_once)[0] == 4
    assert rollout(counts, "--new", OLD, began=at_once)[0] == 0
    assert rollout(counts, "--new", "who")[0] == 2


def test_a_workload_in_two_namespaces(rollout):
    counts = {OLD: (300, 0), NEW: (300, 0)}
    code, _, err = rollout(counts, namespaces=("shop", "test"))
    assert (code, "shop, test" in err) == (2, True)
    assert rollout(counts, "-n", "test", namespaces=("shop", "test"))[0] == 0


def test_what_cannot_be_compared(rollout):
    counts = {OLD: (1, 0), NEW: (1, 0)}
    assert rollout(counts, workload="statefulset/web")[0] == 2
    assert rollout(counts, workload="deployment/other")[0] == 3
    assert rollout(counts, workload="deployment/web")[0] == 5


def test_a_table_for_a_ticket(rollout):
    _, out, _ = rollout({OLD: (300, 0), NEW: (280, 20)}, "-o", "markdown")
    assert f"|  | new {NEW} | old {OLD} |" in out
    assert "| errors | 20 | 0 |" in out
