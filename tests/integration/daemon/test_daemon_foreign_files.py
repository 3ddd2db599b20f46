"""A daemon on a node where others wrote files: strange ones beside the logs, and any state of a last run."""

import asyncio
import json
import os
import time

import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.timestamps import format_rfc3339
from tests.support.controller_logs import access, cri
from tests.support.daemons import CONTROLLER, Node, until

END = 1 << 63


def history(**content: object) -> bytes:
    """Return a saved history; one pod has always held 10.0.0.1, unless the content is another."""
    times = [-END, -END, END, END, END, 1, -END]
    liar = ["10.0.0.1", ["default", "liar", "uid-liar", "node-1", ""], times, 0, [], [], [1]]
    empty = {"current": 1, "began": 1, "ports": [[]], "tenures": [liar], "slices": []}
    return json.dumps({"version": 1, "history": empty | content}).encode()


FOREIGN = {
    "torn": history()[:-9],
    "a list for an address": history().replace(b'"10.0.0.1"', b'["10.0.0.1"]'),
    "of the future": history(current=END - 1, tenures=[]),
    "a holder that never leaves": history(),
}
"""Contents of a history; `unit/endpoints/test_hostile_history.py` has many more."""


@pytest.fixture
def watching(tmp_path):
    node = Node(tmp_path)
    yield node
    for daemon in node.daemons:
        daemon.kill()


def written_now(n: int) -> str:
    moment = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime())
    text = access(n, "10.0.0.1:10000").replace("22/Nov/2026:23:18:31", moment)
    return f"{format_rfc3339(time.time_ns())} stdout F {text}\n"


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_history_is_set_aside(watching, name):
    """The daemon runs, and the pods are those of the cluster; so it is after a restart, and when a pod leaves."""
    watching.state_dir.mkdir()
    (watching.state_dir / "history.json").write_bytes(FOREIGN[name])
    async with FakeApi() as api:
        api.apply("ADDED", slice_of("web", {"10.0.0.1": "web-1"}))
        api.write_kubeconfig(watching.path / "kubeconfig")
        for number in range(2):
            watching.write(written_now(number))
            daemon = await asyncio.to_thread(watching.start, "--kubeconfig", str(watching.path / "kubeconfig"))
            row = (await asyncio.to_thread(until, daemon.rows))[-1]
            assert row["pod"] == "web-1"
            api.apply("MODIFIED", slice_of("web", {"10.0.0.2": "web-2"}))
            api.apply("MODIFIED", slice_of("web", {"10.0.0.1": "web-1"}))
            code, _ = await asyncio.to_thread(daemon.stop)
            assert code == 0
            log = b"".join(daemon.stderr_lines).decode()
            assert log.count("history.json is not usable") == (number == 0)
            assert "Traceback" not in log
    assert (watching.state_dir / "history.json.bad-1").read_bytes() == FOREIGN[name]


def test_strange_files_beside_the_logs(node):
    """Each line of the others comes out, once, over a restart; what is passed over is logged once, and counted."""
    log_dir = os.fsencode(node.log_dir)
    os.symlink(b"circle", log_dir + b"/circle")
    for name in (b"\xff_\xff_\xff", b"a\nb_c\x1b[2J_d"):
        os.makedirs(log_dir + b"/" + name + b"/controller")
    node.write(cri(access(0)))
    directory = node.log().parent
    os.utime(node.log(), ns=(0, 250 * 10**18))  # in the year 9892, if the file system can hold that
    os.mkfifo(directory / "1.log")
    os.symlink("2.log", directory / "2.log")
    (directory / "3.log").mkdir()
    (directory / ("9" * 30 + ".log")).write_text(cri(access(99)))
    os.mkfifo(directory / "0.log.20991231-235959")
    (directory / "0.log.20200101-000000.gz").write_bytes(b"\x1f\x8b\x08\x08" + b"x" * 1_000_000)
    arguments = ("--select", "*/*/controller", "--from", "end")
    daemon = node.start(*arguments)
    until(lambda: b"following" in b"".join(daemon.stderr_lines))
    until(lambda: "enricher_sources 3.0" in daemon.get("/metrics")[1])
    node.write(cri(access(1)))
    until(lambda: daemon.ids() == ["request-1"])
    positions = node.state_dir / "positions.json"
    until(lambda: positions.exists() and CONTROLLER in positions.read_text())
    node.write(cri(access(2)))
    until(lambda: daemon.ids() == ["request-1", "request-2"])
    assert 'enricher_problems_total{kind="log"} 1.0' in daemon.get("/metrics")[1]
    assert 'enricher_problems_total{kind="state"} 0.0' in daemon.get("/metrics")[1]
    assert daemon.stop()[0] == 0
    log = b"".join(daemon.stderr_lines).decode()
    assert log.count("0.log.20991231-235959: not a regular file") == 1
    assert log.count("WARNING") == 1
    node.write(cri(access(3)))
    again = node.start(*arguments)
    until(lambda: again.ids() == ["request-3"])
    assert again.stop()[0] == 0
