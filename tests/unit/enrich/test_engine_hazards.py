"""The engine gives what the reference gives where a cache, a column or a shortcut might mislead it."""

from collections.abc import Callable, Sequence

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import Format, profile_formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from enricher.endpoints.slices import service_as_slice
from enricher.enrich import column_output
from enricher.enrich.engine import Enricher
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.controller_lines import AT, NOW, SOURCE, enrich_all, framed, holder, make_histories
from tests.unit.enrich.generators.comparison import difference_in_counts
from tests.unit.enrich.generators.nginx_values import seconds

INGRESS = (compile_format(INGRESS_NGINX),)
ENVOY = profile_formats("envoy")[2:3]
PLAIN = (compile_format("$upstream_addr $upstream_status $upstream_response_time $request_time"),)


class Both:
    """The engine and the reference, which are given the same lines."""

    def __init__(self, formats: Sequence[Format] = INGRESS, histories: Histories | None = None) -> None:
        self.histories = histories or make_histories()
        self._metrics = [Metrics(lambda: NOW) for _ in range(2)]
        self._engine = Enricher(FormatDetector(tuple(formats)), self._metrics[0], node="n")
        self._reference = ReferenceEnricher(FormatDetector(tuple(formats)), self._metrics[1], node="n")

    def rows(self, *lines: bytes, source: Source = SOURCE) -> list[dict]:
        """Return the objects of CRI lines, after making sure that they and all counts so far are the reference's."""
        body = b"".join(line + b"\n" for line in lines)
        expected = enrich_all(self._reference, self.histories, list(framed(body)), source)
        assert enrich_all(self._engine, self.histories, framed(body), source) == expected
        self._engine.update_counts()
        assert difference_in_counts(self._metrics[1], self._metrics[0]) is None
        return [orjson.loads(row) for row in expected.splitlines()[1:]]


def ingress(
    addr: str = "10.0.0.0:80",
    took: int = MILLISECOND,
    status: int = 200,
    at: int = AT,
    name: str = "shop-web-http",
    spare: int = 0,
) -> bytes:
    """Return a line of a request that took `spare` longer than its attempt."""
    length = int(status < 502)  # nginx's own 502 has no body
    return (
        f'{format_rfc3339(at)} stdout F 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" {status} 1 "-" "-" '
        f"1 {seconds(took + spare).decode()} [{name}] [] {addr} {length} {seconds(took).decode()} {status} abc"
    ).encode()


