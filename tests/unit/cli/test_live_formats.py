"""What is said, while a log goes on, of lines that do not fit its format: nothing printed looks like no requests."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager

import orjson
import pytest

from enricher.cli.feed import open_feed
from enricher.config.options import TOP
from enricher.config.resolve import resolve_settings
from tests.support.controller_logs import access, cri
from tests.support.fake_log_api import FakeLogApi
from tests.unit.cli.test_live_commands import LINE, POD, tail

ADVICE = b"give the log format of the proxy's configuration with --log-format or --log-format-file"
KEYS = b"one of them is a JSON object with the keys up, status, which no known log format has"
UNKNOWN = b'one of them is like no known log format, "{}"'
NEVER = b"enricher: no line of 5 fits a known log format: %b: %b\n"
MISFITS = "".join(cri(f'{{"up":"10.0.0.1:80","status":{n}}}') for n in range(5)).encode()
FITTING = "".join(cri(access(n)) for n in range(20)).encode()


@contextmanager
def reading_a_pipe(command, endpoints, *arguments):
    """Yield the process of a command whose stdin stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "enricher", command, "--endpoints", str(endpoints), *arguments, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process):
    """End the input and return the rest of stderr."""
    process.stdin.close()
    process.stdin = None
    return process.communicate(timeout=60)[1]


@pytest.mark.parametrize("command", ["tail", "enrich"])
def test_a_pipe_that_does_not_end(endpoints, command):
    with reading_a_pipe(command, endpoints) as process:
        process.stdin.write(MISFITS)
        assert process.stderr.readline() == NEVER % (KEYS, ADVICE)
        process.stdin.write(MISFITS)
        assert finish(process) == b""  # it was said before
        assert process.returncode == 3


def test_a_format_that_changes_in_the_middle(endpoints):
    with reading_a_pipe("tail", endpoints) as process:
        process.stdin.write(FITTING)
        process.stdin.write(MISFITS * 3)
        assert b"10 of the latest 10 lines do not fit a known log format, as earlier lines" in process.stderr.readline()
        process.stdin.write(FITTING * 2)
        assert process.stderr.readline() == b"enricher: the latest lines fit the log format\n"
        assert finish(process) == b"enricher: 15 of 75 lines do not fit a known log format: %b: %b\n" % (KEYS, ADVICE)
        assert process.returncode == 0


def test_a_log_that_fits(endpoints):
    with reading_a_pipe("tail", endpoints) as process:
        process.stdin.write(FITTING)
        assert finish(process) == b""


async def test_a_log_in_a_cluster(tmp_path):
    async with FakeLogApi() as server:
        server.pod(POD)
        for n in range(5):
            server.write(POD, b"2026-11-22T23:18:31.%09dZ {}" % n)
        async with tail(server, tmp_path, "--since", "10m") as process:
            message = await asyncio.wait_for(process.stderr.readline(), 20)
            assert message == b"enricher: ingress-nginx/ingress-nginx-controller-1/controller: " + (
                NEVER % (UNKNOWN, ADVICE)
            ).removeprefix(b"enricher: ")


async def test_each_log_of_a_cluster_is_judged_by_itself(tmp_path):
    other = POD.replace("1", "2")
    async with FakeLogApi() as server:
        server.pod(POD)
        server.pod(other)
        for n in range(30):
            server.write(POD, LINE % (n, n))
        for n in range(5):
            server.write(other, b"2026-11-22T23:18:31.%09dZ {}" % n)
        async with tail(server, tmp_path, "--since", "10m") as process:
            message = await asyncio.wait_for(process.stderr.readline(), 20)
            assert b"controller-2/controller: no line of 5 fits" in message


async def test_top_shows_it_where_the_user_looks(tmp_path, endpoints):
    (path := tmp_path / "log").write_bytes(MISFITS)
    settings = resolve_settings(TOP, {"--endpoints": [str(endpoints)]}, {})
    feed, out = open_feed(settings, [str(path)], 0), []
    await feed.run(out.append)
    problem = (NEVER % (KEYS, ADVICE)).decode().removeprefix("enricher: ").strip()
    assert feed.status() == f"read to the end · {problem}"
    assert len(b"".join(out).splitlines()) == 5
    assert {orjson.loads(line)["kind"] for line in b"".join(out).splitlines()} == {"parse_error"}
