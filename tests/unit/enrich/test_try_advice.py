"""Formats that do not let lines of tries be told from requests, or be joined with them: it is said, once."""

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.try_formats import NO_ID, NO_TYPE
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.enrich.format_check import FormatCheck
from enricher.line import Line
from enricher.metrics.counters import Metrics
from tests.unit.enrich.generators.envoy_tries import FORMAT, NUMBER, SOURCE, Entry

TRIES = [Entry("UpstreamPoolReady"), Entry("UpstreamEnd", status=200)]
END = Entry("DownstreamEnd", status=200, number=1)
LEFT = Entry("DownstreamEnd", status=0, flags="DC", number=1)
WITHOUT_TYPE = FORMAT.replace(" %ACCESS_LOG_TYPE%", "")
WITHOUT_BOTH = WITHOUT_TYPE.replace(f" {NUMBER}", "")
WITHOUT_ID = FORMAT.replace(" %REQ(X-REQUEST-ID)%", "")


def lines_of(log_format, entries):
    """Return lines in a format that has some of the operators of FORMAT."""
    values = [dict(zip(FORMAT.split(), entry.text(FORMAT).decode().split(), strict=True)) for entry in entries]
    return [" ".join(value[name] for name in log_format.split()).encode() for value in values]


@pytest.mark.parametrize(
    ("log_format", "entries", "expected"),
    [
        (FORMAT, [*TRIES, END], ""),
        (WITHOUT_TYPE, [*TRIES, END], NO_TYPE),
        (WITHOUT_TYPE, [TRIES[1]], NO_TYPE),
        (WITHOUT_TYPE, [END, LEFT], ""),
        (WITHOUT_BOTH, [*TRIES, END], NO_TYPE),
        (WITHOUT_BOTH, [END, LEFT], ""),
        (WITHOUT_ID, [*TRIES, END], NO_ID),
        (WITHOUT_ID, [END], ""),
    ],
)
def test_advice(log_format, entries, expected):
    formats, check = (envoy.compile_format(log_format),), FormatCheck()
    lines = [Line(text) for text in lines_of(log_format, entries)]
    enricher = Enricher(FormatDetector(formats), Metrics())
    outputs = list(enricher.enrich(SOURCE, lines, Histories(History(), History())))
    check.add(outputs, lines, formats=formats)
    assert check.problem is None
    assert check.advice() == expected
    assert not check.advice()
