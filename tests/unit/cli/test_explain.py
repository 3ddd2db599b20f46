"""`enricher explain`: the tenures that were considered, and the rule that decided."""

import io
import sys
from types import SimpleNamespace

import orjson
import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri


def event(at, type_, pods, name="web-1", kind="EndpointSlice", **spec):
    endpoints = [
        {"addresses": [ip], "nodeName": "node-1", "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}}
        for ip, pod in pods.items()
    ]
    labels = {"kubernetes.io/service-name": "web"}
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    obj = {"kind": kind, "metadata": metadata, "endpoints": endpoints, "ports": [{"port": 80}], **spec}
    return orjson.dumps({"at": f"2026-11-22T23:{at}Z", "type": type_, "object": obj}) + b"\n"


WATCH = [
    event("00:00", "ADDED", {"10.0.0.1": "old", "10.0.0.2": "stays"}),
    event("00:00", "ADDED", {}, "web", "Service", spec={"clusterIPs": ["10.96.0.1"]}),
    event("18:00", "MODIFIED", {"10.0.0.2": "stays"}),
    event("18:31.400", "MODIFIED", {"10.0.0.1": "new", "10.0.0.2": "stays"}),
]


@pytest.fixture
def explained(tmp_path, capsys):
    (path := tmp_path / "watch.jsonl").write_bytes(b"".join(WATCH))

    def explained(*arguments):
        code = main(["explain", "--endpoints", str(path), *arguments])
        return code, *capsys.readouterr()

    return explained


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (
            cri(access(1, "10.0.0.2:80")),
            ["attempt 1 of 1: status 200, answered", "shop/stays on node-1, from", "until now", "= exact: shop/stays"],
        ),
        (
            cri(access(1, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.200", "0, 5")),
            ["attempt 1 of 2: status 502, failed", "until 2026-11-22T23:18:00Z", "attempt 2 of 2", "shop/stays"],
        ),
        (cri(access(1, "10.9.9.9:80")), ["no pod is known to have held the address", "= unknown"]),
        (cri(access(1, "10.96.0.1:80")), ["cluster IP of shop/web", "= service: one of"]),
        (cri(access(1, "-", "-", "-", "-")), ["no attempt: the proxy answered by itself"]),
        (access(1, "10.0.0.2:80"), ["= exact: shop/stays"]),
        (
            cri(
                "2026/11/22 23:18:31 [error] 2#2: *5 connect() failed (111: Connection refused) while connecting to "
                'upstream, client: ::1, server: s, request: "GET /", upstream: "http://10.0.0.2:80/", host: "s"',
                "stderr",
            ),
            ["failed; tried between", "= exact: shop/stays"],
        ),
    ],
)
def test_a_line(explained, line, parts):
    code, out, err = explained(line)
    assert (code, err) == (0, "")
    for part in parts:
        assert part in out


def test_the_route_of_a_line(explained):
    log_format = "$namespace $ingress_name $upstream_addr $upstream_status"
    out = explained("--log-format", log_format, "shop cart 10.0.0.2:80 200")[1]
    assert out.startswith("route: ingress/shop/cart\nattempt 1 of 1")
    assert "route" not in explained("--log-format", log_format, "- - 10.0.0.2:80 200")[1]


def test_an_address_at_a_time(explained):
    assert "= exact: shop/old" in explained("--at", "2026-11-22T23:10:00Z", "10.0.0.1:80")[1]
    assert "= grace: shop/old" in explained("--at", "2026-11-22T23:18:10Z", "10.0.0.1:80")[1]
    assert "= exact: shop/new" in explained("--at", "2026-11-22T23:20:00Z", "10.0.0.1")[1]


def test_lines_of_stdin(explained, monkeypatch):
    lines = io.BytesIO(b"".join(cri(access(n, "10.0.0.2:80")).encode() for n in range(2)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines))
    assert explained("-")[1].count("= exact: shop/stays") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nonsense",),
            "fits neither the log format nor nginx's error log with an upstream: it is like no known log format",
        ),
        ((__file__,), "it is the name of a file: give one of its lines"),
        (
            ('{"time":"2026-11-22T23:10:00Z","kind":"access","status":502,"attempts":[]}',),
            "a daemon's output, in which the attempts are attributed already: to see why, give the line of the proxy's",
        ),
        (
            ('[pod/e-1/e] {"time":"2026-11-22T23:10:00Z","kind":"access","status":502,"attempts":[]}',),
            "a daemon's output, in which the attempts are attributed already: to see why, give the line of the proxy's",
        ),
        (("10.0.0.1:80",), "to explain an address, add --at TIME"),
        (("--at", "noon", "10.0.0.1:80"), "--at 'noon': expected an RFC 3339 time"),
        (("--at", "2026-11-22T23:10:00Z", "web"), "'web' with --at: expected an address"),
    ],
)
def test_what_cannot_be_explained(explained, arguments, message):
    code, out, err = explained(*arguments)
    assert (code, out) == (2, "")
    assert message in err
