"""Fluent Bit, as the guide sets it up, loses a field, splits a line, or takes the raw log as well.

No registry that CI installs from has Fluent Bit, so these run only where FLUENT_BIT names one.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.pods_logs import (
    DEPLOY,
    ENRICHER,
    OTHER_WORD,
    OWN_WORD,
    Pods,
    framed,
    nanoseconds,
    running,
    until,
)
from tests.integration.shippers.stores.controller_log import below_ingress, flat, in_order, one_spelling, stamp
from tests.integration.shippers.stores.guide import block
from tests.integration.shippers.stores.senders import write
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.support.kubelet import Container

PROGRAM = os.environ.get("FLUENT_BIT", "")
pytestmark = [pytest.mark.shipping, pytest.mark.skipif(not PROGRAM, reason="FLUENT_BIT names no Fluent Bit")]


class Elasticsearch(ThreadingHTTPServer):
    """Takes bulk requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents: list[tuple[str, dict[str, Any]]] = []
        """Each with its index."""

    def ingress(self) -> list[dict[str, Any]]:
        return [document for index, document in self.documents if index == "logs-ingress-default"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Elasticsearch

    def do_POST(self) -> None:
        body = list(map(json.loads, self.rfile.read(int(self.headers["Content-Length"])).splitlines()))
        for action, document in zip(body[::2], body[1::2], strict=True):
            self.server.documents.append((action["create"]["_index"], document))
        answer = json.dumps({"errors": False, "items": [{"create": {"status": 201}}] * (len(body) // 2)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elasticsearch() -> Iterator[Elasticsearch]:
    with Elasticsearch() as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()


@contextmanager
def fluent_bit(tmp_path: Path, pods: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "offsets").mkdir(exist_ok=True)
    text = text.replace("/var/log/pods", str(pods)).replace("/var/lib/fluent-bit", str(tmp_path / "offsets"))
    (tmp_path / "fluent-bit.yaml").write_text(text)
    environ = os.environ | {"ELASTICSEARCH_HOST": "127.0.0.1"}
    command = [PROGRAM, "-c", str(tmp_path / "fluent-bit.yaml")]
    with (tmp_path / "log").open("wb") as log, running(*command, env=environ, stdout=log, stderr=log) as process:
        yield process


def guide_file(port: int) -> str:
    return (DEPLOY / "fluent-bit" / "fluent-bit.yaml").read_text().replace("9200", str(port))


def test_every_line_arrives_with_its_fields_and_the_raw_log_does_not(
    tmp_path: Path, pods: Pods, elasticsearch: Elasticsearch
) -> None:
    with fluent_bit(tmp_path, pods.directory, guide_file(elasticsearch.server_port)) as process:
        until(lambda: len(elasticsearch.documents) >= len(pods.rows) + 2, process)
        with pods.other.open("ab") as file:
            file.write(framed(b"this was the last line"))
        until(lambda: elasticsearch.documents[-1][1].get("log") == "this was the last line", process)
    texts = [document["log"] for index, document in elasticsearch.documents if index == "logs-pods-default"]
    assert sorted(text.rpartition("info ")[2] for text in texts[:-1]) == [OTHER_WORD, OWN_WORD]
    found = [document["ingress"] for document in elasticsearch.ingress()]
    # As text: to Python 1 and 1.0 are equal. Lines with times of whole seconds take another way.
    assert sorted(map(text, found)) == sorted(map(text, pods.rows))
    assert len({row["time"] for row in pods.rows}) == 2
    for document in elasticsearch.ingress():
        assert nanoseconds(document["@timestamp"]) == nanoseconds(document["ingress"]["time"])


def text(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def test_the_kubelet_rotates(tmp_path: Path, elasticsearch: Elasticsearch, lines: list[bytes]) -> None:
    container = Container(tmp_path / "pods" / ENRICHER)
    written = lines[:70]
    with fluent_bit(tmp_path, tmp_path / "pods", guide_file(elasticsearch.server_port)) as process:
        for number, line in enumerate(written):
            container.write_raw(framed(line, stamp=stamp(number)))
            if number % 10 == 0:
                until(lambda: len(elasticsearch.documents) > number, process)  # noqa: B023
                container.rename()
            if number % 10 == 5:
                # Fluent Bit sees that the file has gone, and finds no other in its place.
                until(lambda: len(elasticsearch.documents) > number, process)  # noqa: B023
                container.reopen()
        until(lambda: len(elasticsearch.documents) >= len(written), process)
    found = [document["ingress"] for document in elasticsearch.ingress()]
    assert sorted(map(text, found)) == sorted(map(text, map(json.loads, written)))


def test_victoria_logs_stores_every_line(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    write(tmp_path, lines)
    outputs = block("json_lines").replace("victorialogs", "127.0.0.1").replace("9428", store.url.rpartition(":")[2])
    inputs = guide_file(0).partition("  outputs:\n")[0]
    with fluent_bit(tmp_path, tmp_path / "pods", inputs + "  " + outputs.replace("\n", "\n  ") + "\n") as process:
        until(lambda: store.count() >= len(rows), process)
    assert in_order(list(map(below_ingress, store.query("*")))) == in_order([one_spelling(flat(row)) for row in rows])
