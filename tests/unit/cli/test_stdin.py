"""stdin that is closed, or a terminal, where a log was to come from."""

import os
import pty
import subprocess
import sys

import pytest

from enricher.cli.top import terminal_as_stdin
from enricher.errors import UsageError
from tests.support.terminals import terminal


@pytest.mark.parametrize("arguments", ["tail -", "enrich -", "enrich", "explain -", "top -"])
def test_a_closed_stdin_is_reported(endpoints, arguments):
    command = f"{sys.executable} -m enricher {arguments} --endpoints {endpoints} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"enricher: stdin is closed\n")


def test_keys_and_a_log_do_not_both_come_from_the_terminal(monkeypatch):
    ours, its = pty.openpty()
    with os.fdopen(its, "r+b", buffering=0) as typed, os.fdopen(ours):
        for name in ("stdin", "stdout"):
            monkeypatch.setattr(sys, name, _Text(typed))
        with pytest.raises(UsageError, match="cannot read a log from stdin"), terminal_as_stdin(True):
            pass


@pytest.mark.parametrize("options", [[], ["--summary"]])
def test_a_log_that_is_typed_is_asked_for(endpoints, options):
    with terminal("enrich", "--endpoints", endpoints, *options) as running:
        running.read(lambda: b"reading a log from stdin until Ctrl-D: give FILE to read a file" in running.output)
        os.write(running.ours, b"hello\n\x04")
        running.read(lambda: b"parse_error" in running.output)


class _Text:
    """As much of a text stream as is asked."""

    def __init__(self, buffer):
        self.buffer, self.isatty = buffer, buffer.isatty
