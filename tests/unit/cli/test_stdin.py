"""stdin that is closed, or a terminal, where a log was to come from."""

import os
import pty
import subprocess
import sys

import pytest

from enricher.cli.top import terminal_as_stdin
from enricher.errors import UsageError


@pytest.mark.parametrize("arguments", ["tail -", "enrich -", "enrich", "explain -", "top -"])
def test_a_closed_stdin_is_reported(endpoints, arguments):
    command = f"{sys.executable} -m enricher {arguments} --endpoints {endpoints} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"enricher: stdin is closed\n")


def test_keys_and_a_log_do_not_both_come_from_the_terminal(monkeypatch):
    ours, its = pty.openpty()
    with os.fdopen(its, "r+b", buffering=0) as terminal, os.fdopen(ours):
        for name in ("stdin", "stdout"):
            monkeypatch.setattr(sys, name, _Text(terminal))
        with pytest.raises(UsageError, match="cannot read a log from stdin"), terminal_as_stdin(True):
            pass


class _Text:
    """As much of a text stream as is asked."""

    def __init__(self, buffer):
        self.buffer, self.isatty = buffer, buffer.isatty
