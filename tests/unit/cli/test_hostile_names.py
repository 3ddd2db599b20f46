"""Names that endpoints files and log lines may have all the same: `explain` and `--summary` print them as text."""

import json
import re

import orjson
import pytest

from tests.support.terminals import HOSTILE, assert_harmless, output_of

FORMAT = (
    'escape=json {"name": "$proxy_upstream_name", "to": "$upstream_addr", "status": $upstream_status, "at": "$msec"}'
)
NAMES = ["[/x]", "[red]pay[/red]", ":smile:", "\\[b]", "pay\u3164-1", "a" + "\u0301" * 40, "\u0301", "pay  = exact: x"]
"""All are printable to Python, which an endpoints file demands."""
SHOWN = re.compile(r"(?:\\u[0-9a-f]{4})+")


@pytest.fixture
def files(tmp_path):
    def files(name, value):
        endpoint = {"pod": name, "namespace": name, "service": name, "node": name}
        (tmp_path / "endpoints.yaml").write_bytes(b"10.0.0.1:80: " + orjson.dumps(endpoint))
        line = {"name": value, "to": "10.0.0.1:80", "status": 502, "at": "1.5"}
        (tmp_path / "log").write_text(json.dumps(line, ensure_ascii=False) + "\n")
        return ["--endpoints", "endpoints.yaml", "--log-format", FORMAT]

    return files


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["enrich --summary", "explain"])
def test_names_of_an_endpoints_file(files, tmp_path, command, name):
    options = files(name, "shop-web-80")
    subject = (tmp_path / "log").read_text().strip() if command == "explain" else "log"
    text = output_of(*command.split(), *options, subject, cwd=tmp_path)
    assert_harmless(text)
    assert "\u3164" not in text
    assert SHOWN.sub("", name.replace("\u3164", "").replace("\u0301", "")) in SHOWN.sub("", text).replace("\u0301", "")


@pytest.mark.parametrize("command", ["enrich --summary", "explain", "tail", "enrich", "enrich --map dot"])
def test_texts_of_a_line(files, tmp_path, command):
    """Traefik writes names as they are."""
    files("web-1", "")
    texts = dict.fromkeys(("ServiceName", "RouterName", "RequestPath", "RequestMethod", "ClientHost"), HOSTILE)
    times = {"StartUTC": "2026-11-26T10:00:30Z", "Duration": 5_000_000, "OriginStatus": 502, "DownstreamStatus": 502}
    line = {"ServiceURL": "http://10.0.0.1:80", "ServiceAddr": "10.0.0.1:80"} | texts | times
    (tmp_path / "log").write_bytes(orjson.dumps(line) + b"\n")
    subject = (tmp_path / "log").read_text().strip() if command == "explain" else "log"
    options = ["--endpoints", "endpoints.yaml", "--profile", "traefik"]
    text = output_of(*command.split(), *options, subject, cwd=tmp_path)
    assert_harmless(text)
    assert "web-1" in text
    assert r"\x1b]0;owned" in text or command not in {"explain", "tail"}
