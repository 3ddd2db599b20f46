"""The daemon follows growing logs, finds new ones, never reads its own, and reloads a changed endpoints file."""

import json
import os
import threading
from pathlib import Path

from tests.support.controller_logs import access, cri
from tests.support.daemons import until

RECORDED = Path(__file__).parents[1] / "proxies" / "recorded"


def test_lines_appear_as_the_file_grows(node):
    node.write(cri(access(0)))
    daemon = node.start()
    until(lambda: daemon.ids() == ["request-0"])
    node.write(cri(access(1, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5")))
    row = until(lambda: daemon.rows()[1:])[0]
    assert [attempt["pod"] for attempt in row["attempts"]] == ["web-1", "web-2"]
    assert row["logged_by"] == {
        "namespace": "ingress-nginx",
        "pod": "ingress-nginx-controller-7",
        "container": "controller",
        "stream": "stdout",
    }
    whole = cri(access(2))
    node.write(whole[:40])
    node.write(whole[40:], cri("connect() failed", stream="stderr"))
    until(lambda: len(daemon.out) == 4)
    assert daemon.ids()[2] == "request-2"
    assert daemon.rows()[3]["logged_by"]["stream"] == "stderr"


def test_new_containers_are_found_and_others_are_not(node):
    daemon = node.start("--node", "node-0")
    node.write(cri("x"), container="default_web-1_u-2/web")
    node.write(cri("x"), container="ingress-nginx_ingress-nginx-controller-7_u-1/sidecar")
    node.write(cri(access(1)), container="a_ingress-nginx-controller-8_u-3/controller")
    node.write(cri(access(2)), container="b_ingress-nginx-controller-9_u-4/controller")
    rows = until(lambda: len(daemon.out) >= 2 and daemon.rows())
    assert sorted(row["logged_by"]["pod"] for row in rows) == [
        "ingress-nginx-controller-8",
        "ingress-nginx-controller-9",
    ]
    assert {row["logged_by"]["node"] for row in rows} == {"node-0"}
    node.write(cri(access(3)), container="a_ingress-nginx-controller-8_u-3/controller")
    until(lambda: len(daemon.out) == 3)


def test_the_usual_proxies_are_found_without_an_option(node):
    envoy = (RECORDED / "envoy-istio.log").read_text("utf-8", "surrogateescape").splitlines()[:1]
    node.write(*(cri(line) for line in envoy), container="edge_envoy-default-eg-7d9_u-1/envoy")
    node.write(cri(access(1)), container="a_ingress-nginx-controller-8_u-3/controller")
    node.write(cri(access(2)), container="shop_web-nginx-7_u-4/nginx")
    daemon = node.start()
    rows = until(lambda: len(daemon.out) == 2 and daemon.rows())
    assert {(row["logged_by"]["namespace"], row["kind"]) for row in rows} == {("edge", "access"), ("a", "access")}
    assert json.loads(daemon.get("/status.json")[1])["suggestion"] == ""
    assert b"look like" not in b"".join(daemon.stderr_lines)


def test_a_log_that_names_no_upstream_is_said_once(node):
    combined = '192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-"'
    node.write(cri(combined), container="edge_kong-gateway-7_u-4/proxy")
    node.write(cri(access(1)), container="a_ingress-nginx-controller-8_u-3/controller")
    daemon = node.start()
    message = b"edge_kong-gateway-7_u-4/proxy: the log format does not name the upstream ($upstream_addr)"
    until(lambda: message in b"".join(daemon.stderr_lines))
    node.write(cri(combined), container="edge_kong-gateway-7_u-4/proxy")
    until(lambda: len(daemon.out) == 3)
    assert b"".join(daemon.stderr_lines).count(b"does not name the upstream") == 1


def test_what_may_have_been_meant_is_said_once(node):
    node.write(cri(access(2)), container="shop_web-nginx-7_u-4/nginx")
    daemon = node.start()
    text = "1 container looks like nginx (shop/web-nginx-7/nginx) and is not followed"
    until(lambda: text in json.loads(daemon.get("/status.json")[1])["suggestion"])
    assert daemon.get("/readyz")[0] == 200
    node.write(cri(access(1)), container="a_ingress-nginx-controller-8_u-3/controller")
    until(lambda: json.loads(daemon.get("/status.json")[1])["suggestion"] == "")
    assert b"".join(daemon.stderr_lines).count(b"no log is followed on this node: ") == 1


def test_the_daemons_own_log_is_never_read(node):
    """Else each line it writes would be a new one to read."""
    own, other = "monitoring_enricher-1_u-5/enricher", "other_enricher-1_u-6/enricher"
    node.write(cri(access(1)), container=own)
    node.write(cri(access(2)), container=other)
    daemon = node.start("--select", "*/*/*", POD_NAMESPACE="monitoring", POD_NAME="enricher-1")
    until(lambda: daemon.ids() == ["request-2"])
    node.write(cri(access(3)), container=own)
    node.write(cri(access(4)), container=other)
    until(lambda: daemon.ids() == ["request-2", "request-4"])


def test_from_end_means_what_is_there_at_the_start(node):
    node.write(cri(access(0)))
    daemon = node.start("--from", "end")
    until(lambda: b"following" in b"".join(daemon.stderr_lines))
    until(lambda: "enricher_sources 1.0" in daemon.get("/metrics")[1])
    node.write(cri(access(1)))
    until(lambda: daemon.ids() == ["request-1"])
    node.write(cri(access(2)), container="x_ingress-nginx-controller-9_u-4/controller")
    until(lambda: daemon.ids() == ["request-1", "request-2"])


def test_a_changed_endpoints_file_is_read_again_and_a_broken_one_is_not_used(node):
    node.write(cri(access(0, "10.0.0.9:80")))
    daemon = node.start()
    assert until(daemon.rows)[0]["attribution"] == "unknown"

    def replace(text):
        (new := node.path / "new").write_text(text)
        os.replace(new, node.endpoints)

    replace(node.endpoints.read_text() + "10.0.0.9:80: new-1\n")
    until(lambda: "enricher_endpoints 3.0" in daemon.get("/metrics")[1])
    node.write(cri(access(1, "10.0.0.9:80")))
    assert until(lambda: daemon.rows()[1:])[0]["pod"] == "new-1"
    assert daemon.get("/readyz")[0] == 200
    replace("{ broken")
    until(lambda: daemon.get("/readyz")[0] == 503)
    assert "not JSON" in daemon.get("/readyz")[1]
    node.write(cri(access(2, "10.0.0.9:80")))
    assert until(lambda: daemon.rows()[2:])[0]["pod"] == "new-1"


def test_lines_longer_than_any_buffer(node):
    node.write(cri(access(0, size=3 << 20)), cri(access(1)))
    daemon = node.start()
    long, short = until(lambda: len(daemon.out) == 2 and daemon.rows())
    assert long["truncated"] is True
    assert long["truncated_bytes"] == len(access(0, size=3 << 20)) - (1 << 20)
    assert short["req_id"] == "request-1"


def test_unusual_bytes_in_a_followed_log(node):
    unusual = b"".join(b"2026-11-22T23:18:31Z stdout F " + bytes([n]) * 3 + b"\n" for n in range(256) if n != 10)
    node.log().write_bytes(unusual + b"\0\0\nno frame at all\n")
    daemon = node.start()
    rows = until(lambda: len(daemon.out) == 257 and daemon.rows())
    assert rows[-1]["message"] == "no frame at all"


def test_many_scrapes_at_once(node):
    daemon = node.start()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.get("/metrics")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [200] * 20
    assert daemon.get("/elsewhere")[0] == 404


def test_from_end_with_a_checkpoint_reads_what_came_meanwhile(node):
    node.write(cri(access(1)))
    first = node.start("--from", "end")
    until(lambda: b"following" in b"".join(first.stderr_lines))
    until(lambda: "enricher_sources 1.0" in first.get("/metrics")[1])
    node.write(cri(access(2)))
    until(lambda: first.ids() == ["request-2"])
    assert first.stop()[0] == 0
    node.write(cri(access(3)), container="ingress-nginx_ingress-nginx-controller-8_u-2/controller")
    second = node.start("--from", "end")
    until(lambda: second.ids() == ["request-3"])
