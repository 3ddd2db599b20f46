"""`enricher diagnose` as a command: what it reads, what it prints, and how it ends."""

import asyncio
import signal
import subprocess
import sys

import orjson
import pytest
from aiohttp import web

from demo.fake_api import slice_of
from enricher.cli.main import main
from tests.support.fake_log_api import FakeLogApi
from tests.unit.report.findings.records import attempt, record

LINE = (
    '10.1.2.3 - - [22/Nov/2026:23:18:{n:02} +0000] "GET /{n} HTTP/1.1" {status} 1 "-" "-" 1 0.002 '
    "[shop-web-80] [] {upstream}:8080 0 0.001 {status} id-{n}"
)
RECORDED = (
    b'{"at":"2026-11-22T23:00:00Z","type":"ADDED","object":{"kind":"EndpointSlice","addressType":"IPv4",'
    b'"metadata":{"name":"web-1","namespace":"shop","uid":"s1","labels":{"kubernetes.io/service-name":"web"}},'
    b'"ports":[{"port":8080}],"endpoints":['
    b'{"addresses":["10.0.0.1"],"nodeName":"node-1","conditions":{"ready":true},'
    b'"targetRef":{"kind":"Pod","namespace":"shop","name":"web-5d4b5d4b5d-bbbbb","uid":"u1"}},'
    b'{"addresses":["10.0.0.2"],"nodeName":"node-2","conditions":{"ready":true},'
    b'"targetRef":{"kind":"Pod","namespace":"shop","name":"web-7f9c7f9c7f-ccccc","uid":"u2"}}]}}\n'
)


def log_of(numbers, status, upstream="10.0.0.2"):
    return [LINE.format(n=n, status=status, upstream=upstream) for n in numbers]


@pytest.fixture
def recording(tmp_path):
    (tmp_path / "watch.jsonl").write_bytes(RECORDED)
    return str(tmp_path / "watch.jsonl")


@pytest.fixture
def diagnose(tmp_path, capfdbinary):
    def run(lines, *options, code=0):
        path = tmp_path / "controller.log"
        path.write_text("".join(f"{line}\n" for line in lines))
        assert main(["diagnose", *options, str(path)]) == code
        return capfdbinary.readouterr()

    return run


def test_a_log_and_a_recording(diagnose, recording):
    lines = [*log_of(range(30), 200), *log_of(range(20), 500), *log_of(range(30), 200, "10.0.0.1")]
    (finding,) = orjson.loads(diagnose(lines, "--endpoints", recording, "-o", "json").out)["findings"]
    assert (finding["failures"], finding["service"], finding["revision"]) == (20, "shop/web", "7f9c7f9c7f")
    assert (finding["workload"], finding["nodes"]) == ("Deployment/web", {"node-2": 20})
    assert finding["evidence"][0] == "All 20 failures are on one pod of 2: web-7f9c7f9c7f-ccccc."
    assert finding["examples"][0]["request_id"] == "id-0"


