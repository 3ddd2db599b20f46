"""A failed attempt says in which state its pod was as it began, and is counted under it; an answered one does not."""

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.enrich.controller_lines import NOW, access, enrich_all, framed, slice_of

POD = "web-878dbc76b-k5z5k"
END = NOW + SECOND // 2
CONDITIONS = {
    "ready": {"ready": True, "serving": True, "terminating": False},
    "not_ready": {"ready": False, "serving": False, "terminating": False},
    "terminating": {"ready": False, "serving": True, "terminating": True},
}


def attempt(changes: list[tuple[int, str]], *, status: bytes = b"502") -> tuple[dict, Metrics]:
    """Return the attempt of a line that ended at END, at a pod whose state changed at some times before (ms)."""
    pods = History()
    pods.replace([], NOW - 3000 * SECOND)
    for before, state in changes:
        obj = slice_of({"10.0.0.1": POD})
        obj["endpoints"][0] |= {"zone": "z-1", "conditions": CONDITIONS.get(state, {})}
        pods.apply("DELETED" if state == "gone" else "MODIFIED", obj, END - before * MILLISECOND)
    metrics = Metrics(lambda: NOW)
    enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), metrics)
    line = b"2026-11-22T23:18:31.5Z stdout F " + access(status=status, took=b"0.007") + b"\n"
    out = enrich_all(enricher, Histories(pods, History()), framed(line))
    enricher.update_counts()
    return orjson.loads(out.splitlines()[-1])["attempts"][0], metrics


@pytest.mark.parametrize("status", [b"502", b"503"])
@pytest.mark.parametrize("state", ["ready", "not_ready", "terminating", "gone"])
def test_state(state: str, status: bytes) -> None:
    """The attempt began 27 ms before its line was written, at the earliest: 7 ms, and twice nginx's 10 ms."""
    found, metrics = attempt(
        [(60_027, "ready"), (10_027, state)] if state != "ready" else [(60_027, "ready")], status=status
    )
    assert found["state"] == state
    assert (found["state_seconds"], found["age_seconds"]) == (60.0 if state == "ready" else 10.0, 60.0)
    assert (found["zone"], found["workload"], found["workload_kind"]) == ("z-1", "web", "Deployment")
    assert found["revision"] == "878dbc76b"
    (series,) = metrics.pods.values()
    assert [error.state for error in series.errors] == [state]


def test_a_change_at_about_the_time_of_the_attempts_beginning() -> None:
    found, metrics = attempt([(60_000, "ready"), (10, "terminating")])
    assert found["pod"] == POD
    assert not {"state", "state_seconds", "age_seconds"} & found.keys()
    assert found["zone"] == "z-1"
    (series,) = metrics.pods.values()
    assert [error.state for error in series.errors] == [""]


def test_an_answered_attempt() -> None:
    found, _ = attempt([(60_000, "ready")], status=b"200")
    assert not {"state", "state_seconds", "age_seconds", "zone", "workload"} & found.keys()
