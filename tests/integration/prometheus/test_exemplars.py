"""A real Prometheus that scrapes a real daemon finds the trace of a failed and of a slow request."""

import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from enricher.daemon.http import OPENMETRICS
from enricher.timestamps import format_rfc3339
from tests.integration.prometheus.incident import configuration
from tests.support.daemons import Node
from tests.support.kube import eventually
from tests.support.prometheus import Prometheus, running

FORMAT = (
    '$remote_addr "$request" $status $request_time $upstream_addr $upstream_status $upstream_response_time '
    '"$http_traceparent" "$req_id"'
)
FAILED, SLOW, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
ID = "8df3b3d2a0fb14f3f9b438f0a5d1c2b3"


def line(status: int, seconds: str, trace: str, request_id: str = "-") -> str:
    stamp = format_rfc3339(time.time_ns())
    text = f'192.0.2.7 "GET / HTTP/1.1" {status} {seconds} 10.0.0.1:80 {status} {seconds} "{trace}" "{request_id}"'
    return f"{stamp} stdout F {text}\n"


def exemplars(prometheus: Prometheus, selector: str) -> list[tuple[dict[str, str], dict[str, str], float]]:
    """Return the labels of the series, those of the exemplar, and its value."""
    now = time.time()
    found: list[dict[str, Any]] = prometheus.get("query_exemplars", query=selector, start=now - 300, end=now + 300)
    return [
        (series["seriesLabels"], exemplar["labels"], float(exemplar["value"]))
        for series in found
        for exemplar in series["exemplars"]
    ]


@pytest.mark.prometheus
@pytest.mark.timeout(120)
def test_prometheus_keeps_the_traces_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "backends.yaml").write_text("10.0.0.1:80: web-1\n")
    node = Node(tmp_path, tmp_path / "backends.yaml")
    node.write(
        line(200, "0.004", "x\\x22} 1 # {trace_id=\\x22y"),
        line(503, "0.020", f"00-{FAILED}-{SPAN}-01"),
        line(200, "3.100", f"00-{SLOW}-{SPAN}-01"),
        line(200, "0.300", "-", ID),
    )
    daemon = node.start("--log-format", FORMAT)
    try:
        with running(configuration([daemon]), tmp_path, "exemplar-storage") as prometheus:

            def errors_have_one() -> None:
                ((series, ids, value),) = exemplars(prometheus, 'ingress_upstream_errors_total{pod="web-1"}')
                assert (series["code"], ids, value) == ("503", {"trace_id": FAILED, "span_id": SPAN}, 1)

            def buckets_have_some() -> None:
                found = exemplars(prometheus, "ingress_upstream_response_seconds_bucket")
                assert {(series["le"], ids.get("trace_id"), value) for series, ids, value in found} >= {
                    ("5.0", SLOW, 3.1)
                }

            eventually(errors_have_one, 30)
            eventually(buckets_have_some, 30)
            assert {row.get("trace_id") for row in daemon.rows()} == {None, FAILED, SLOW}
            # They say when a series was created, and the shipped job keeps that from becoming a series of its own.
            request = Request(f"http://127.0.0.1:{daemon.port}/metrics", headers={"Accept": OPENMETRICS})
            with urlopen(request, timeout=5) as response:
                assert b"ingress_upstream_errors_created{" in response.read()
            assert prometheus.query('{__name__=~"(ingress|enricher)_.+_created"}') == []
            assert prometheus.value("process_resident_memory_bytes") > 2**20
    finally:
        daemon.kill()