@pytest.mark.parametrize("prefix", ["", "2026-11-27T10:00:00.5Z stdout F ", "[pod/enricher-x1/enricher] "])
def test_what_a_daemon_wrote_needs_no_endpoints(diagnose, prefix, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    records = [record(attempt(f"web-a-{n % 5}", "crashed" if n % 5 else ""), at=n) for n in range(100)]
    captured = diagnose([prefix + orjson.dumps(made).decode() for made in records], "-o", "json")
    value = orjson.loads(captured.out)
    assert [(finding["cause"], finding["failures"]) for finding in value["findings"]] == [("crashed", 80)]
    assert captured.err == b""


def test_the_daemons_own_log_beside_its_output_is_counted(diagnose):
    made = orjson.dumps(record(attempt("web-a-1", "crashed"))).decode()
    captured = diagnose([made, "2026-11-27 10:00:00 WARNING enricher: something", made], "-o", "json")
    assert orjson.loads(captured.out)["totals"]["failures"] == 2
    assert captured.err == b"enricher: 1 line was passed over beside a daemon's output\n"


@pytest.mark.parametrize("change", [{"attempts": 1}, {"attempts": [{}]}, {"logged_by": 1}, {"attempts": None}])
def test_what_only_looks_like_a_daemons_output_does_no_harm(diagnose, recording, change):
    hostile = orjson.dumps(record(attempt("web-a-1", "crashed")) | change).decode()
    names = orjson.dumps(record(attempt("web-a-1", "crashed") | {"pod": [1]})).decode()
    kinds = orjson.dumps(record(attempt("web-a-1", {"a": 1}, status="x", req_id=[1]), req_id=[1], status=[])).decode()
    diagnose([hostile, names, kinds, *log_of([1], 200)], "--endpoints", recording)


def test_no_failures_are_no_error(diagnose, recording):
    out = diagnose(log_of(range(3), 200), "--endpoints", recording).out
    assert out == b"No failures: 3 attempts of 3 requests read, 2026-11-22 23:18:00 to 23:18:02 UTC.\n"


def test_lines_that_fit_no_format(diagnose, recording):
    captured = diagnose(["what is this?"] * 5, "--endpoints", recording, code=3)
    assert b"fit" in captured.err


@pytest.mark.parametrize("form", ["text", "json", "markdown", "csv"])
def test_every_form(diagnose, recording, form):
    out = diagnose(log_of(range(3), 500), "--endpoints", recording, "-o", form).out
    assert b"application" in out
    assert b"\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--endpoints", "x.json"], 2),
        (["--since", "5m", "x.log"], 2),
        (["-o", "xml"], 2),
        (["--endpoints", "/nonexistent.json", "x.log"], 3),
    ],
)
def test_wrong_usage(arguments, code, capsys):
    assert main(["diagnose", *arguments]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_prints_what_was_counted(recording):
    command = [sys.executable, "-m", "enricher", "diagnose", "--endpoints", recording, "-o", "json", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        # A pipe holds a small part of this, so what has been written has mostly been read.
        process.stdin.write("".join(f"{line}\n" for line in log_of(range(60), 500) * 200).encode())
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert 5000 < orjson.loads(out)["totals"]["failures"] <= 12_000
    assert b"interrupted" in err


async def start_live(server, tmp_path):
    server.write_kubeconfig(tmp_path / "config")
    command = ["-m", "enricher", "diagnose", "--kubeconfig", str(tmp_path / "config"), "-o", "json"]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    return await asyncio.create_subprocess_exec(sys.executable, *command, **pipes)


async def test_a_cluster_is_read_to_the_present_ends_of_its_logs(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("web", {"10.0.0.1": "pod-1", "10.0.0.2": "pod-2"}, port=8080))
        for number in (1, 2):
            pod = f"ingress-nginx-controller-{number}"
            server.pod(pod, node=f"node-{number}")
            for line in log_of(range(10), 500, f"10.0.0.{number}"):
                server.write(pod, f"2026-11-22T23:18:31.5Z {line}".encode())
        process = await start_live(server, tmp_path)
        out, err = await process.communicate()
        value = orjson.loads(out)
        assert (process.returncode, value["totals"]["failures"]) == (0, 20), err
        assert {pod for finding in value["findings"] for pod in finding["pods"]} == {"pod-1", "pod-2"}
        assert all("follow" not in request.query for request in server.log_requests)
        assert len(server.log_requests) == 2
        assert {request.query["sinceSeconds"] for request in server.log_requests} <= {"600", "601", "602"}


async def test_ctrl_c_while_a_cluster_is_read(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", slice_of("web", {"10.0.0.1": "pod-1"}, port=8080))
        server.pod("ingress-nginx-controller-1")
        sent = asyncio.Event()

        async def hang(request):
            response = web.StreamResponse()
            await response.prepare(request)
            for line in log_of(range(10), 500, "10.0.0.1"):
                await response.write(f"2026-11-22T23:18:31.5Z {line}\n".encode())
            sent.set()
            await asyncio.Event().wait()

        server.log_faults.append(hang)
        process = await start_live(server, tmp_path)
        await sent.wait()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert process.returncode == 128 + signal.SIGINT
        assert orjson.loads(out)["totals"]["failures"] <= 10
        assert b"interrupted" in err
