"""Commands in a real terminal whose cluster, logs and endpoints are hostile: nothing in them is obeyed."""

import asyncio
import json

import orjson
import pytest
from aiohttp import web

from demo.fake_api import FakeApi, slice_of
from tests.support.controller_logs import access, cri
from tests.support.daemons import CONTROLLER
from tests.support.fake_log_api import FakeLogApi
from tests.support.terminals import HOSTILE, assert_harmless, output_of

ENCODINGS = ["utf-8", "latin-1", "ascii"]
"""In the second, the bytes of UTF-8 may be C1 controls."""


def asked(uri):
    return access(1).replace("GET /1", f"GET {uri}")


LINE = asked("/Ûž\u0301") + "\n"


def hostile_status(code):
    async def answer(_):
        body = {"kind": "Status", "message": HOSTILE, "reason": HOSTILE, "code": code}
        return web.json_response(body, status=code, headers={"Retry-After": "٣"})

    return answer


async def hostile_garbage(_):
    return web.Response(body=HOSTILE.encode())


def hostile_slice():
    made = slice_of("web-1", {"10.0.0.1": HOSTILE, "10.0.0.2": "web-2"}, namespace="shop")
    made["metadata"]["annotations"] = {HOSTILE: HOSTILE}
    made["metadata"]["labels"] |= {"kubernetes.io/service-name": HOSTILE}
    for endpoint in made["endpoints"]:
        endpoint |= {"nodeName": HOSTILE, "zone": HOSTILE}
    return made


@pytest.fixture
async def api(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", hostile_slice())
        server.write_kubeconfig(tmp_path / "config")
        yield server


@pytest.fixture
def log(tmp_path):
    (path := tmp_path / "log").write_text(LINE)
    return path


@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        *((command, "latin-1") for command in ("enrich", "enrich --summary", "explain", "tail", "record")),
        *((command, encoding) for command in ("enrich", "tail") for encoding in ("utf-8", "ascii")),
    ],
)
async def test_a_hostile_slice(api, tmp_path, log, command, encoding):
    subject = [LINE.strip()] if command == "explain" else [log] if command != "record" else []
    until = "ADDED" if command == "record" else ""
    config = ["--kubeconfig", tmp_path / "config"]
    text = await asyncio.to_thread(output_of, *command.split(), *config, *subject, until=until, encoding=encoding)
    assert_harmless(text)
    assert "malformed" in text or command == "record"
    assert r"GET /\xdb" in text or command != "tail" or encoding != "ascii"
    if command in {"enrich", "record"}:
        lines = [line for line in text.split("\n") if line.startswith("{")]
        record = orjson.loads(lines[0])
        if command == "record":
            assert record["object"]["metadata"]["annotations"] == {HOSTILE: HOSTILE}
        else:
            assert record["request"] == "GET /Ûž\u0301 HTTP/1.1"


@pytest.mark.parametrize("fault", [hostile_status(403), hostile_status(500), hostile_garbage])
@pytest.mark.parametrize(("command", "until"), [("check", ""), ("run", "out of sync")])
async def test_a_hostile_answer(api, tmp_path, log, command, until, fault):
    api.fail(*[fault] * 50)
    arguments = ["--kubeconfig", tmp_path / "config", "--listen", "127.0.0.1:0", "--select", log]
    text = await asyncio.to_thread(output_of, command, *arguments, until=until)
    assert_harmless(text)
    assert ("API server" in text) or until


async def test_a_hostile_answer_that_ends_a_command(api, tmp_path, log):
    """It is the last word of what waited for a list."""
    api.fail(*[hostile_status(500)] * 50)
    text = await asyncio.to_thread(output_of, "enrich", "--kubeconfig", tmp_path / "config", log)
    assert_harmless(text)
    first, *_, last, end = text.split("\n")
    assert "out of sync: cannot list" in first
    assert "cannot list" in last
    assert first.startswith("enricher: ")  # a log record
    assert last.startswith("enricher: ")
    assert end == ""


async def test_a_hostile_controller(api, tmp_path):
    """Its format, its log, and the kubelet's own words."""
    config = {"metadata": {"name": "controller", "namespace": "ingress-nginx"}}
    config["data"] = {"log-format-upstream": f"$nothing {HOSTILE}", "access-log-path": HOSTILE}
    api.apply("ADDED", config, plural="configmaps")
    arguments = ["--kubeconfig", tmp_path / "config", "--controller-configmap", "ingress-nginx/controller"]
    text = await asyncio.to_thread(output_of, "check", *arguments)
    assert_harmless(text)
    assert "controller's" in text


async def test_a_hostile_log_of_a_cluster(api, tmp_path):
    """The kubelet's own words stand in it, without a stamp."""
    stamp, raw = b"2026-11-22T23:18:31.5Z ", HOSTILE.replace("\n", " ")
    api.pod("ingress-nginx-controller-1")
    api.logs["ingress-nginx-controller-1"] = [stamp + asked(f"/{raw}").encode(), stamp + raw.encode()]
    api.log_faults.append(hostile_garbage)
    arguments = ["tail", "--kubeconfig", tmp_path / "config", "--since", "9999d"]
    text = await asyncio.to_thread(output_of, *arguments, until="GET /")
    assert_harmless(text)
    assert "/controller: " in text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_daemon_in_a_terminal(tmp_path, endpoints, encoding):
    raw = HOSTILE.replace("\n", " ")
    path = tmp_path / "pods" / CONTROLLER / "0.log"
    path.parent.mkdir(parents=True)
    path.write_text(cri(raw) + cri(asked(f"/{raw}")))
    arguments = ["--log-dir", tmp_path / "pods", "--listen", "127.0.0.1:0", "--endpoints", endpoints]
    arguments += ["--state-dir", tmp_path / HOSTILE[:20].replace("/", "")]
    text = output_of("run", *arguments, until='"kind":"access"', encoding=encoding)
    assert_harmless(text)
    records = [json.loads(line) for line in text.split("\n") if line.startswith("{")]
    assert [record["kind"] for record in records] == ["parse_error", "access"]


async def test_the_fake_server_is_hostile(api):
    """Else the tests above test nothing."""
    assert isinstance(api, FakeApi)
    (made,) = api.objects.values()
    assert made["endpoints"][0]["targetRef"]["name"] == HOSTILE
