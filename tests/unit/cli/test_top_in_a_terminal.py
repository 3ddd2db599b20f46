"""`enricher top` in a real terminal: however it is ended, the terminal is as it was."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

from tests.support.controller_logs import access, cri


class Terminal:
    """One that `top` runs in."""

    def __init__(self, *arguments):
        self.ours, self.its = pty.openpty()
        self.before, self.output = termios.tcgetattr(self.its), b""
        self.top = subprocess.Popen(
            [sys.executable, "-m", "enricher", "top", *arguments],
            stdin=self.its,
            stdout=self.its,
            stderr=self.its,
            env=os.environ | {"TERM": "xterm-256color"},
        )

    def read(self, until):
        end = time.monotonic() + 60
        while not until():
            assert time.monotonic() < end, self.output
            if select.select([self.ours], [], [], 0.1)[0]:
                self.output += os.read(self.ours, 65536)

    def modes(self):
        """Private modes (alternate screen, mouse and so on) that are on."""
        last = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", self.output))
        return {number.decode() for number, turned in last.items() if turned == b"h"}

    def ended(self):
        return self.top.poll() is not None

    def close(self):
        self.top.kill()
        self.top.wait()
        os.close(self.ours)
        os.close(self.its)


@pytest.fixture
def terminal(endpoints, tmp_path):
    path = tmp_path / "log"
    path.write_text(cri(access(1)))
    terminal = Terminal("--endpoints", str(endpoints), str(path))
    yield terminal
    terminal.close()


@pytest.mark.parametrize(("keys", "number", "code"), [(b"q", None, 0), (b"/\x03", None, 0), (b"", signal.SIGTERM, 143)])
def test_the_terminal_is_given_back(terminal, keys, number, code):
    terminal.read(lambda: b"web-1" in terminal.output)
    assert "1049" in terminal.modes()
    os.write(terminal.ours, keys)
    if number:
        terminal.top.send_signal(number)
    terminal.read(terminal.ended)
    terminal.read(lambda: "1049" not in terminal.modes())
    assert terminal.top.returncode == code
    assert terminal.modes() <= {"25", "7"}  # the cursor is seen, lines wrap
    assert termios.tcgetattr(terminal.its) == terminal.before


def test_no_line_fits(endpoints, tmp_path):
    """The exit code says so, as that of `enrich` and `tail`, and the reason stays on the terminal."""
    path = tmp_path / "log"
    path.write_text(cri("who knows"))
    terminal = Terminal("--endpoints", str(endpoints), str(path))
    try:
        terminal.read(lambda: b"read to the end" in terminal.output)
        os.write(terminal.ours, b"q")
        terminal.read(terminal.ended)
        terminal.read(lambda: b"enricher: read to the end" in terminal.output)
        assert terminal.top.returncode == 3
        assert b"no line of 1 fits a known log format" in terminal.output.rpartition(b"enricher: ")[2]
    finally:
        terminal.close()
