"""rsyslog, as the guide sets it up, loses a field, splits a line, or stores the controller's lines twice."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.pods_logs import DEPLOY, OTHER_WORD, OWN_WORD, Pods, framed, running, until

pytestmark = pytest.mark.shipping


@contextmanager
def rsyslog(tmp_path: Path, pods: Pods, *changes: tuple[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """With the guide's file, as it is but for where things are, and for `changes`."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/sbin")
    assert program, "there is no rsyslogd; it is Debian's package rsyslog"
    (tmp_path / "work").mkdir()
    text = (DEPLOY / "rsyslog" / "enricher.conf").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    text = 'template(name="failed" type="string" string="%$!line!pod% %$!line!status%\\n")\n' + text
    text = text.replace("/var/log/pods/", f"{pods.directory}/").replace('"/var/log/', f'"{tmp_path}/')
    (tmp_path / "rsyslog.conf").write_text(f'global(workDirectory="{tmp_path}/work")\n{text}')
    arguments = ["-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")]
    check = subprocess.run([program, "-N1", *arguments[1:]], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr
    with running(program, *arguments) as process:
        yield process


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_every_line_arrives_as_it_left_and_the_raw_log_does_not(tmp_path: Path, pods: Pods) -> None:
    out, rest = tmp_path / "enriched.jsonl", tmp_path / "pods.log"
    with rsyslog(tmp_path, pods) as process:
        until(lambda: len(lines(out)) >= len(pods.rows) and len(lines(rest)) >= 2, process)
        more: dict[str, Any] = pods.rows[0] | {"req_id": "written later"}
        with pods.enricher.open("ab") as file:
            file.write(framed(json.dumps(more).encode()))
        until(lambda: len(lines(out)) > len(pods.rows), process)
    assert [json.loads(line) for line in lines(out)] == [*pods.rows, more]
    assert sorted(word for word in (OTHER_WORD, OWN_WORD, "raw") if word in rest.read_text()) == [OTHER_WORD, OWN_WORD]
    assert len(lines(rest)) == 2


def test_fields_are_there_for_rules_and_other_outputs(tmp_path: Path, pods: Pods) -> None:
    out, failed = tmp_path / "enriched.jsonl", tmp_path / "failed"
    with rsyslog(
        tmp_path,
        pods,
        ('property(name="$.line")', 'property(name="$!line")'),
        ("      stop\n    }\n  }", FAILED),
    ) as process:
        until(lambda: len(lines(out)) >= len(pods.rows), process)
        until(lambda: lines(failed), process)
    # As text: to Python 1 and 1.0 are equal.
    assert [json.dumps(json.loads(line)) for line in lines(out)] == [json.dumps(row) for row in pods.rows]
    assert lines(failed) == ["web-1 503"]


WORKERS = 'queue.workerThreads="1"'
BUSY = f'{WORKERS} queue.dequeueBatchSize="1" queue.workerThreadMinimumMessages="1"'
"""As many workers as are allowed begin at once."""


def test_pieces_are_put_together_in_their_order(tmp_path: Path, pods: Pods) -> None:
    rows = [{"number": number, "text": str(number % 10) * 40_000} for number in range(300)]
    with pods.enricher.open("ab") as file:
        file.write(b"".join(framed(json.dumps(row).encode()) for row in rows))
    out = tmp_path / "enriched.jsonl"
    with rsyslog(tmp_path, pods, (WORKERS, BUSY)) as process:
        until(lambda: any('"number": 299' in line for line in lines(out)[-8:]), process)
    assert [json.loads(line) for line in lines(out)] == [*pods.rows, *rows]
    assert len(lines(tmp_path / "pods.log")) == 2


FAILED = """\
      if $!line!status >= 500 then action(type="omfile" file="/var/log/failed" template="failed")
      stop
    }
  }
"""


def test_the_kubelet_rotates(tmp_path: Path, pods: Pods) -> None:
    out = tmp_path / "enriched.jsonl"
    with rsyslog(tmp_path, pods) as process:
        until(lambda: len(lines(out)) >= len(pods.rows), process)
        for turn in range(5):
            with pods.enricher.open("ab", buffering=0) as file:
                file.write(framed(json.dumps({"turn": turn, "last": True}).encode()))
                pods.enricher.rename(pods.enricher.with_name(f"0.log.20261122-23203{turn}"))
                # The runtime goes on in the renamed file until it is told to open another.
                file.write(framed(json.dumps({"turn": turn, "last": True}).encode()))
                until(lambda: len(lines(out)) >= len(pods.rows) + 3 * turn + 2, process)  # noqa: B023
            pods.enricher.write_bytes(framed(json.dumps({"turn": turn, "last": False}).encode()))
            until(lambda: len(lines(out)) >= len(pods.rows) + 3 * turn + 3, process)  # noqa: B023
    found = sorted((row["turn"], not row["last"]) for row in map(json.loads, lines(out)[len(pods.rows) :]))
    assert found == [(turn, later) for turn in range(5) for later in (False, False, True)]
