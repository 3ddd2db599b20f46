"""The man page is the options' as they are now, and comes with the package."""

import re
import tomllib
from pathlib import Path

from enricher.cli.main import EPILOG
from enricher.cli.man_page import EXIT_CODES, page
from enricher.config.settings import CONFIG, ENRICH, RECORD, RUN

ROOT = Path(__file__).parents[2]


def test_it_is_current():
    assert (ROOT / "docs" / "enricher.1").read_text() == page(), "make man"


def test_every_option_is_in_it_with_its_variable():
    said = page().replace(r"\-", "-")
    for option in (CONFIG, *RUN, *ENRICH, *RECORD):
        assert re.search(rf"^\\fB{option.flag}\\fR( |$)", said, re.MULTILINE), option.flag
        assert f"[{option.variable}]" in said
    assert list(EXIT_CODES) == re.findall(r"\d+", EPILOG)


def test_no_line_is_taken_for_a_request():
    """A dot or an apostrophe at a line's beginning is one."""
    requests = (".TH", ".nh", ".ad", ".SH", ".SS", ".TP", ".PP", ".br", ".nf", ".fi", ".B ")
    assert not [line for line in page().splitlines() if line.startswith((".", "'")) and not line.startswith(requests)]


def test_the_wheel_installs_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [pattern] = project["tool"]["setuptools"]["data-files"]["share/man/man1"]
    assert list(ROOT.glob(pattern)) == [ROOT / "docs" / "enricher.1"]
