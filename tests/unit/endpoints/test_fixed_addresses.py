"""Backends named one by one, as behind plain nginx: the port is the backend, an IP alone stands for the rest."""

import gzip

import orjson
import pytest

from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.files import load_endpoints, load_into
from enricher.endpoints.history import History
from enricher.enrich.output import attribution_fields
from tests.unit.endpoints.timeline import pod, slice_, summary


def load(text: str) -> Histories:
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, text.encode())
    return histories


def ask(text: str, addr: str) -> tuple[str, ...]:
    at = 10**18
    return summary(attribute(load(text), addr, Window(at, at, at), answered=True))


@pytest.mark.parametrize(
    ("text", "addr", "answer"),
    [
        ("10.0.0.5:8080: a", "10.0.0.5:8080", ("exact", "a")),
        ("10.0.0.5:8080: a", "10.0.0.5:9999", ("unknown",)),
        ("10.0.0.5:8080: a\n10.0.0.5:8081: b", "10.0.0.5:8081", ("exact", "b")),
        ("10.0.0.5:8080: a\n10.0.0.5:8081: b", "10.0.0.5:8082", ("unknown",)),
        ("10.0.0.5: a", "10.0.0.5:1", ("exact", "a")),
        ("10.0.0.5:8080: a\n10.0.0.5: rest", "10.0.0.5:8080", ("exact", "a")),
        ("10.0.0.5:8080: a\n10.0.0.5: rest", "10.0.0.5:1", ("exact", "rest")),
        ("'[fd00::5]:8080': a", "[fd00:0::5]:8080", ("exact", "a")),
    ],
)
def test_the_port_is_the_backend(text: str, addr: str, answer: tuple[str, ...]) -> None:
    assert ask(text, addr) == answer


def test_of_several_pods_only_the_candidates_are_reported() -> None:
    histories = load("10.0.0.5: a")
    for name in ("b", "c"):
        target = {"kind": "Pod", "name": name}
        obj = {"metadata": {"name": name}, "endpoints": [{"addresses": ["10.0.0.6"], "targetRef": target}]}
        histories.pods.apply("ADDED", obj, 5)
    attribution = attribute(histories, "10.0.0.6:80", Window(10**18, 10**18, 10**18), answered=True)
    assert summary(attribution) == ("ambiguous", "b", "c")
    assert attribution_fields(attribution).keys() == {"attribution", "candidates"}


def test_a_gzipped_file_is_read_as_what_is_in_it(tmp_path) -> None:
    event = {"at": "2026-11-22T00:00:00Z", "type": "ADDED", "object": {"metadata": {"name": "s", "namespace": "n"}}}
    event["object"]["endpoints"] = [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "p"}}]
    (path := tmp_path / "watch.jsonl.gz").write_bytes(gzip.compress(orjson.dumps(event) + b"\n"))
    [tenure] = load_endpoints([str(path)]).pods.tenures()
    assert tenure.owner.pod == "p"


@pytest.mark.parametrize(
    ("port", "answer"), [(8080, ("exact", "fixed")), (9090, ("exact", "live")), (9999, ("assumed", "live"))]
)
def test_a_backend_at_the_address_of_a_live_pod_has_only_its_own_port(port: int, answer: tuple[str, ...]) -> None:
    histories = load("10.0.0.5:8080: fixed")
    histories.pods.apply("ADDED", slice_("s", pod("10.0.0.5", "live"), port=9090), 5)
    window = Window(10**18, 10**18, 10**18)
    assert summary(attribute(histories, f"10.0.0.5:{port}", window, answered=True)) == answer
