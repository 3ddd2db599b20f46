"""A query of the guide for VictoriaLogs is refused, or does not find what it says."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.shippers.collector import NAMES
from tests.integration.shippers.stores import senders
from tests.integration.shippers.stores.guide import block
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.support.kube import eventually

pytestmark = pytest.mark.shipping
STREAM = '{service.name="ingress"}'


class Way(NamedTuple):
    """How lines reach the store, and what their names are where the guide's queries have the Collector's."""

    send: Callable[[VictoriaLogs, Path, list[bytes]], None]
    stream: str
    pod: str
    status: str
    attempts: str


WAYS = [
    Way(senders.by_collector, STREAM, NAMES["pod"], NAMES["status"], "attempts"),
    Way(senders.as_alloy, '{job="enricher"}', "pod", "status", "attempts"),
    Way(senders.as_vector, '{ingress.kind=~".+"}', "ingress.pod", "ingress.status", "ingress.attempts"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.send.__name__)
def test_the_queries_of_the_guide_find_what_they_say(
    way: Way, tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    way.send(store, tmp_path, lines)
    eventually(lambda: stored_all(store, len(rows)))
    text = block(STREAM).replace(STREAM, way.stream).replace("attempts", way.attempts)
    text = text.replace(NAMES["pod"], way.pod).replace(NAMES["status"], way.status)
    of_pod, failed, tried = text.splitlines()
    access = [row for row in rows if row["kind"] == "access"]
    assert times(store.query(of_pod)) == Counter(row["time"] for row in rows if row.get("pod") == "web-1")
    counts = Counter(row["pod"] for row in access if row["status"] >= 500)
    assert {row[way.pod]: int(row["failed"]) for row in store.query(failed)} == counts
    bad = [row["time"] for row in access for attempt in row["attempts"] if web_1_failed(attempt)]
    assert times(store.query(tried)) == Counter(bad)
    assert len(bad) > sum(counts.values()) > 0


def web_1_failed(attempt: dict[str, Any]) -> bool:
    return bool(attempt["pod"] == "web-1" and attempt["status"] >= 500)


def times(rows: list[dict[str, str]]) -> Counter[str]:
    return Counter(row["_time"] for row in rows)


def stored_all(store: VictoriaLogs, count: int) -> None:
    assert store.count() == count
