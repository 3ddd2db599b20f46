"""How much is done for the lines of a log with lines of tries, counted in calls of functions."""

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from tests.support.calls import calls
from tests.unit.enrich.controller_lines import NOW, enrich_all, make_histories
from tests.unit.enrich.generators.envoy_tries import FORMAT, JSON_FORMAT, SOURCE, Entry

REQUESTS = 400


def block_of(log_format, *types):
    """Return the lines of many requests, each of these types."""
    entries = (
        Entry(type_, f"id-{n}", 0 if type_ == "UpstreamPoolReady" else 200, host=f"10.0.0.{n % 3}:80", number=1)
        for n in range(REQUESTS)
        for type_ in types
    )
    return Framer().feed(b"".join(entry.framed(log_format) for entry in entries))


@pytest.mark.parametrize("log_format", [FORMAT, JSON_FORMAT], ids=["text", "JSON"])
@pytest.mark.parametrize(
    ("types", "at_most"),
    [
        (["DownstreamEnd"], 8),
        (["UpstreamPoolReady", "UpstreamEnd", "DownstreamEnd"], 15),
        (["UpstreamEnd", "UpstreamEnd", "DownstreamEnd"], 210),
    ],
    ids=["requests alone", "with tries", "retried"],
)
@pytest.mark.parametrize("count_only", [False, True], ids=["", "counted only"])
def test_calls_for_each_line(log_format, types, at_most, *, count_only):
    formats = FormatDetector((envoy.compile_format(log_format),))
    enricher = Enricher(formats, Metrics(lambda: NOW), count_only=count_only)
    histories = make_histories()
    enrich_all(enricher, histories, block_of(log_format, *types), source=SOURCE)
    block = block_of(log_format, *types)
    made = calls(lambda: enrich_all(enricher, histories, block, source=SOURCE))
    print(f"{made / len(block):.2f} calls a line")
    assert made <= at_most * len(block)
