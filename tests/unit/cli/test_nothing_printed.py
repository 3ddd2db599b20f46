"""`enricher tail` that prints no line: it says why, since silence could also mean that all is well."""

import asyncio
import os
import signal

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri
from tests.support.fake_log_api import FakeLogApi
from tests.unit.cli.test_live_commands import POD, tail

STARTED = cri('I1122 23:18:31.000000 7 main.go:12] "Started"', "stderr")
CONDITIONS = [
    (["--request", "x"], "--request x"),
    (["--errors"], "--errors"),
    (["--status", "418"], "--status 418"),
    (["--slower-than", "9s"], "--slower-than 9s"),
    (["--pod", "x"], "--pod x"),
    (["--service", "x"], "--service x"),
    (["--route", "x"], "--route x"),
    (["-n", "bank"], "--namespace bank"),
    (["pod/web-1", "--status", "418"], "pod/web-1, --status 418"),
    (["--request", "request-1", "--status", "418"], "--status 418, --request request-1"),
]


@pytest.mark.parametrize(("arguments", "conditions"), CONDITIONS)
@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    ("log", "result"),
    [
        ("", "no line was read, so none matches"),
        (STARTED, "no line of 1 matches"),
        (STARTED + cri(access(1)), "no line of 2 matches"),
    ],
)
def test_conditions_that_nothing_meets(tmp_path, endpoints, capsys, arguments, conditions, output, log, result):
    (path := tmp_path / "log").write_text(log)
    assert main(["tail", *arguments, "-o", output, "--endpoints", str(endpoints), str(path)]) == 0
    assert capsys.readouterr() == ("", f"enricher: {result} {conditions}\n")


@pytest.mark.parametrize(
    ("log", "message"),
    [("", "no line was read"), (STARTED, "no line of 1 is about a request: -o json prints them all")],
)
def test_logs_without_a_request(tmp_path, endpoints, capsys, log, message):
    (path := tmp_path / "log").write_text(log)
    assert main(["tail", "--endpoints", str(endpoints), str(path)]) == 0
    assert capsys.readouterr() == ("", f"enricher: {message}\n")


async def test_ctrl_c_before_a_line_of_a_cluster_comes(tmp_path):
    async with FakeLogApi() as server:
        server.pod(POD)
        async with tail(server, tmp_path, "--errors") as process:
            await server.wait_for_readers(1)
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.communicate(), 20) == (
                b"",
                b"enricher: no line was read, so none matches --errors\n",
            )
    assert process.returncode == 130


def test_an_error_is_all_that_is_reported(tmp_path, endpoints, capsys):
    assert main(["tail", "--errors", "--endpoints", str(endpoints), str(tmp_path / "missing")]) == 3
    _, err = capsys.readouterr()
    assert err.splitlines() == [f"enricher: {tmp_path / 'missing'}: {os.strerror(2)}"]
