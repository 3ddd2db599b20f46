"""`enricher tail` at a desk beside the cluster: the failing pods' lines, through the API and the kubelet."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson
import pytest

from tests.integration.node.output import LOGS, Record
from tests.integration.node.proxy import Proxy
from tests.support.kube import Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

COMMAND = [sys.executable, "-m", "enricher", "tail", "--errors", "--since", "1m", "-o", "json"]


@contextmanager
def tail() -> Iterator[IO[bytes]]:
    """What it writes, by the administrator's KUBECONFIG; it follows for ever, so it is ended."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield process.stdout
    finally:
        process.kill()
        process.communicate()


def ask(proxy: Proxy, name: str) -> list[str]:
    """Every second request is well, and must not come; the ids of the others, the last of which comes last."""
    ids = [f"{name}-{number}" for number in range(7)]
    for n, request_id in enumerate(ids):
        assert proxy.ask(request_id, "/test" if n % 2 else "/status/502").status == (200 if n % 2 else 502)
    return ids[::2]


def read_until(lines: IO[bytes], last: str, name: str) -> list[Record]:
    """Those of the requests of this name, up to the last one."""
    found: list[Record] = []
    for line in lines:
        record = orjson.loads(line)
        if str(record.get("req_id")).startswith(f"{name}-"):
            found.append(record)
        if record.get("req_id") == last:
            break
    return found


def make_room(proxy: Proxy, log: Path) -> None:
    """Assert that no rotation of the proxy's log is near; a log that is almost full is filled, so that one comes."""
    if log.stat().st_size < 900_000:
        return
    for number in range(200):
        proxy.ask(f"filling-{number}", "/test")
    raise AssertionError(f"{log} is almost as long as the kubelet lets it become")


def test_the_failing_pods_lines_come_through_the_api(proxy: Proxy, backends: list[Pod]) -> None:
    """Those that were written before it began, and those that are written while it looks."""
    # The kubelet gives out the present file only: a rotation that is due after the tests before this one comes first.
    [log] = LOGS.glob(f"{proxy.pod.namespace}_{proxy.pod.name}_*/controller/0.log")
    eventually(lambda: make_room(proxy, log))
    wanted = ask(proxy, "tailed-before")
    with tail() as lines:
        before = read_until(lines, wanted[-1], "tailed-before")
        assert [line["req_id"] for line in before] == wanted
        wanted = ask(proxy, "tailed-live")
        live = read_until(lines, wanted[-1], "tailed-live")
        assert [line["req_id"] for line in live] == wanted
    print(f"{len(before)} and {len(live)} failures, of pods {[line['pod'] for line in before + live]}")
    names = {pod.name for pod in backends}
    for line in before + live:
        # nginx asked the second pod after the first: both failed.
        assert [attempt["status"] for attempt in line["attempts"]] == [502, 502]
        assert {attempt["pod"] for attempt in line["attempts"]} == names
        assert (line["status"], line["pod"]) == (502, line["attempts"][-1]["pod"])
        assert (line["namespace"], line["service"]) == ("default", "backend-service")
        assert (line["logged_by"]["namespace"], line["logged_by"]["pod"]) == (proxy.pod.namespace, proxy.pod.name)
        assert line["logged_by"]["node"] == line["node"]
    assert {attempt["attribution"] for line in live for attempt in line["attempts"]} == {"exact"}
