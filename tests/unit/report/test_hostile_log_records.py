"""Log records, stacks and consoles: no text begins a line, or is read as anything but text."""

import io
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from enricher.report.console import PipedConsole, one_line
from enricher.report.terminal import PrintableFormatter

FORGED = "2026-11-22 23:19:13 INFO enricher.daemon: all is well"
HOSTILE = f"\x1b]0;owned\x07\x9b2J\u202e\r\n{FORGED}\u2028{FORGED}"
MARKUP = ["[/x]", "[red]x", "[link=http://x]y[/link]", r"\[bold]", ":smile:", "[@click=app.quit]x[/]", "\\", "[", "[]"]


def formatted(message, *arguments, error=None, stack=None):
    record = logging.LogRecord("enricher.x", logging.WARNING, "x.py", 1, message, arguments, None)
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    record.stack_info = stack
    return PrintableFormatter("%(levelname)s %(message)s").format(record)


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def assert_lines(text):
    first, *others = text.split("\n")
    assert first.startswith("WARNING ")
    for line in others:
        assert line.startswith("  ")
    assert all(line.isprintable() for line in (first, *others))


@given(st.text())
def test_a_record_is_one_line(text):
    assert "\n" not in formatted("%s: %s", text, text)
    assert_lines(formatted("%s", text))


@given(st.text())
def test_a_stack_is_indented(text):
    assert_lines(formatted("failed", error=raised(ValueError(text))))
    assert_lines(formatted("failed", stack=text))


def test_errors_in_groups_are_too():
    error = raised(BaseExceptionGroup(HOSTILE, [ValueError(HOSTILE), KeyError(HOSTILE)]))
    error.add_note(HOSTILE)
    assert_lines(formatted(HOSTILE, error=error))


@pytest.mark.parametrize("thread", [False, True])
def test_exceptions_that_nothing_catches(thread):
    """They are faults of the program; what they quote is not."""
    fail = f"fail = lambda *_: (_ for _ in ()).throw(ValueError({HOSTILE!r}))"
    command = "(threading.Thread(target=fail).start(), 0)[1]" if thread else "fail()"
    script = f"""
import sys, threading
from enricher.cli import completion, main
{fail}
completion.main = lambda _: {command}
sys.argv = ["enricher", "completion", "bash"]
sys.exit(main.main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == (0 if thread else 1)
    first, *others = done.stderr.decode().removesuffix("\n").split("\n")
    assert first == "enricher: failed"
    assert "ValueError" in "".join(others)
    assert all(line.isprintable() and line.startswith("  ") for line in others)


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_text(text):
    console = PipedConsole(file=(out := io.StringIO()), width=60)
    table = Table(text, box=None)
    table.add_row(text)
    console.print(text)
    console.print(one_line(text, (text, "red")))
    console.print(table)
    assert [line.strip() for line in out.getvalue().splitlines()] == [text, text + text, text, text]


@given(st.text())
def test_a_console_prints_one_line_of_any_text(text):
    console = PipedConsole(file=(out := io.StringIO()), soft_wrap=True)
    console.print(text)
    console.print(one_line("a", (text, "red")))
    lines = out.getvalue().split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
