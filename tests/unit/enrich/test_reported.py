"""A log line that carries the answering pod's name: believed where we do not know better, and only then."""

import orjson
import pytest

from enricher.accesslog import envoy, haproxy
from enricher.accesslog.detection import FormatDetector
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Line
from enricher.metrics.counters import Metrics
from tests.unit.enrich.controller_lines import STAMP, enrich_all

FORMAT = "$remote_addr $status $upstream_addr $upstream_status $upstream_http_x_pod_name"


def grade_and_pod(row):
    return row["attribution"], row.get("pod")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"192.0.2.7 200 10.9.9.9:80 200 web-7", ("reported", "web-7")),
        (b"192.0.2.7 200 10.0.0.1:80 200 web-7", ("exact", "web-1")),  # the address knows better
        (b"192.0.2.7 502 10.9.9.9:80 502 web-7", ("unknown", None)),  # nobody answered: it is no answer's header
        (b"192.0.2.7 200 10.9.9.9:80 200 -", ("unknown", None)),
        (b"192.0.2.7 200 10.9.9.9:80 200 not a pod's name", ("unknown", None)),
        (b"192.0.2.7 200 10.9.9.9:80, 10.9.9.8:80 502, 200 web-7", ("reported", "web-7")),
    ],
)
def test_which_reported_names_are_used(enriched, line, expected):
    (row,) = enriched(line, format_=FORMAT, pod_variable="upstream_http_x_pod_name")
    assert grade_and_pod(row) == expected
    assert [a.get("pod") for a in row["attempts"][:-1]] == [None] * (len(row["attempts"]) - 1)


def test_it_is_another_variable_that_says_so(enriched):
    (row,) = enriched(b"192.0.2.7 200 10.9.9.9:80 200 web-2", format_=FORMAT, pod_variable="another")
    assert grade_and_pod(row) == ("unknown", None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"be_http:shop:cart/pod:web-7:cart:http:10.9.9.9:80 200 ---- 5", ("reported", "web-7")),
        (
            b"be_http:shop:cart/pod:web-7:cart:http:10.9.9.9:80 503 SC-- 5",
            ("reported", "web-7"),
        ),  # the proxy's own word
        (b"be_http:shop:cart/pod:web-7:cart:http:10.0.0.1:80 200 ---- 5", ("exact", "web-1")),
        (b"be_http:shop:cart/ept:cart:http:10.0.0.1:80 200 ---- 5", ("exact", "web-1")),
        (b"shop_cart_80/cart-6d5f8c9b7-x2x4z 200 ---- 5", ("reported", "cart-6d5f8c9b7-x2x4z")),
        (b"shop_cart_80/srv001 200 ---- 5", ("unknown", None)),
        (b"be_http:shop:cart/pod:Not_a_name:cart:http:10.9.9.9:80 200 ---- 5", ("unknown", None)),
    ],
)
@pytest.mark.parametrize("count_only", [False, True])
def test_the_name_of_a_server(history, line, expected, count_only):
    metrics = Metrics()
    formats = FormatDetector(haproxy.compile_format("%b/%s %ST %tsc %Ta"))
    engine = Enricher(formats, metrics, count_only=count_only)
    data = enrich_all(engine, Histories(history, History()), [Line(line, STAMP, "stdout")])
    engine.update_counts()
    assert +metrics.grades == {expected[0]: 1}
    if not count_only:
        assert grade_and_pod(orjson.loads(data)) == expected


def test_a_name_with_json_escapes(history):
    text = '{"status":"%RESPONSE_CODE%","up":"%UPSTREAM_HOST%","pod":"%RESP(X-POD)%"}'
    engine = Enricher(FormatDetector((envoy.compile_format(text),)), Metrics(), pod_variable="sent_http_x_pod")
    line = Line(rb'{"status":200,"up":"10.9.9.9:80","pod":"web\u002d7"}', STAMP, "stdout")
    assert grade_and_pod(orjson.loads(enrich_all(engine, Histories(history, History()), [line]))) == (
        "reported",
        "web-7",
    )
