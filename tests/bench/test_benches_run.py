"""The benches do what they say: what nobody runs for a while must still run. Figures are not looked at."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

BENCH = Path(__file__).parents[2] / "bench"


def run(*arguments: object, timeout: float = 100) -> str:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def generated(directory: Path, *options: str) -> tuple[bytes, bytes]:
    run(BENCH / "generate.py", directory, "--lines", "300", "--pods", "50", *options)
    (log,) = directory.glob("pods/*/*/0.log")
    return log.read_bytes(), (directory / "watch.jsonl").read_bytes()


@pytest.mark.parametrize("form", ["default", "custom", "json"])
def test_the_same_options_give_the_same_log(tmp_path: Path, form: str) -> None:
    first, again, other = (
        generated(tmp_path / str(n), "--form", form, "--seed", seed) for n, seed in enumerate(("1", "1", "2"))
    )
    assert first == again
    assert first != other


def test_shares_are_what_was_asked_for(tmp_path: Path) -> None:
    log, watch = generated(tmp_path, "--retries", "0.5", "--errors", "0.5")
    assert log.count(b", 10.") + log.count(b" 503 ") // 2 == 300
    assert len(watch.splitlines()) == 3


def test_ours_is_measured_in_all_cases() -> None:
    out = run(BENCH / "compare.py", "--cases", "--lines", "200", "--pods", "40", "--runs", "1")
    rows = out.splitlines()[2:]
    assert [row.split("  ")[0] for row in rows][:2] == ["default", "2 % odd"]
    assert all(row.split()[-2] == "200" for row in rows[:-1])  # in all lines a pod is named
    assert rows[-1].startswith("--output none")
    assert rows[-1].split()[-2] == "0"


def test_a_change_is_measured() -> None:
    assert "one changed endpoint of 100:" in run(BENCH / "scale.py", "change")


def test_the_peers_api_lists_what_the_log_is_about() -> None:
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
    pods = orjson.loads(api.Api(45, 20).lists("pods"))["items"]
    endpoints = [one for obj in orjson.loads(api.Api(45, 20).lists("slices"))["items"] for one in obj["endpoints"]]
    assert [pod["status"]["podIP"] for pod in pods] == [one["addresses"][0] for one in endpoints]
    assert [pod["metadata"]["name"] for pod in pods] == [one["targetRef"]["name"] for one in endpoints]
