"""The benchmarks still run. Their figures are not checked."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

BENCH = Path(__file__).parents[3] / "bench"


def run(*arguments: object, timeout: float = 100) -> str:
    command = [sys.executable, *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def generate(directory: Path, *options: str) -> tuple[bytes, bytes]:
    run(BENCH / "generate.py", directory, "--lines", "300", "--pods", "50", *options)
    (log,) = directory.glob("pods/*/*/0.log")
    return log.read_bytes(), (directory / "watch.jsonl").read_bytes()


@pytest.mark.parametrize("form", ["default", "custom", "json"])
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
    out = run(BENCH / "compare.py", "--cases", "--lines", "200", "--pods", "40", "--runs", "1")
    rows = out.splitlines()[2:]
    assert [row.split("  ")[0] for row in rows][:2] == ["default", "2 % unusual"]
    assert all(row.split()[-2] == "200" for row in rows[:-1])  # each line names a pod
    assert rows[-1].startswith("--output none")
    assert rows[-1].split()[-2] == "0"


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
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415

    sys.path.insert(0, str(BENCH))
    try:
        spec = spec_from_file_location("bench_api", BENCH / "api.py")
        assert spec
        assert spec.loader
        api = module_from_spec(spec)
        spec.loader.exec_module(api)
    finally:
        sys.path.remove(str(BENCH))
    pods = orjson.loads(api.Api(45, 20).list_body("pods"))["items"]
    objects = orjson.loads(api.Api(45, 20).list_body("slices"))["items"]
    endpoints = [endpoint for obj in objects for endpoint in obj["endpoints"]]
    assert [pod["status"]["podIP"] for pod in pods] == [endpoint["addresses"][0] for endpoint in endpoints]
    assert [pod["metadata"]["name"] for pod in pods] == [endpoint["targetRef"]["name"] for endpoint in endpoints]
