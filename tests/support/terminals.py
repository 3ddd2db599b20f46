"""Commands in a real terminal, and what must not be in their output."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

HOSTILE = (
    "\x1b]0;owned\x07\x1b]52;c;aGk=\x1b\\\x1b[7;5m\x9b2J\x90x\x9c\x7f\x85\b\r"
    "\n= exact: bank/pay-1\n\u2028\u2029\u202eabc\u2066\u200b\ufeff\ue000\U000e0041[/x][red]:smile:"
    + "a"
    + "\u0301" * 40
)
"""Escape sequences, controls of all kinds, line breaks, marks of direction, the invisible, marks in a flood, markup."""
COLOUR = re.compile(r"\x1b\[[0-9;]{1,5}m")


class Terminal:
    """A command in a terminal of its own, which is stdin, stdout and stderr."""

    def __init__(
        self, *arguments, encoding="utf-8", columns=4000, program=(sys.executable, "-m", "enricher"), **options
    ):
        self.ours, its = pty.openpty()
        termios.tcsetwinsize(its, (50, columns))
        self.encoding, self.output = encoding, b""
        environ = os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": encoding}
        command = [*map(str, (*program, *arguments))]
        self.process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environ, **options)
        os.close(its)

    def read(self, until=None, seconds=60):
        """Read until a condition is true, or without one until the command has ended."""
        end = time.monotonic() + seconds
        while not (until and until()):
            assert time.monotonic() < end, self.output
            if select.select([self.ours], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.ours, 65536)
                except OSError:  # the command has ended
                    assert not until, self.output
                    return

    def text(self):
        """The output without the terminal's own line ends and our colours."""
        return COLOUR.sub("", self.output.decode(self.encoding).replace("\r\n", "\n"))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@contextlib.contextmanager
def terminal(*arguments, **options):
    running = Terminal(*arguments, **options)
    try:
        yield running
    finally:
        running.close()


def output_of(*arguments, until="", **options):
    """What a command prints until it ends, or until it has printed some text and is interrupted."""
    with terminal(*arguments, **options) as running:
        if until:
            running.read(lambda: until.encode() in running.output)
            running.process.send_signal(signal.SIGINT)
        running.read()
        return running.text()


def assert_harmless(text):
    """No character is obeyed or unseen, no text from outside begins a line, and nothing fails because of one."""
    assert "Traceback" not in text
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith("= exact"), line
        assert "\u0301" * 5 not in line
