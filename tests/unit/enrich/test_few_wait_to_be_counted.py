"""Attributions that cannot be cached do not pile up until they are counted, or a log could fill the memory."""

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.enrich import owners
from enricher.enrich.engine import Enricher
from enricher.line import Line
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import NOW, SOURCE, enrich_all, framed, make_histories

REPORTING = compile_format("$status $upstream_addr $upstream_status $upstream_http_x_pod_name")


@pytest.fixture
def waiting(monkeypatch):
    """The numbers of attributions that were counted together."""
    monkeypatch.setattr(owners, "MAX_UNCOUNTED", 10)
    numbers, take = [], owners.Owners.take_uncounted
    monkeypatch.setattr(
        owners.Owners, "take_uncounted", lambda self: numbers.append(len(self._uncounted)) or take(self)
    )
    return numbers


def test_names_that_lines_report_are_counted_soon(waiting):
    metrics = Metrics(lambda: NOW)
    enricher = Enricher(FormatDetector((REPORTING,)), metrics, pod_variable="upstream_http_x_pod_name")
    for chunk in range(20):
        lines = [
            Line(b"200 10.9.9.9:80 200 web-%d-%d" % (chunk, n), b"2026-11-22T23:18:31Z", "stdout") for n in range(7)
        ]
        enrich_all(enricher, make_histories(), lines)
    assert max(waiting) <= 10 + 7
    assert sum(series.requests for series in metrics.pods.values()) > 100


def test_lines_around_a_change_of_their_address_leave_nothing_behind_but_themselves(waiting):
    enricher, histories = (
        Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW)),
        make_histories(),
    )
    # 10.0.0.8 came at NOW, which lies between the bounds of these lines' times, but in none of their times.
    line = '198.51.100.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 1 0.001 [shop-web-80] [] '
    stamps = [format_rfc3339(NOW + (300 + n) * SECOND // 1000) for n in range(20)]
    body = "".join(f"{stamp} stdout F {line}10.0.0.8:80 1 0.001 200 abc\n" for stamp in stamps)
    list(enricher.enrich(SOURCE, framed(body.encode()), histories))
    enricher.update_counts()
    assert sum(waiting) == 0
