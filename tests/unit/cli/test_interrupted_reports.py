"""Ctrl-C while `enrich` reads a pipe that stays open: a report is of the lines so far."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

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
    wait_for_call(process, READS_OF_STDIN)


def wait_for_call(process, calls):
    """Wait until the process waits in one of the system calls."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with open(f"/proc/{process.pid}/syscall") as file:
            if file.read().startswith(calls):
                return
        os.sched_yield()
    raise AssertionError("the process never waited")


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


WRITES_TO_STDOUT = ("1 0x1 ", "64 0x1 ")
"""The system call `write` with 1, as /proc has it on amd64 and arm64."""


def test_no_line_is_cut(endpoints, tmp_path):
    """The pipe is full when Ctrl-C comes, and its reader goes on reading only then."""
    (tmp_path / "log").write_text("".join(cri(access(n)) for n in range(5000)))
    command = [sys.executable, "-m", "enricher", "enrich", "--endpoints", endpoints, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_call(process, WRITES_TO_STDOUT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (130, b"")
    lines = out.split(b"\n")
    assert lines.pop() == b""
    assert 100 < len(lines) < 5000
    assert all(line.startswith(b"{") and line.endswith(b"}") for line in lines)


def test_the_second_ctrl_c_does_not_wait(endpoints, tmp_path):
    (tmp_path / "log").write_text("".join(cri(access(n)) for n in range(5000)))
    command = [sys.executable, "-m", "enricher", "enrich", "--endpoints", endpoints, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_call(process, WRITES_TO_STDOUT)
        process.send_signal(signal.SIGINT)
        end = time.monotonic() + DEADLINE
        while process.poll() is None and time.monotonic() < end:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            os.sched_yield()
        assert process.returncode not in {None, 0}
