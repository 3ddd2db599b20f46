"""A runtime's stamp that is not a time is left out, in columns and one by one; the line's own time takes its place."""

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import profile_formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from tests.unit.enrich.controller_lines import enrich_all

ACCESS = (
    b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-" 128 0.007 [shop-web-80] [] '
    b"10.0.0.1:80 5 0.001 200 id"
)
NO_TIMES = [b"2026-13-45T99:99:99Z", b"2026-02-30T00:00:00.5Z", b"2026-11-22T23:18:31+99:99", b"0000-11-22T23:18:31Z"]
STAMP = b"2026-11-22T23:18:31.5Z"


@pytest.mark.parametrize("is_block", [True, False])
@pytest.mark.parametrize("no_time", NO_TIMES)
def test_times(no_time, is_block):
    texts = [(no_time, ACCESS), (STAMP, ACCESS), (no_time, b"nonsense"), (no_time, ACCESS)]
    block = Framer().feed(b"".join(b"%b stdout F %b\n" % both for both in texts))
    enricher = Enricher(FormatDetector(profile_formats("ingress-nginx")), Metrics(), node="n")
    data = enrich_all(enricher, Histories(History(), History()), block if is_block else list(block))
    rows = [orjson.loads(row) for row in data.splitlines()]
    assert [row["kind"] for row in rows] == ["access", "access", "parse_error", "access"]
    own = "2026-11-22T23:18:31Z"
    assert [row["time"] for row in rows] == [own, STAMP.decode(), None, own]
