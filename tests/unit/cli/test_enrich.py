"""`enricher enrich`: logs of any framing, from files, packed files and stdin, out as JSON lines or as a table."""

import gzip
import json
import subprocess
import sys

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri, docker

COMMAND = [sys.executable, "-m", "enricher", "enrich"]


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def framed(kind):
    lines = [access(n, addr) for n, addr in enumerate(["10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"])]
    if kind == "cri":
        _, *rest = map(cri, lines)
        return "".join([cri(lines[0][:50], tag="P"), cri(lines[0][50:]), *rest])
    return "".join(map(docker, lines) if kind == "docker" else (line + "\n" for line in lines))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["plain", "cri", "docker"])
def test_kinds_of_logs(tmp_path, endpoints, capsys, kind, packed):
    content = framed(kind).encode()
    (log := tmp_path / "log").write_bytes(gzip.compress(content) if packed else content)
    assert main(["enrich", "--endpoints", str(endpoints), str(log)]) == 0
    out = rows(capsys.readouterr().out)
    assert [row["req_id"] for row in out] == ["request-0", "request-1", "request-2"]
    assert [row.get("pod") for row in out] == ["web-1", "web-2", None]
    assert [row["attribution"] for row in out] == ["exact", "exact", "unknown"]
    assert {row["logged_by"]["path"] for row in out} == {str(log)}


@pytest.mark.parametrize("arguments", [[], ["-"]])
@pytest.mark.parametrize("packed", [False, True])
def test_stdin(endpoints, arguments, packed):
    content = framed("cri").encode()
    content = gzip.compress(content) if packed else content
    done = subprocess.run(
        [*COMMAND, "--endpoints", endpoints, *arguments], input=content, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert [row.get("pod") for row in rows(done.stdout)] == ["web-1", "web-2", None]


def test_several_files_in_order_and_a_last_line_without_its_end(tmp_path, endpoints, capsys):
    (one := tmp_path / "1").write_text(access(1))
    (two := tmp_path / "2").write_text(access(2) + "\n")
    (three := tmp_path / "3").write_text(access(3) + "\n")
    assert main(["enrich", "--endpoints", str(endpoints), str(two), str(one), str(three)]) == 0
    assert [row["req_id"] for row in rows(capsys.readouterr().out)] == ["request-2", "request-1", "request-3"]


def test_another_format(tmp_path, endpoints, capsys):
    (log := tmp_path / "log").write_text("10.0.0.2:80 200\n")
    format_ = "$upstream_addr $upstream_status"
    assert main(["enrich", "--endpoints", str(endpoints), "--log-format", format_, str(log)]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["pod"] == "web-2"


def test_a_reader_that_has_seen_enough(tmp_path, endpoints):
    """As with `| head -1`: no failure, nothing on stderr."""
    (log := tmp_path / "log").write_text("".join(access(n) + "\n" for n in range(5000)))
    running = subprocess.Popen(
        [*COMMAND, "--endpoints", endpoints, log], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert json.loads(running.stdout.readline())["req_id"] == "request-0"
    running.stdout.close()
    assert running.wait(30) == 0
    assert running.stderr.read() == b""
    running.stderr.close()


@pytest.mark.parametrize("more", ["", "--summary"])
def test_a_reader_that_was_never_there(tmp_path, endpoints, more):
    """Little enough to fit the buffer: the pipe is found broken only at the end."""
    (log := tmp_path / "log").write_text(access(1) + "\n")
    command = (
        f"{sys.executable} -m enricher enrich --endpoints {endpoints} {more} {log} | true; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk(tmp_path, endpoints):
    (log := tmp_path / "log").write_text(access(1) + "\n")
    with open("/dev/full", "wb") as full:
        command = [*COMMAND, "--endpoints", endpoints, log]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr == b"enricher: stdout: No space left on device\n"


def test_a_summary(tmp_path, endpoints, capsys):
    lines = [access(n) for n in range(8)]
    lines += [access(8, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.500, 0.002", "0, 5")]
    lines += [
        access(9, "10.0.0.1:80", "504", "1.000"),
        access(10, "-", "-", "-", "-"),
        "nonsense",
        access(11, "10.0.0.2:80", "999"),
    ]
    (log := tmp_path / "log").write_text("\n".join(lines) + "\n")
    assert main(["enrich", "--endpoints", str(endpoints), "--summary", str(log)]) == 0
    out = capsys.readouterr().out
    rows = [row.split() for row in out.splitlines()]
    assert rows[:4] == [
        ["attempts", "errors", "hidden", "p50", "s", "p99", "s", "sure", "%", "namespace", "service", "pod"],
        ["10", "2", "1", "0.001", "1.000", "100", "shop", "web", "web-1"],
        ["502:1", "504:1;", "1", "unknown,", "1", "application", "(certain);", "2026-11-22T23:18:31Z"],
        ["2", "0", "0", "0.001", "0.002", "100", "shop", "web", "web-2"],
    ]
    assert "13 lines: 12 access, 1 parse_error" in out
    assert "12 attempts: 12 exact" in out


def test_a_summary_of_nothing(tmp_path, endpoints, capsys):
    (log := tmp_path / "log").write_text("")
    assert main(["enrich", "--endpoints", str(endpoints), "--summary", str(log)]) == 0
    assert "0 lines" in capsys.readouterr().out


def test_snapshots_and_recordings(tmp_path, capsys):
    slice_ = {
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop"}}],
        "ports": [{"port": 80}],
    }
    (log := tmp_path / "log").write_text(cri(access(1)))
    listed = {"kind": "List", "items": [slice_]}

    def event(at, type_):
        return json.dumps({"at": at, "type": type_, "object": slice_}) + "\n"

    before = event("2026-11-22T23:00:00Z", "ADDED")
    contents = {
        json.dumps(listed): "assumed",
        json.dumps(listed, indent=4): "assumed",
        before: "exact",
        before + event("2026-11-22T23:18:31.6Z", "DELETED"): "exact",
        before + event("2026-11-22T23:18:30Z", "DELETED"): "grace",
        before + event("2026-11-22T23:01:00Z", "DELETED"): "unknown",
    }
    for content, grade in contents.items():
        (path := tmp_path / "endpoints").write_text(content)
        assert main(["enrich", "--endpoints", str(path), str(log)]) == 0
        (row,) = rows(capsys.readouterr().out)
        assert (row["attribution"], row.get("pod")) == (grade, None if grade == "unknown" else "web-1"), content
