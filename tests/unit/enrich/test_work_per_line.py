"""How much is done for a line, counted: a change that makes lines dearer shows here, on any machine.

What is counted are the calls of functions, Python's and C's, while a block is enriched whose addresses are known.
"""

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND
from tests.support.calls import calls
from tests.unit.enrich.controller_lines import NOW, enrich_all, framed, holder, make_histories

LINES = 1000
HEAD = '2026-11-22T23:18:31.%03dZ stdout F 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" '
ORDINARY = HEAD + '200 1 "-" "curl" 1 0.001 [shop-web-80] [] 10.0.0.%d:80 1 0.001 200 abc'
RETRIED = HEAD + '200 1 "-" "curl" 1 0.002 [shop-web-80] [] 10.0.0.%d:80, 10.0.0.0:80 0, 1 0.001, 0.001 502, 200 abc'
FAILED = HEAD + '503 1 "-" "curl" 1 0.001 [shop-web-80] [] 10.0.0.%d:80 1 0.001 503 abc'
ESCAPED = HEAD + r'200 1 "-" "a\x22b" 1 0.001 [shop-web-80] [] 10.0.0.%d:80 1 0.001 200 abc'


@pytest.mark.parametrize(
    ("line", "count_only", "at_most"),
    [
        (ORDINARY, False, 4),
        (ORDINARY, True, 4),
        (ESCAPED, False, 26),
        (FAILED, False, 52),
        (RETRIED, False, 125),
    ],
    ids=["ordinary", "counted only", "escaped", "failed", "retried"],
)
def test_calls_for_each_line(line: str, *, count_only: bool, at_most: int) -> None:
    body = "".join(f"{line % (n % 1000, n % 3)}\n" for n in range(LINES)).encode()
    formats = FormatDetector((compile_format(INGRESS_NGINX),))
    enricher, histories = Enricher(formats, Metrics(lambda: NOW), count_only=count_only), make_histories()
    enrich_all(enricher, histories, framed(body))  # addresses become known
    block = framed(body)
    made = calls(lambda: enrich_all(enricher, histories, block))
    print(f"{made / LINES:.2f} calls a line")
    assert made <= at_most * LINES


@pytest.mark.parametrize(
    ("line", "at_most"),
    [(ORDINARY, 30), (ORDINARY.replace("10.1.2.3", "10.0.0.8"), 60), (FAILED, 76), (RETRIED, 152)],
    ids=["ordinary", "pods as clients", "failed", "retried"],
)
def test_calls_for_each_line_of_the_second_in_which_its_address_changes_hands(line: str, at_most: int) -> None:
    body = "".join(f"{line % (n % 1000, 7 + n % 2)}\n" for n in range(LINES)).encode()
    enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW))
    histories = make_histories()
    enrich_all(enricher, histories, framed(body))
    block = framed(body)
    made = calls(lambda: enrich_all(enricher, histories, block))
    print(f"{made / LINES:.2f} calls a line")
    assert made <= at_most * LINES


@pytest.mark.parametrize(("terminates", "at_most"), [(10, 4), (-2, 76)], ids=["later", "before"])
def test_calls_for_each_line_at_pods_that_terminate(terminates: int, at_most: int) -> None:
    """Only attempts at the time after it cost anything; they are rare."""
    body = "".join(f"{ORDINARY % (n % 1000, n % 3)}\n" for n in range(LINES)).encode()
    histories = make_histories()
    for n in range(3):
        obj = holder(f"10.0.0.{n}", f"p{n}")
        obj["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
        histories.pods.apply("MODIFIED", obj, NOW + terminates * SECOND)
    metrics = Metrics(lambda: NOW)
    enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), metrics)
    enrich_all(enricher, histories, framed(body))
    block = framed(body)
    made = calls(lambda: enrich_all(enricher, histories, block))
    enricher.update_counts()
    print(f"{made / LINES:.2f} calls a line")
    assert made <= at_most * LINES
    assert bool(metrics.late) is (terminates < 0)


def test_a_log_of_twice_the_pods_is_no_more_work() -> None:
    def work(pods: int) -> int:
        body = "".join(f"{ORDINARY % (n % 1000, n % pods)}\n" for n in range(LINES)).encode()
        histories = make_histories()
        enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW))
        enrich_all(enricher, histories, framed(body))
        block = framed(body)
        return calls(lambda: enrich_all(enricher, histories, block))

    assert work(1) == pytest.approx(work(2), rel=0.01)
