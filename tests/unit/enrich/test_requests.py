"""Requests as their clients saw them: nobody to try, hidden failures, error pages."""

from collections import Counter

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service, read_slice
from enricher.endpoints.upstream_names import service_of_upstream_name
from enricher.enrich.engine import Enricher
from enricher.enrich.requests import client_outcome, is_retried, main_attempt
from enricher.line import Line
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND
from tests.unit.enrich.controller_lines import AT, STAMP, access, enrich_all, slice_of

NOBODY = access(b"-", b"-", took=b"-", length=b"-").replace(b'" 200 ', b'" 503 ')
REFUSED = b"502, 502 : 200"


class Engine:
    """An engine with its counters; pod web-1 is at 10.0.0.1, errors-1 at 10.0.0.9."""

    def __init__(self) -> None:
        self.pods = History(retention=None)
        self.pods.replace(
            [
                read_slice(slice_of({"10.0.0.1": "web-1", "10.0.0.2": "web-2"})),
                read_slice(slice_of({"10.0.0.9": "errors-1"}, service="errors", namespace="ingress")),
            ],
            AT - 3600 * SECOND,
        )
        self.metrics = Metrics(lambda: AT)
        self.engine = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), self.metrics)

    def rows(self, *texts: bytes) -> list[dict]:
        data = enrich_all(
            self.engine, Histories(self.pods, History()), [Line(text, STAMP, "stdout", 0) for text in texts]
        )
        self.engine.update_counts()
        return [orjson.loads(line) for line in data.splitlines()]

    def requests(self) -> Counter:
        return Counter({key[:5]: series.requests for key, series in self.metrics.requests.items()})  # but Gateways

    def ready(self, at: float, *ips: str, service: str = "web") -> None:
        """Let only these pods be ready at a time (s beside the lines'), and name the others not ready."""
        obj = slice_of({"10.0.0.1": "web-1", "10.0.0.2": "web-2"}, service=service)
        for endpoint in obj["endpoints"]:
            endpoint["conditions"] = {"ready": endpoint["addresses"][0] in ips}
        self.pods.apply("MODIFIED", obj, AT + round(at * SECOND))


def test_nobody_was_ready() -> None:
    engine = Engine()
    engine.ready(-20)
    (row,) = engine.rows(NOBODY)
    assert row["attempts"] == []
    names = ("namespace", "service", "origin", "reason", "no_endpoints_since")
    assert [row[name] for name in names] == ["shop", "web", "proxy", "no_endpoints", "2026-11-22T23:18:11.5Z"]
    assert not {"pod", "attribution", "candidates"} & row.keys()
    assert engine.requests() == {("shop", "web", "", "503", "no_endpoints"): 1}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "not_tried"),
        ([(-100, []), (-50, ["10.0.0.1"])], "not_tried"),
        ([(-100, []), (-5, ["10.0.0.1"])], "not_tried"),
        ([(-100, []), (-4, ["10.0.0.1"])], "no_endpoints"),
        ([(4, [])], "no_endpoints"),
        ([(-100, ["10.0.0.2"])], "not_tried"),
    ],
)
def test_the_history_decides_whether_somebody_was_ready(events: list, reason: str) -> None:
    """The watch and the proxy may learn of a change up to 5 s apart."""
    engine = Engine()
    for at, ips in events:
        engine.ready(at, *ips)
    assert [row["reason"] for row in engine.rows(NOBODY, NOBODY)] == [reason, reason]
    assert engine.requests() == {("shop", "web", "", "503", reason): 2}


def test_lines_of_one_chunk_before_and_after_a_change() -> None:
    engine = Engine()
    engine.ready(-1000)
    engine.ready(0, "10.0.0.1")
    stamps = [b"2026-11-22T23:%02d:31.5Z" % minute for minute in (10, 18, 25)]
    texts = [NOBODY.replace(b"23:18:31 ", stamp[11:19] + b" ") for stamp in stamps]
    lines = [Line(text, stamp, "stdout", 0) for text, stamp in zip(texts, stamps, strict=True)]
    data = enrich_all(engine.engine, Histories(engine.pods, History()), lines)
    assert [orjson.loads(line)["reason"] for line in data.splitlines()] == ["no_endpoints", "no_endpoints", "not_tried"]


def test_a_request_that_needed_nobody_did_not_fail() -> None:
    engine = Engine()
    engine.ready(-20)
    (row,) = engine.rows(NOBODY.replace(b" 503 ", b" 308 "))
    assert (row["service"], "reason" in row, "origin" in row) == ("web", False, False)
    assert engine.requests() == {("shop", "web", "", "308", ""): 1}


@pytest.mark.parametrize(("status", "failed"), [(b"499", False), (b"500", True)])
def test_a_5xx_is_a_failure(status: bytes, failed: bool) -> None:
    (row,) = Engine().rows(NOBODY.replace(b" 503 ", b" %b " % status))
    assert ("reason" in row) == failed


