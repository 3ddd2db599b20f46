"""Recorded logs of every proxy, with what each tool puts around their lines."""

from functools import cache
from pathlib import Path

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.cli.log_lines import fit_with
from enricher.line import Line, Source
from enricher.tailer.reader import read_file
from enricher.tailer.unwrapping import Fit, FitOf, Unwrapper
from tests.unit.cli.test_logs_as_fetched import WRAPPED

LINES = 12
RECORDED = Path(__file__).parents[2] / "integration/proxies/recorded"
LOGS = sorted(path.stem for path in RECORDED.glob("*.log"))


@cache
def read_recorded(name) -> tuple[list[str], FitOf]:
    """Return some lines of a recorded log, which are UTF-8, and what such lines are."""
    texts = [line.text.decode("utf-8", "replace") for lines in read_file(f"{RECORDED}/{name}.log") for line in lines]
    return [text for text in texts if "\ufffd" not in text][:LINES], fit_with(FormatDetector())


@pytest.mark.parametrize("name", LOGS)
def test_nothing_is_taken_off_a_log_as_it_is(name):
    texts, fit_of = read_recorded(name)
    lines = [Line(text.encode()) for text in texts]
    assert Unwrapper(Source("log"), fit_of).unwrap(lines).lines == lines


@pytest.mark.parametrize("tool", WRAPPED)
def test_all_that_a_tool_put_around_the_lines_is_taken_off(tool):
    """HAProxy's formats take syslog's frame as a part of the line."""
    for name in LOGS:
        texts, fit_of = read_recorded(name)
        wrapped = [Line(WRAPPED[tool][0](text).encode()) for text in texts]
        lines = Unwrapper(Source("log"), fit_of).unwrap(wrapped).lines
        if lines == wrapped:
            assert name.startswith("haproxy")
            assert {fit_of(line.text) for line in wrapped} == {Fit.REQUEST}
        else:
            assert [line.text.decode() for line in lines] == texts
