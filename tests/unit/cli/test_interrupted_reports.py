"""Ctrl-C while `enrich` reads a pipe that stays open: a report is of the lines so far."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.controller_logs import access, cri

DEADLINE = 30
READS_OF_STDIN = ("0 0x0 ", "63 0x0 ")
"""The system call `read` with 0, as /proc has it on amd64 and arm64."""


def interrupted(endpoints, *options):
    """Return the exit code, stdout and stderr of a process that was interrupted after it had read its input."""
    command = [sys.executable, "-m", "enricher", "enrich", "--endpoints", endpoints, *options, "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdin.write("".join(cri(access(n)) for n in range(500)).encode())
        process.stdin.flush()
        wait_until_it_waits_for_input(process)
        process.send_signal(signal.SIGINT)
        code = process.wait(DEADLINE)
        return code, process.stdout.read().decode(), process.stderr.read().decode()


def wait_until_it_waits_for_input(process):
    """Wait until the pipe is empty, in which case the process waits in a read of it."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with open(f"/proc/{process.pid}/syscall") as file:
            if file.read().startswith(READS_OF_STDIN):
                return
        os.sched_yield()
    raise AssertionError("the process never waited for input")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--summary"], "500 attempts: 500 exact"),
        (["--summary", "-o", "csv"], "shop,web,web-1,500,0"),
        (["--map", "dot"], '"outside" -> "shop/web" [label="500"]'),
    ],
)
def test_a_report_is_of_the_lines_so_far(endpoints, options, expected):
    code, out, err = interrupted(endpoints, *options)
    assert code == 130
    assert expected in out
    assert err == "enricher: interrupted: the lines after these were not read\n"
