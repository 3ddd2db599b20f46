import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.enrich.engine import Enricher
from enricher.line import Line
from enricher.metrics.counters import Metrics
from tests.unit.enrich.controller_lines import AT, STAMP, enrich_all, slice_of


@pytest.fixture
def history():
    """Pod web-1 at 10.0.0.1 and web-2 at 10.0.0.2, for as long as anybody knows, and an hour of watching."""
    history = History(retention=None)
    history.replace([read_slice(slice_of({"10.0.0.1": "web-1", "10.0.0.2": "web-2"}))], AT - 3600 * 10**9)
    return history


@pytest.fixture
def make(history):
    """Makes an Enricher for a format, and gives the histories beside it."""

    def make(format_=INGRESS_NGINX, **options):
        formats = FormatDetector((compile_format(format_),))
        return Enricher(formats, Metrics(), node="node-0", **options), Histories(history, History())

    return make


@pytest.fixture
def enriched(make):
    """What goes out for lines, one object per line."""

    def enriched(*texts, format_=INGRESS_NGINX, stamp=STAMP, stream="stdout", cut=0, **options):
        data = enrich_all(*make(format_, **options), [Line(text, stamp, stream, cut) for text in texts])
        rows = data.split(b"\n")
        assert rows.pop() == b""
        return [orjson.loads(row) for row in rows]

    return enriched