def envoy(addr: str = "10.0.0.0:80", took: int = MILLISECOND, status: int = 200, at: int = AT, spare: int = 0) -> bytes:
    """Return a line of a request that took `spare` longer than its attempt."""
    start = format_rfc3339((at - took - spare) // MILLISECOND * MILLISECOND)
    start = start.replace("Z", ".000Z") if "." not in start else start
    flags = "UC" if status == 503 else "-"
    times = f"{(took + spare) // MILLISECOND} {took // MILLISECOND}"
    request = f'[{start}] "GET / HTTP/1.1" {status} {flags}'
    return f'{format_rfc3339(at)} stdout F {request} 0 1 {times} "-" "-" "-" "h" "{addr}"'.encode()


DISTANCES = (
    *(n * MILLISECOND for n in (-31_000, -6000, -1001, -890, -600, -400, -21, -11, -10, -9, -1, 0, 1, 9, 10, 11)),
    *(n * MILLISECOND for n in (19, 20, 21, 400, 990, 1000, 1001, 4999, 5001)),
    *(-10 * MILLISECOND - 1, -10 * MILLISECOND + 1, -1, 1, 10 * MILLISECOND + 1, 20 * MILLISECOND + 1),
)


@pytest.mark.parametrize("took", [0, 5, 700, 30_000, 200_000])
@pytest.mark.parametrize("status", [200, 503, 502])
@pytest.mark.parametrize(("formats", "line"), [(INGRESS, ingress), (ENVOY, envoy)], ids=["nginx", "envoy"])
def test_an_address_changes_hands_at_every_distance(
    formats: Sequence[Format], line: Callable[..., bytes], status: int, took: int
) -> None:
    """Before and after the beginning and the end of an attempt, to a nanosecond; three ways to change hands."""
    for distance in DISTANCES:
        for moment in {AT, AT - took * MILLISECOND}:
            at, pods = moment + distance, History()
            pods.replace([], NOW - 3000 * SECOND)
            for n, pod in enumerate(("left", "first", "overlapping")):
                pods.apply("ADDED", holder(f"10.0.0.{n}", pod), NOW - 2000 * SECOND)
            pods.apply("DELETED", holder("10.0.0.0", "left"), at)
            pods.apply("DELETED", holder("10.0.0.1", "first"), at - MILLISECOND)
            pods.apply("ADDED", holder("10.0.0.1", "second", service="other"), at)
            pods.apply("ADDED", holder("10.0.0.2", "successor", service="other"), at)
            pods.apply("DELETED", holder("10.0.0.2", "overlapping"), at + SECOND)
            pods.apply("ADDED", holder("10.0.0.3", "came"), at)
            both = Both(formats, Histories(pods, History()))
            spares = (0, 900 * MILLISECOND, 40 * SECOND)
            both.rows(
                *(line(f"10.0.0.{n}:80", took * MILLISECOND, status, spare=spare) for n in range(4) for spare in spares)
            )


def test_a_cached_address_is_forgotten_when_the_history_changes() -> None:
    both = Both()
    pods = both.histories.pods

    def answer() -> dict:
        return both.rows(ingress(name="shop-web-renamed"))[0]

    assert "service" not in answer()
    changed = holder("10.0.0.0", "p0")
    changed["ports"][0]["name"] = "renamed"
    pods.apply("MODIFIED", changed, NOW)
    assert answer()["service"] == "web"
    pods.apply("ADDED", holder("10.0.0.0", "usurper"), NOW)
    answer()
    pods.apply("DELETED", holder("10.0.0.0", "p0", service="web-canary"), NOW + SECOND)
    answer()


def test_a_cluster_ip_is_forgotten_when_a_member_of_its_service_changes() -> None:
    """Its own tenures stay as they are: what changes are those of other addresses."""
    both = Both()
    pods, services, _ = both.histories
    service = {"metadata": {"name": "solo", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.1"}}
    services.apply("ADDED", service_as_slice(service), NOW - 2000 * SECOND)
    one = holder("10.0.1.1", "solo-1", service="solo")
    pods.apply("ADDED", one, NOW - 2000 * SECOND)

    def answer() -> tuple[str | None, int]:
        row = both.rows(ingress("10.96.0.1:80"))[0]
        assert row["attribution"] == "service"
        return row.get("pod"), len(row.get("candidates", ()))

    assert answer() == ("solo-1", 0)
    pods.apply("ADDED", holder("10.0.1.2", "solo-2", service="solo"), NOW - 60 * SECOND)
    assert answer() == (None, 2)
    pods.apply("DELETED", one, NOW - 50 * SECOND)
    assert answer() == ("solo-2", 0)
    services.apply("DELETED", service_as_slice(service), NOW - 40 * SECOND)
    answer()
    service["metadata"]["name"] = "web"
    services.apply("ADDED", service_as_slice(service), NOW - 30 * SECOND)
    answer()


def test_an_address_without_a_holder_is_forgotten_when_its_service_becomes_known() -> None:
    """The name of the upstream tells the service, if any slice has it."""
    both = Both()
    line = ingress("192.0.2.1:80", name="shop-late-api-http")
    assert both.rows(line)[0]["service"] == "late-api"
    both.histories.pods.apply("ADDED", holder("10.0.9.9", "late-1", service="late"), NOW)
    assert both.rows(line)[0]["service"] == "late"
    assert both.rows(ingress("backend:80", name="shop-late-api-http"))[0]["service"] == "late"


def test_a_client_is_forgotten_when_its_services_change() -> None:
    both = Both()
    line = ingress().replace(b"10.1.2.3", b"10.0.0.1")
    assert both.rows(line)[0]["client_service"] == "web"
    both.histories.pods.apply("ADDED", holder("10.0.0.1", "p1", service="all"), NOW - 300 * SECOND)
    assert both.rows(line)[0]["client_service"] == "all"
    both.histories.pods.apply("ADDED", holder("10.0.0.1", "other", service="other"), NOW - 250 * SECOND)
    both.rows(line)


def test_a_watch_that_loses_and_regains_its_connection() -> None:
    synced = [True]
    pods = History(is_synced=lambda: synced[0])
    pods.replace([], NOW - 3000 * SECOND)
    pods.apply("ADDED", holder("10.0.0.0", "p0"), NOW - 2000 * SECOND)
    both = Both(histories=Histories(pods, History()))
    grades = []
    for is_synced, bookmark in ((True, 0), (False, 0), (True, 0), (False, AT), (False, AT + 2 * SECOND)):
        synced[0] = is_synced
        if bookmark:
            pods.apply("BOOKMARK", {}, bookmark)
        grades.append([row["attribution"] for row in both.rows(ingress(), ingress(at=AT + SECOND))])
    assert grades == [["exact"] * 2, ["assumed"] * 2, ["exact"] * 2, ["assumed"] * 2, ["exact"] * 2]


def test_another_history_in_place_of_the_first() -> None:
    both = Both()
    both.rows(ingress())
    both.histories = make_histories()
    both.histories.pods.apply("ADDED", holder("10.0.0.0", "usurper"), NOW - 60 * SECOND)
    assert both.rows(ingress())[0]["attribution"] != "exact"
    both.histories.pods.apply("DELETED", holder("10.0.0.0", "usurper"), NOW - 50 * SECOND)
    both.rows(ingress())


def test_two_sources_share_addresses_and_nothing_else() -> None:
    both = Both((*INGRESS, *ENVOY))
    other = Source("/b", "ingress", "b", "u", "c")
    error = (
        b"2026-11-22T23:18:31.5Z stderr F 2026/11/22 23:18:31 [error] 1#1: *5 connect() failed (111: x) connecting "
        b'to upstream, client: 10.1.2.3, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.0:80/"'
    )
    both.rows(error, envoy(), source=other)
    assert "reason" not in both.rows(ingress(status=502))[0]["attempts"][0]
    assert both.rows(ingress(status=502), source=other)[0]["attempts"][0]["reason"] == "refused"


@pytest.mark.parametrize("max_series", [1, 3])
def test_what_overflows_is_counted_alike(max_series: int) -> None:
    lines = b"".join(ingress(f"10.0.0.{n % 9}:80", status=(200, 503)[n % 5 == 0]) + b"\n" for n in range(200))
    totals = []
    for make in (Enricher, ReferenceEnricher):
        metrics = Metrics(lambda: NOW, max_series=max_series)
        enricher = make(FormatDetector(INGRESS), metrics)
        enrich_all(enricher, make_histories(), framed(lines))
        enricher.update_counts()
        assert metrics.overflow.counted.total() > 0
        assert len(metrics.pods) == max_series + 1
        errors = sum(series.errors.total() for series in metrics.pods.values())
        totals.append((sum(series.requests for series in metrics.pods.values()), errors))
    assert totals[0] == totals[1]


LISTS = (compile_format('$req_id $upstream_addr $upstream_status $request_time $upstream_header_time "$request"'),)
SHORT = "{} stdout F 10.0.0.0:80 200 0.001 0.001"


@pytest.mark.parametrize(
    ("formats", "lines"),
    [
        (PLAIN, [SHORT.format("2026-11-22T23:18:31.1Z"), SHORT.format("2026-13-40T00:00:00.1Z")]),
        (
            PLAIN,
            [SHORT.format(f"2026-{stamp}Z") for stamp in ("11-22T23:18:31.1", "11-31T23:18:31.1", "12-01T00:00:00")],
        ),
        (PLAIN, [SHORT.format("2026-11-22T23:18:60Z"), SHORT.format("2026-11-22T23:18:31.1234567891Z")]),
        (PLAIN, [SHORT.format("2026-11-22T23:18:31.5+02:00"), SHORT.format("2026-11-22T21:18:31.5-00:00")]),
        (LISTS, ['2026-11-22T23:18:31.5Z stdout F : 10.0.0.0:80, 10.0.0.0:80 200, 200 50.000 - "GET / HTTP/1.1"']),
        (INGRESS, [ingress().decode().replace(" abc", " \x7f"), ingress().decode().replace('"-"', '"\x7f é"', 1)]),
    ],
    ids=["no such month", "no such day", "leap second", "time zones", "lists of different lengths", "raw bytes"],
)
def test_what_nobody_writes(formats: Sequence[Format], lines: Sequence[str]) -> None:
    both = Both(formats)
    for _ in range(2):
        both.rows(*(line.encode() for line in lines))


def test_fractions_of_a_second_that_are_cut_are_no_earlier_times() -> None:
    """`…31.1Z` comes after `…31.15Z` as a text, and before it in time: what is certain ends between them."""
    pods = History(is_synced=lambda: False)
    pods.replace([], NOW - 3000 * SECOND)
    pods.apply("ADDED", holder("10.0.0.0", "p0"), NOW - 2000 * SECOND)
    pods.apply("BOOKMARK", {}, NOW + SECOND * 12 // 100)
    lines = (SHORT.format(f"2026-11-22T23:18:31.{fraction}Z").encode() for fraction in ("1", "15"))
    rows = Both(PLAIN, Histories(pods, History())).rows(*lines)
    assert [row["attribution"] for row in rows] == ["exact", "assumed"]


def test_fixed_address_of_another_port() -> None:
    """An endpoints file names one port of an address, and a line without a time another one."""
    histories = Histories(History(retention=None), History())
    load_into(histories, b"10.0.0.8:80: web-1\n")
    enricher = Enricher(FormatDetector(PLAIN), Metrics(lambda: NOW))
    data = enrich_all(enricher, histories, [Line(b"10.0.0.8:9 200 0.001 0.001")])
    assert orjson.loads(data)["attribution"] == "unknown"


def test_lines_that_are_not_ordinary_leave_nothing_behind() -> None:
    """What stands for their owner is shared by all batches."""
    both = Both()
    both.rows(*[ingress("10.0.0.1:80, 10.0.0.2:80")] * 3, ingress("-"), ingress("backend:80"))
    assert (column_output._NOBODY.times, column_output._NOBODY.requests, column_output._NOBODY.errors) == ([], [], {})
