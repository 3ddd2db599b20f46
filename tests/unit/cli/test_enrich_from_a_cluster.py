"""`enricher enrich` and `explain` with a cluster at hand in place of a file."""

import subprocess
import sys
from asyncio import to_thread

import orjson

from demo.fake_api import FakeApi, slice_of

LINE = (
    '10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 1 0.001 [shop-web-80] [] '
    "10.0.0.1:8080 1 0.001 200 abc"
)


async def run(tmp_path, *arguments, line=""):
    async with FakeApi() as server:
        server.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}))
        server.write_kubeconfig(tmp_path / "config")
        command = [sys.executable, "-m", "enricher", *arguments, "--kubeconfig", str(tmp_path / "config")]
        return await to_thread(
            subprocess.run, command, input=line.encode(), capture_output=True, timeout=30, check=False
        )


async def test_enrich(tmp_path):
    done = await run(tmp_path, "enrich", line=LINE + "\n")
    assert (done.returncode, done.stderr) == (0, b"")
    record = orjson.loads(done.stdout)
    assert (record["pod"], record["attribution"]) == ("pod-1", "assumed")


async def test_explain(tmp_path):
    done = await run(tmp_path, "explain", LINE)
    assert done.returncode == 0
    assert "= assumed:" in done.stdout.decode()
    assert "pod-1" in done.stdout.decode()


async def test_addresses_outside_the_cluster(tmp_path):
    (path := tmp_path / "extra.yaml").write_text("10.9.0.5:8080: vm-1")
    lines = LINE + "\n" + LINE.replace("10.0.0.1:8080", "10.9.0.5:8080") + "\n"
    done = await run(tmp_path, "enrich", "--extra-endpoints", str(path), line=lines)
    assert (done.returncode, done.stderr) == (0, b"")
    records = map(orjson.loads, done.stdout.splitlines())
    assert [(record["pod"], record["attribution"]) for record in records] == [("pod-1", "assumed"), ("vm-1", "exact")]
