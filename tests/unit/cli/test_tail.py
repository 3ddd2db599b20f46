"""`enricher tail` over files and pipes."""

import os
import pty
import subprocess
import sys

import orjson
import pytest

from tests.support.controller_logs import access, cri

LOG = cri(access(1)) + cri(access(2, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5"))
SHORT = "23:18:31.500  200  GET /1  web-1  0.007s\n23:18:31.500  200  GET /2  web-2  0.007s  502 web-1 → 200 web-2\n"


@pytest.fixture
def tail(endpoints, tmp_path):
    """What it writes, on stdout and stderr, to be given a log as file or through a pipe."""

    def tail(*arguments, log=LOG, **options):
        path = tmp_path / "log"
        path.write_text(log)
        command = [sys.executable, "-m", "enricher", "tail", "--endpoints", str(endpoints), *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command += [] if "-" in arguments else [str(path)]
        return subprocess.run(command, input=log.encode(), timeout=60, check=False, **options)

    return tail


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_short_lines(tail, arguments):
    done = tail(*arguments)
    assert (done.stdout.decode(), done.returncode) == (SHORT, 0)


def test_json(tail):
    [record] = map(orjson.loads, tail("--errors", "-o", "json").stdout.splitlines())
    assert [one["pod"] for one in record["attempts"]] == ["web-1", "web-2"]


def test_a_log_of_another_format_is_reported(tail):
    done = tail(log=cri("who knows"))
    assert (done.stdout, done.returncode) == (b"", 3)
    assert (
        b'no line of 1 fits a known log format: one of them is like no known log format, "who knows": ' in done.stderr
    )


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_on_a_terminal_only(tail, variables, coloured):
    terminal, end = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = tail(stdout=end, env=kept | variables)
    os.close(end)
    message = os.read(terminal, 4096)
    os.close(terminal)
    assert done.returncode == 0
    assert b"GET /1" in message
    assert (b"\x1b[32m200" in message) is coloured


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ("enricher.cli.main", []),
        ("enricher.cli.enrich", []),
        ("enricher.cli.feed, enricher.cli.tail", ["aiohttp", "enricher.cli.feed"]),
    ],
)
def test_a_command_imports_only_what_it_needs(modules, expected):
    """A view is drawn by `top` alone, and log files are enriched without an API server's client."""
    costly = "print(*[name for name in ('aiohttp', 'textual', 'enricher.cli.feed') if name in sys.modules])"
    command = [sys.executable, "-c", f"import sys, {modules}; {costly}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == expected
