"""The benchmarks still run. Their figures are not checked."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from tests.unit.bench.conftest import BENCH, bench_importable

pytestmark = pytest.mark.bench


def run(*arguments: object, timeout: float = 100) -> str:
    command = [sys.executable, *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def generate(directory: Path, *options: str) -> tuple[bytes, bytes]:
    run(BENCH / "generate.py", directory, "--lines", "300", "--pods", "50", *options)
    (log,) = directory.glob("pods/*/*/0.log")
    return log.read_bytes(), (directory / "endpoints").read_bytes()


with bench_importable() as load:
    api, cases, formats = map(load, ("api", "cases", "formats"))


@pytest.mark.parametrize("form", formats.FORMATS)
def test_the_same_options_give_the_same_log(tmp_path: Path, form: str) -> None:
    first, again, other = (
        generate(tmp_path / str(n), "--form", form, "--seed", seed) for n, seed in enumerate(("1", "1", "2"))
    )
    assert first == again
    assert first != other


def test_the_log_has_the_requested_shares(tmp_path: Path) -> None:
    log, watch = generate(tmp_path, "--retries", "0.5", "--errors", "0.5")
    assert log.count(b", 10.") + log.count(b" 503 ") // 2 == 300
    assert len(watch.splitlines()) == 3


def test_all_cases_of_enricher_are_measured() -> None:
    heads, *rows = compare("--cases", "--lines", "300", "--pods", "40").splitlines()[1:]
    assert heads.split()[-3:] == ["required", "aim", "reached"]
    assert [row[:14].rstrip() for row in rows] == [case.name for case in cases.CASES]
    assert [row[14:].split()[4] for row in rows] == ["300"] * (len(rows) - 1) + ["0"]  # lines that name a pod


def test_chosen_cases_are_measured_beside_another_checkout_and_without_the_start() -> None:
    options = ["--cases", "envoy", "--lines", "300", "--pods", "40", "--net", "--baseline", BENCH.parent]
    heads, *rows = compare(*options).splitlines()[1:]
    assert heads.endswith("net lines/CPU-s  net speed")
    assert [row.split()[0] for row in rows] == ["nginx", "baseline", "envoy"]
    first, baseline, envoy = (float(row[14:].split()[0].replace(",", "")) for row in rows)
    assert [float(row[14:].split()[5]) for row in rows] == pytest.approx([1, first / baseline, envoy / first], abs=0.02)


def test_an_unknown_case_is_refused() -> None:
    command = [sys.executable, BENCH / "compare.py", "--cases", "nginx", "enyov"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 2
    assert "'enyov' is unknown: choose from nginx, snapshot, " in completed.stderr


def compare(*options: object) -> str:
    return run(BENCH / "compare.py", "--runs", "1", *options)


def test_a_change_is_measured() -> None:
    assert "one changed endpoint of 100:" in run(BENCH / "scale.py", "change")


WATCH = """
import sys
from pathlib import Path
directory, sys.path[:0] = Path(sys.argv[1]), sys.argv[2:3]
import scale
scale.API_PORT, scale.PORT = map(int, sys.argv[3:])
scale.watch(directory, sizes=((40, 20),), pods=10, seconds=0.1)
"""


def test_a_node_without_a_proxy_asks_nothing_and_one_with_it_lists_and_watches(tmp_path: Path) -> None:
    out = run("-c", WATCH, tmp_path, BENCH, *free_ports(2))
    idle, _, row = out.splitlines()
    assert idle == "a node without a proxy: 0 requests"
    endpoints, size, requests, listed, *_, rolled = row.split()
    assert (endpoints, size, requests) == ("40", "20", "2")
    assert float(listed) > 0
    assert float(rolled) > 0


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def test_the_fake_api_lists_the_pods_of_the_log() -> None:
    pods = orjson.loads(api.Api(45, 20).list_body("pods"))["items"]
    objects = orjson.loads(api.Api(45, 20).list_body("slices"))["items"]
    endpoints = [endpoint for obj in objects for endpoint in obj["endpoints"]]
    assert [pod["status"]["podIP"] for pod in pods] == [endpoint["addresses"][0] for endpoint in endpoints]
    assert [pod["metadata"]["name"] for pod in pods] == [endpoint["targetRef"]["name"] for endpoint in endpoints]
    assert [pod["metadata"]["uid"] for pod in pods] == [endpoint["targetRef"]["uid"] for endpoint in endpoints]
