"""rsyslog, as the guide sets it up, loses or changes a line on its way into VictoriaLogs."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.pods_logs import until
from tests.integration.shippers.stores.controller_log import flat, in_order, one_spelling
from tests.integration.shippers.stores.senders import by_rsyslog, rsyslog_to
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs

pytestmark = pytest.mark.shipping


def test_every_line_is_stored_with_its_fields_and_its_time(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    by_rsyslog(store, tmp_path, lines)
    found = store.query("*")
    assert in_order(list(map(as_it_was, found))) == in_order([one_spelling(flat(row)) for row in rows])
    assert store.streams() == {f'{{kind="{kind}"}}' for kind in {row["kind"] for row in rows}}


class Silent(ThreadingHTTPServer):
    """A store that takes the first request but does not answer it, as one that ends just then."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[list[bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Silent

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(body.splitlines()[1::2])
        if len(self.server.requests) == 1:
            self.close_connection = True
            return
        answer = b'{"errors":false,"items":[]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def test_a_request_without_an_answer_is_sent_again(tmp_path: Path, lines: list[bytes]) -> None:
    """So a store that took it has its lines twice; no line is lost."""
    with Silent() as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with rsyslog_to(f"http://127.0.0.1:{server.server_port}", tmp_path, lines) as process:
                until(lambda: sum(map(len, server.requests[1:])) >= len(lines), process)
        finally:
            server.shutdown()
    first, *others = server.requests
    again = [line for request in others for line in request]
    assert first
    assert again[: len(first)] == first
    assert len(again) == len(lines)


def as_it_was(stored: dict[str, str]) -> dict[str, str]:
    assert stored["_time"] == stored["time"]
    row = {name: value for name, value in stored.items() if name[0] != "_"}
    row["request" if stored["kind"] == "access" else "message"] = stored["_msg"]
    return one_spelling(row)
