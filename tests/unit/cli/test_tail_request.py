"""`enricher tail --request ID`: the lines of one request, found by any of its ids."""

import json

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FORMAT = (
    'escape=json {"at": "$msec", "to": "$upstream_addr", "status": $status, "request": "$request", '
    '"agent": "$http_user_agent", "id": "$http_x_request_id", "trace": "$http_traceparent"}'
)


def tail(capsys, *arguments):
    assert main(["tail", *map(str, arguments)]) == 0
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("request_id", "numbers"), [("request-7", ["/7"]), ("request-70", ["/70"]), ("request", []), ("200", [])]
)
def test_only_the_request_with_this_whole_id(tmp_path, endpoints, capsys, request_id, numbers):
    (log := tmp_path / "log").write_text("".join(cri(access(n)) for n in range(100)))
    out, err = tail(capsys, "--endpoints", endpoints, "--request", request_id, log)
    assert [line.split()[3] for line in out.splitlines()] == numbers
    assert all(line.endswith(f"  req_id={request_id}") for line in out.splitlines())
    assert err == ("" if numbers else f"enricher: no line of 100 matches --request {request_id}\n")


@pytest.mark.parametrize("request_id", ["mine", TRACE, "00f067aa0ba902b7", f"00-{TRACE}-00f067aa0ba902b7-01"])
def test_any_id_of_the_request_but_no_other_text(tmp_path, endpoints, capsys, request_id):
    """The second client names the first one's ids where they are not ids."""
    line = {"at": "1.5", "to": "10.0.0.1:80", "status": 200, "request": "GET /a HTTP/1.1", "agent": "x"}
    first = line | {"id": "mine", "trace": f"00-{TRACE}-00f067aa0ba902b7-01"}
    second = line | {"id": f"mine-{TRACE}", "trace": "-", "request": f"GET /{request_id} HTTP/1.1", "agent": request_id}
    (log := tmp_path / "log").write_text("".join(json.dumps(each) + "\n" for each in (first, second)))
    options = ["--endpoints", endpoints, "--log-format", FORMAT, "--request", request_id]
    out, _ = tail(capsys, *options, log)
    assert [text.split()[3] for text in out.splitlines()] == ["/a"]
    [record] = tail(capsys, *options, "-o", "json", log).out.splitlines()
    assert json.loads(record)["http_x_request_id"] == "mine"


def test_lines_of_other_kinds_that_name_it(tmp_path, endpoints, capsys):
    named = "2026/11/22 23:18:31 [warn] 7#7: *1 [lua] trace.lua:1: request-7 took\x1b[2J long, client: 192.0.2.7"
    lines = [cri(named, "stderr"), cri(named.replace("request-7", "request-71"), "stderr"), cri(access(7))]
    (log := tmp_path / "log").write_text("".join(lines))
    first, second = tail(capsys, "--endpoints", endpoints, "--request", "request-7", log).out.splitlines()
    assert r"request-7 took\x1b[2J long" in first
    assert "GET /7" in second
