"""`enricher top` in a real terminal, with hostile names, logs and pasted text: nothing in them is obeyed."""

import re

import orjson
import pytest
from textual.events import Paste
from textual.widgets import Input

from demo.picture import wait_until_idle
from tests.support.controller_logs import access
from tests.support.terminals import HOSTILE, terminal
from tests.unit.cli.test_top import screen, top

OWN = b"\x1b]22;default\x07"
"""With which the view sets the form of the pointer."""


@pytest.fixture
def hostile_run(tmp_path):
    raw = HOSTILE.replace("\n", " ")
    line = access(1, status="502").replace("GET /1", f"GET /first{raw}")
    name = re.sub("[/\\0]", "", HOSTILE)[:40]
    (tmp_path / name).write_text(f"{line}\n" * 3 + f"{raw}\n")
    endpoint = {"pod": "pod[/x][red]:smile:", "namespace": "[link=http://x]shop", "service": "\\[b]"}
    (tmp_path / "endpoints.yaml").write_bytes(b"10.0.0.1:80: " + orjson.dumps(endpoint))
    with terminal("top", "--endpoints", "endpoints.yaml", name, cwd=tmp_path, columns=250) as running:
        running.read(lambda: b"/first" in running.output)
        yield running


def assert_not_obeyed(output):
    text = output.replace(OWN, b"").decode()
    assert not re.search("[\x7f-\x9f\u2028\u2029\u202e\u2066\u200b\ufeff\ue000\U000e0041]", text)
    assert "\u0301" * 5 not in text
    for sequence in ("\x1b]", "\x1b[7;5m", "\x07", "\x1bP", "\b"):
        assert sequence not in text, ascii(sequence)


def test_names_and_lines(hostile_run):
    hostile_run.read(lambda: b"pod[/x][red]:smile:" in hostile_run.output)
    assert rb"\x1b]0;owned" in hostile_run.output
    assert b"[link=http://x]shop" in hostile_run.output
    assert_not_obeyed(hostile_run.output)


async def test_pasted_text():
    """The filter takes what is harmless, and nothing else."""
    async with top() as (app, pilot):
        await pilot.press("slash")
        await wait_until_idle(pilot)
        (filter_input := app.query_one("#filter", Input)).post_message(Paste(HOSTILE))
        await wait_until_idle(pilot)
        assert filter_input.value == ""
        for text in ("\x9b2J", "\u202e", "a\u0301", "\x7f", "web-1 — grüße"):
            filter_input.post_message(Paste(text))
        await wait_until_idle(pilot)
        assert filter_input.value == "web-1 — grüße"
        assert "filter: web-1 — grüße" in screen(app)
