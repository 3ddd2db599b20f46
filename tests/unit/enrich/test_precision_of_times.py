"""Response times are as precise as the proxy logs them, in columns and one by one."""

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

TIMES = [
    (1_484_012, "0.001484012"),
    (5_000_000, "0.005"),
    (1, "0.000000001"),
    (12_000_000_001, "12.000000001"),
    (0, "0.000"),
]


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("is_block", [True, False])
def test_nanoseconds_of_traefik(is_block, retries):
    line = (
        b'{"Duration":12000000002,"DownstreamStatus":200,"OriginDuration":%d,"OriginStatus":200,"RetryAttempts":%d,'
        b'"ServiceURL":"http://10.0.0.1:80","StartUTC":"2026-11-22T23:19:13.014Z"}'
    )
    block = Framer().feed(b"".join(b"2026-11-22T23:19:14Z stdout F %b\n" % (line % (ns, retries)) for ns, _ in TIMES))
    enricher = Enricher(FormatDetector(profile_formats("traefik")), Metrics(), node="n")
    for _ in range(2):  # the second time there is a layout
        data = enrich_all(enricher, Histories(History(), History()), block if is_block else list(block))
    texts = [row.partition(b'"response_time":')[2].partition(b",")[0].decode() for row in data.splitlines()]
    assert texts == (["null"] * len(TIMES) if retries else [text for _, text in TIMES])
    assert all(orjson.loads(row)["attempts"] for row in data.splitlines())
