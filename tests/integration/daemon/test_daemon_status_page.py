"""The daemon's status page says what its lines and metrics say."""

import json

from tests.support.controller_logs import access, recent
from tests.support.daemons import until

RETRIED = [access(n, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5") for n in range(4)]
FAILED = [access(n, "10.0.0.2:80", "503", "0.300") for n in range(3)]
SECRET = access("secret-token", "10.0.0.1:80")


def test_failures_are_reported(node):
    node.write(*map(recent, [*RETRIED, *FAILED, SECRET, "secret nonsense"]))
    daemon = node.start("--node", "node-7")
    assert until(lambda: len(daemon.out) == 9)
    status, text = daemon.get("/status.json")
    page_data = json.loads(text)
    assert status == 200
    web_1, web_2 = page_data["failing"]
    assert [web_1["pod"], web_1["requests"], web_1["errors"], web_1["hidden"]] == ["web-1", 5, 4, 4]
    assert [web_2["pod"], web_2["requests"], web_2["errors"], web_2["hidden"]] == ["web-2", 7, 3, 0]
    assert web_1["by_code"] == [{"code": "502", "protocol": "http", "origin": "unknown", "errors": 4, "hidden": 4}]
    assert sum(web_1["errors_per_minute"]) == web_1["errors_last_hour"] == 4
    assert len(web_1["errors_per_minute"]) == 60
    assert web_1["hidden_per_minute"] == web_1["errors_per_minute"]
    assert web_2["hidden_per_minute"] == [0] * 60
    assert page_data["node"] == "node-7"
    assert page_data["lines"] == {"access": 8, "parse_error": 1}
    assert sum(page_data["attributions"].values()) == 12
    assert page_data["watch"] == {"state": "none", "restarts": {}, "last_event_age_seconds": None}
    assert page_data["problem"] is None
    (followed,) = page_data["followed"]
    assert followed["path"] == str(node.log().parent)
    assert (followed["lag_bytes"], followed["problem"]) == (0, None)
    assert "$upstream_addr" in followed["formats"][0]
    status, page = daemon.get("/")
    assert status == 200
    assert "web-1" in page
    assert "secret" not in page + text


def test_a_broken_endpoints_file_is_reported(node):
    daemon = node.start()
    assert json.loads(daemon.get("/status.json")[1])["problem"] is None
    node.endpoints.write_text("<b>: [")
    page_data = until(lambda: json.loads(daemon.get("/status.json")[1])["problem"])
    assert str(node.endpoints) in page_data
    assert "<b>:" not in daemon.get("/")[1]
    assert "not ready" in daemon.get("/")[1]


def test_it_can_be_turned_off(node):
    daemon = node.start("--status-page", "off")
    assert [daemon.get(path)[0] for path in ("/", "/status.json", "/livez")] == [404, 404, 200]
    other = node.path / "other"
    other.mkdir()
    daemon = node.start("--state-dir", other, ENRICHER_STATUS_PAGE="off")
    assert daemon.get("/")[0] == 404
