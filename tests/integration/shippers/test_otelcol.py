"""The OpenTelemetry Collector, as the guide sets it up, loses a field, splits a line, or takes the raw log as well."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.collector import ATTRIBUTES, collector
from tests.integration.shippers.pods_logs import (
    ENRICHER,
    OTHER_WORD,
    OWN_WORD,
    Pods,
    access,
    enriched_by_daemon,
    framed,
    nanoseconds,
    until,
)
from tests.support.kubelet import Container

pytestmark = pytest.mark.shipping


LAST_WORD = b"this was the last line"


@dataclass
class Record:
    resource: dict[str, Any]
    attributes: dict[str, Any]
    body: Any
    severity: str
    time: int
    trace: tuple[str, str]
    """The ids of the trace and of the span, in hexadecimal digits; empty if there are none."""


def plain(value: dict[str, Any]) -> Any:
    """An OTLP value without its types."""
    match value:
        case {"kvlistValue": {"values": list(pairs)}}:
            return {pair["key"]: plain(pair["value"]) for pair in pairs}
        case {"kvlistValue": _}:
            return {}
        case {"arrayValue": array}:
            return [plain(one) for one in array.get("values", [])]
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {}:
            return next(iter(value.values()), None)


def mapping(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: plain(pair["value"]) for pair in pairs}


class Backend(ThreadingHTTPServer):
    """Takes OTLP as JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.records: list[Record] = []

    def take(self, request: dict[str, Any]) -> None:
        for resource in request["resourceLogs"]:
            about = mapping(resource["resource"].get("attributes", []))
            for record in (record for scope in resource["scopeLogs"] for record in scope["logRecords"]):
                attributes, severity = mapping(record.get("attributes", [])), record.get("severityText", "")
                body, at = plain(record["body"]), int(record["timeUnixNano"])
                trace = record.get("traceId", ""), record.get("spanId", "")
                self.records.append(Record(about, attributes, body, severity, at, trace))


class Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def backend() -> Iterator[Backend]:
    with Backend() as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()


ENVOY = (
    '[2026-11-22T23:18:31.000Z] "{} HTTP/2" 200 - via_upstream - "-" 0 5 3 2 "-" "curl" "id" "shop" "10.0.0.1:80" web '
    "10.0.0.9:4000 10.0.0.9:80 {} - -"
)
TRAEFIK = (
    '{"ClientHost":"192.0.2.7","ClientPort":"51234","DownstreamStatus":200,"Duration":3000000,"OriginStatus":200,'
    '"RequestHost":"shop","RequestMethod":"GET","RequestPath":"/a?b=c","RequestProtocol":"HTTP/2.0",'
    '"RouterName":"shop@kubernetes","ServiceAddr":"10.0.0.1:80","StartUTC":"2026-11-22T23:18:31.0Z","level":"info",'
    '"msg":"","time":"2026-11-22T23:18:31Z"}'
)
SIX = {"client.address": "2001:db8::7"}
REQUEST = {"http.request.method": "GET", "url.path": "/a", "url.query": "b=c", "network.protocol.version": "2"}
FOUR = {"client.address": "192.0.2.7", "client.port": 51234}
PARTS = [
    (ENVOY.format("GET /a?b=c", "192.0.2.7:51234"), REQUEST | FOUR),
    (
        ENVOY.format("GET /a", "[2001:db8::7]:51234"),
        REQUEST | FOUR | {"url.query": "", "client.address": "2001:db8::7"},
    ),
    (ENVOY.format("- -", "-"), {"client.address": "-"}),
    (TRAEFIK, REQUEST | FOUR | {"network.protocol.version": "2.0"}),
    (access("/a?b=c").replace("192.0.2.7", "2001:db8::7"), REQUEST | {"network.protocol.version": "1.1"} | SIX),
]
"""Lines of proxies, and what the conventions call the request and the client in them."""


def shipped(tmp_path: Path, pods: Pods, count: int) -> list[Record]:
    with backend() as server:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        json_encoding = ("--set", "exporters::otlp_http::encoding=json")
        with collector(tmp_path, pods.directory, endpoint, *json_encoding) as process:
            until(lambda: len(server.records) >= count, process)
            # Whoever reads the raw log has read it before what is written now.
            with pods.other.open("ab") as file:
                file.write(framed(LAST_WORD))
            until(lambda: server.records[-1].body == LAST_WORD.decode(), process)
        return server.records[:-1]


