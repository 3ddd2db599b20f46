"""stdout and stderr that cannot encode what is in a log, a list or a name: escaped, by every command."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.controller_logs import access

LINE = access(1, "10.0.0.1:80, 10.0.0.1:80", "502, 200", "0.001, 0.002", "0, 5").replace("GET /", "GET /grüße→")
STREAMS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
COMMANDS = {
    "enrich --summary LOG": r"\u2192",
    "enrich --map mermaid LOG": "-->",
    "enrich --summary -o markdown LOG": r"\u2192",
    "tail LOG": r"\u2192",
    "tail --errors LOG": r"\u2192",
    "diagnose LOG": r"\u2192",
    "explain --at 2026-11-22T23:18:31Z 10.0.0.1": r"\u2192",
}


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_fails(tmp_path, command, streams):
    (tmp_path / "öl→.log").write_text(f"{LINE}\n", "utf-8")
    (tmp_path / "endpoints").write_text('{"10.0.0.1": {"pod": "wéb→1", "namespace": "shop"}}', "utf-8")
    arguments = command.replace("LOG", "öl→.log").split()
    environ = {name: value for name, value in os.environ.items() if name not in {"LC_ALL", "LANG", "LC_CTYPE"}}
    done = subprocess.run(
        [sys.executable, "-m", "enricher", *arguments, "--endpoints", "endpoints"],
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | STREAMS[streams],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert COMMANDS[command].encode() in done.stdout
    assert streams == "latin-1" or done.stdout.isascii()


@pytest.mark.parametrize("streams", STREAMS)
def test_columns_stay_in_line(tmp_path, streams):
    """A name is measured as it is written: escaped, it is longer."""
    pods = {"10.0.0.1": "wéb→1", "10.0.0.2": "wéb→→→2", "10.0.0.3": "w3"}
    endpoints = {ip: {"pod": pod, "namespace": "shop"} for ip, pod in pods.items()}
    endpoints["10.0.0.3"]["service"] = "web"  # the others have a dash
    (tmp_path / "endpoints").write_text(json.dumps(endpoints), "utf-8")
    addresses = [*pods, "10.9.9.9"]  # the last is nobody's
    (tmp_path / "log").write_text("".join(f"{access(1, f'{ip}:80')}\n" for ip in addresses))
    done = subprocess.run(
        [sys.executable, "-m", "enricher", "enrich", "--summary", "--endpoints", "endpoints", "log"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | STREAMS[streams],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    head, *rows = done.stdout.decode("latin-1").split("\n\n")[0].splitlines()
    assert len(rows) == len(addresses)
    last = head.rindex(head.split()[-1])
    assert {row[last - 2 : last] for row in rows} == {"  "}
    assert all(row[last] != " " for row in rows)