def test_a_service_that_has_no_pods_at_all() -> None:
    engine = Engine()
    engine.pods.apply("ADDED", slice_of({}, service="empty"), AT - 60 * SECOND)
    (row,) = engine.rows(NOBODY.replace(b"shop-web-80", b"shop-empty-80"))
    assert (row["service"], row["reason"], "no_endpoints_since" in row) == ("empty", "no_endpoints", False)


@pytest.mark.parametrize(
    ("status", "outcome", "origins"),
    [(b"200", "hidden", 1), (b"404", "hidden", 1), (b"504", "seen", 2), (b"499", "seen", 1)],
)
def test_a_failed_try_is_hidden_if_the_client_got_a_good_answer(status: bytes, outcome: str, origins: int) -> None:
    engine = Engine()
    line = access(b"10.0.0.1:80, 10.0.0.2:80", b"502, " + status, took=b"0.001, 0.002", length=b"0, 5")
    (row,) = engine.rows(line.replace(b'" 200 ', b'" %b ' % status))
    assert [attempt["outcome"] for attempt in row["attempts"] if "outcome" in attempt] == [outcome] * origins
    counted = {(labels.retried, labels.outcome) for series in engine.metrics.pods.values() for labels in series.errors}
    assert counted == ({("true", outcome)} if origins == 1 else {("true", outcome), ("false", outcome)})
    assert engine.requests() == {("shop", "web", "", status.decode(), ""): 1}


def test_an_error_page_is_not_a_retry() -> None:
    """custom-http-errors: the app's pod failed, and another pod sent the page."""
    engine = Engine()
    line = access(b"10.0.0.1:80 : 10.0.0.9:80", b"503 : 503", took=b"0.001 : 0.002", length=b"9 : 5")
    (row,) = engine.rows(line.replace(b'" 200 ', b'" 503 '))
    assert (row["pod"], row["service"]) == ("web-1", "web")
    assert [attempt.get("internal_redirect") for attempt in row["attempts"]] == [None, True]
    retried = {key[2]: {labels.retried for labels in series.errors} for key, series in engine.metrics.pods.items()}
    assert retried == {"web-1": {"false"}, "errors-1": {"false"}}
    assert engine.requests() == {("shop", "web", "", "503", ""): 1}


def attempts(*redirects: int) -> list[Attempt]:
    return [Attempt("a", 502, 1, 1, redirects=number) for number in redirects]


@pytest.mark.parametrize(
    ("redirects", "main", "retried"),
    [
        ((0,), 0, [False]),
        ((0, 0), 1, [True, False]),
        ((0, 0, 1), 1, [True, False, False]),
        ((0, 1, 2), 0, [False, False, False]),
        ((1, 1, 2), 1, [True, False, False]),
    ],
)
def test_which_attempt_stands_for_a_request(redirects: tuple[int, ...], main: int, retried: list[bool]) -> None:
    tries = attempts(*redirects)
    assert main_attempt(tries) == main
    assert [is_retried(tries, index) for index in range(len(tries))] == retried


@pytest.mark.parametrize(
    ("status", "grpc", "outcome"),
    [(200, "", "hidden"), (499, "", "seen"), (500, "", "seen"), (499 - 1, "", "hidden"), (200, "INTERNAL", "seen")],
)
def test_what_the_client_got(status: int, grpc: str, outcome: str) -> None:
    assert client_outcome(status, Attempt("a", status, 1, 1, grpc_status=grpc)) == outcome
    assert client_outcome(None, Attempt("a", None, 1, 1)) == "unknown"


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("shop-web-80", Service("shop", "web")),
        ("shop-gone-80", Service("shop", "gone")),
        ("new-gone-http", Service("new", "gone")),
        ("shop-gone-for-good-80", Service("shop", "gone-for-good")),
        ("new-gone-for-good-80", None),
        ("new-gone-api-80", None),
        ("shop-gone-", None),
        ("upstream-default-backend", None),
        ("internal", None),
        ("-", None),
        ("", None),
        ("a--80", None),
        ("--80", None),
        ("-".join("n" * 100_000), None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_service_that_a_line_names(name: str, service: Service | None) -> None:
    assert service_of_upstream_name(Engine().pods, name) == service


def test_a_name_that_fits_services_of_two_namespaces() -> None:
    pods = Engine().pods
    pods.apply("ADDED", slice_of({"10.0.0.3": "api-1"}, service="web-api"), AT)
    assert service_of_upstream_name(pods, "shop-web-api-80") == Service("shop", "web-api")
    pods.apply("ADDED", slice_of({}, service="api", namespace="shop-web"), AT)
    assert service_of_upstream_name(pods, "shop-web-api-80") is None