def as_it_was(record: Record) -> dict[str, Any]:
    """The enricher's line, put together again from where its fields went."""
    resource, attributes, row = dict(record.resource), dict(record.attributes), dict(record.body)
    assert resource.pop("service.name") == "ingress"
    assert attributes.pop("log.iostream") == "stdout"
    source = {name.split(".")[1]: value for name, value in resource.items() if name != "k8s.namespace.name"}
    row["logged_by"] = row["logged_by"] | {"namespace": resource["k8s.namespace.name"]} | source
    row |= {name: attributes.pop(other) for name, other in ATTRIBUTES.items() if other in attributes}
    if "url.path" in attributes:
        method, path = attributes.pop("http.request.method"), attributes.pop("url.path")
        query, version = attributes.pop("url.query"), attributes.pop("network.protocol.version")
        row["request"] = f"{method} {path}{'?' if query else ''}{query} HTTP/{version}"
    assert not attributes
    return row


def text(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def test_every_line_arrives_with_its_fields_and_the_raw_log_does_not(tmp_path: Path, pods: Pods) -> None:
    records = shipped(tmp_path, pods, len(pods.rows) + 2)
    lines = [record for record in records if isinstance(record.body, dict)]
    texts = [(record.body.rpartition("info ")[2], record.resource) for record in records if record not in lines]
    assert sorted((said, about.get("service.name", about.get("k8s.pod.name"))) for said, about in texts) == [
        (OTHER_WORD, "web-1"),
        (OWN_WORD, "enricher"),
    ]
    # As text: to Python 1 and 1.0 are equal.
    assert [text(as_it_was(record)) for record in lines] == [text(row) for row in pods.rows]
    assert [record.severity for record in lines] == ["INFO", "INFO", "ERROR", "INFO", "INFO", "INFO", "WARN", "", ""]
    assert [record.time for record in lines] == [nanoseconds(row["time"]) for row in pods.rows]


def of_line(tmp_path: Path, line: str) -> Record:
    """Return what becomes of one line of a proxy."""
    [enriched] = enriched_by_daemon(tmp_path, framed(line.encode()), 1)
    container = Container(tmp_path / "shipped" / ENRICHER)
    container.write_raw(framed(enriched))
    pods = Pods(
        tmp_path / "shipped", [], container.live, tmp_path / "shipped" / "shop_web-1_0d7c8a52" / "web" / "0.log"
    )
    pods.other.parent.mkdir(parents=True)
    [record] = shipped(tmp_path, pods, 1)
    return record


@pytest.mark.parametrize(("line", "expected"), PARTS, ids=["v4", "v6", "no request", "Traefik", "nginx"])
def test_the_request_and_the_client_have_the_names_of_the_conventions(
    line: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    record = of_line(tmp_path, line)
    names = {
        "http.request.method",
        "url.path",
        "url.query",
        "network.protocol.version",
        "client.address",
        "client.port",
    }
    assert {name: value for name, value in record.attributes.items() if name in names} == expected
    left = {"request_method", "request_uri", "server_protocol", "request", "remote_addr", "remote_port"} & set(
        record.body
    )
    assert left == ({"request_method", "request_uri", "server_protocol"} if "url.path" not in expected else set())


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"TraceId": "0af7651916cd43dd8448eb211c80319c", "SpanId": "b7ad6b7169203331"}, None),
        ({"TraceId": "0af7651916cd43dd8448eb211c80319c"}, ("0af7651916cd43dd8448eb211c80319c", "")),
        ({}, ("", "")),
    ],
    ids=["both", "trace", "none"],
)
def test_a_record_belongs_to_the_trace_that_its_line_names(
    ids: dict[str, str], expected: tuple[str, str] | None, tmp_path: Path
) -> None:
    record = of_line(tmp_path, json.dumps(json.loads(TRAEFIK) | ids))
    assert record.trace == (expected or (ids["TraceId"], ids["SpanId"]))
    assert not {"trace_id", "span_id"} & record.body.keys()
