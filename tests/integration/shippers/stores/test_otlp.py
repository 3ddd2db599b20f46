"""The Collector, as the guide sets it up, loses or changes a line on its way into VictoriaLogs."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.collector import NAMES, collector
from tests.integration.shippers.pods_logs import ENRICHER, framed, until
from tests.integration.shippers.stores.controller_log import flat, in_order, one_spelling, stamp
from tests.integration.shippers.stores.senders import by_collector
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.support.kubelet import Container, compress

pytestmark = pytest.mark.shipping
ADDED = {"service.name", "log.iostream", "scope.name", "scope.version", "severity_number", "severity_text"}
OURS = {theirs: ours for ours, theirs in NAMES.items()}


def as_it_was(stored: dict[str, str]) -> dict[str, str]:
    """Return a stored line with the daemon's names."""
    row = {OURS.get(name, name): value for name, value in stored.items() if name[0] != "_" and name not in ADDED}
    # Whichever came first of the names that the guide gives for the text.
    row["url.path" if row["kind"] == "access" else "message"] = stored["_msg"]
    if "http.request.method" in row:
        query = f"?{row.pop('url.query')}" if "url.query" in row else ""
        version = row.pop("network.protocol.version")
        row["request"] = f"{row.pop('http.request.method')} {row.pop('url.path')}{query} HTTP/{version}"
    elif row["kind"] == "access":
        row["request"] = row.pop("url.path")
    return one_spelling(row)


def test_every_line_is_stored_with_its_fields_and_its_time(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    by_collector(store, tmp_path, lines)
    stored = store.query("* | sort by (_time)")
    assert in_order(list(map(as_it_was, stored))) == in_order([one_spelling(flat(row)) for row in rows])
    assert [line["_time"] for line in stored] == sorted(row["time"] for row in rows)
    assert store.streams() == {
        '{k8s.container.name="controller",k8s.namespace.name="ingress-nginx",k8s.node.name="node-1",'
        'k8s.pod.name="ingress-nginx-controller-7d78fd997-csccr",service.name="ingress"}'
    }


def test_no_line_is_lost_when_the_log_is_rotated_and_the_collector_killed(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    container = Container(tmp_path / "pods" / ENRICHER)
    written = 0

    def write(count: int) -> None:
        nonlocal written
        for number in range(written, written + count):
            container.write_raw(framed(lines[number], stamp=stamp(number)))
        written += count

    endpoint = f"{store.url}/insert/opentelemetry"
    write(20)
    with collector(tmp_path, tmp_path / "pods", endpoint) as process:
        for _ in range(3):
            until(lambda: store.count() >= written, process)
            write(5)
            container.rename()
            write(5)
            until(lambda: store.count() >= written, process)
            container.reopen()
            write(5)
            container.rotate()
            write(5)
        until(lambda: store.count() >= written, process)
        write(5)
        process.kill()
    write(5)
    container.rotate()
    write(5)
    with collector(tmp_path, tmp_path / "pods", endpoint) as process:
        until(lambda: {row["time"] for row in store.query("*")} >= {row["time"] for row in rows[:written]}, process)
        # What is compressed was read before.
        for rotated in container.rotated():
            compress(rotated)
        write(5)
        container.rotate()
        write(5)
        until(lambda: {row["time"] for row in store.query("*")} >= {row["time"] for row in rows[:written]}, process)
    assert store.count() - written <= 5, "more than what was under way when the Collector was killed"
