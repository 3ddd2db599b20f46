"""Lines that may have several formats: the engine reads them as the reference does."""

import pytest

from enricher.accesslog.detection import CHANGE_LAG, FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.enrich import output
from enricher.enrich.batch import Layouts
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.timestamps import SECOND, format_rfc3339
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.controller_lines import NOW, SOURCE, enrich_all, framed, make_histories

OTHER = INGRESS_NGINX.replace("$req_id", "$host")
"""The same lines fit it, and its last word is another variable."""


def line(agent: str, at: int) -> str:
    return (
        f'{format_rfc3339(at)} stdout F 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 1 "-" "{agent}" '
        "1 0.001 [shop-web-80] [] 10.0.0.0:80 1 0.001 200 abc\n"
    )


def both(detector, body: str, times: int = 2) -> None:
    """The second time it is known which format the lines seem to have."""
    histories = make_histories()
    engine, reference = (make(detector(), Metrics(lambda: NOW)) for make in (Enricher, ReferenceEnricher))
    for _ in range(times):
        block = framed(body.encode())
        expected = enrich_all(reference, histories, list(block))
        assert enrich_all(engine, histories, block) == expected
        assert enrich_all(engine, histories, list(block)) == enrich_all(reference, histories, block)


@pytest.mark.parametrize("agent", ["curl", r"q\x22q", r"q\\q", r"q\q"])
@pytest.mark.parametrize("text", [INGRESS_NGINX, OTHER])
@pytest.mark.parametrize("escape", ["", "escape=json "])
def test_what_a_controller_is_found_with(agent: str, text: str, escape: str) -> None:
    def detector() -> FormatDetector:
        made = FormatDetector(profile="ingress-nginx")
        made.default.start_with((compile_format(escape + text),), NOW - 60 * SECOND)
        return made

    both(detector, "".join(line(agent, NOW + n * SECOND // 100) for n in range(20)))


def test_a_line_in_the_middle_of_a_block_that_is_of_another_time() -> None:
    def detector() -> FormatDetector:
        made = FormatDetector((compile_format(INGRESS_NGINX),))
        made.default.add_change((compile_format(OTHER),), NOW, NOW)
        return made

    early = NOW - 700 * SECOND
    both(detector, line("a", early) + line("b", NOW + 2 * CHANGE_LAG) + line("c", early + SECOND))


def test_the_format_that_was_last_read_is_not_taken_where_another_comes_first() -> None:
    made = FormatDetector(profile="ingress-nginx")
    enricher, histories = Enricher(made, Metrics(lambda: NOW)), make_histories()
    body = "".join(line("curl", NOW + n) for n in range(5)).encode()
    assert b'"req_id":"abc"' in enrich_all(enricher, histories, framed(body))
    made.default.start_with((compile_format(OTHER),), NOW - SECOND)  # the API server was away at the start
    assert b'"host":"abc"' in enrich_all(enricher, histories, framed(body))


def test_formats_that_came_and_went_leave_nothing() -> None:
    detector, metrics = FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW)
    at, pods = make_histories(), 0
    enricher = Enricher(detector, metrics)
    for n in range(300):
        when = NOW + (n + 1) * 3 * CHANGE_LAG
        detector.default.add_change((compile_format(f"{INGRESS_NGINX} x{n}"),), when, when)
        text = line("curl", when + 2 * CHANGE_LAG).replace(" abc\n", f" abc x{n}\n")
        enrich_all(enricher, at, framed(text.encode()))
        pods = max(pods, len(at.pods.on_change))
    enricher.update_counts()
    assert pods <= 60
    assert sum(series.requests for series in metrics.pods.values()) == 300


def test_the_same_formats_have_columns_whether_or_not_json_is_made() -> None:
    """An IPv6 address after a bracket looks like the bracket, where text stands beside the list."""
    texts = (INGRESS_NGINX, "$http_host - $namespace [$upstream_addr $upstream_status")
    for count_only in (True, False):
        layouts = Layouts("", count_only=count_only)
        assert [len(layouts.of(compile_format(text))) for text in texts] == [1, 0]


def test_templates_of_formats_that_came_and_went_are_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(output, "MAX_LINE_TEMPLATES", 3)
    templates = output.OutputTemplates("node")
    for n in range(9):
        layout = compile_format(f"{INGRESS_NGINX} x{n}").layout
        assert templates.line(SOURCE, "stdout", layout, framed=True) is templates.line(
            SOURCE, "stdout", layout, framed=True
        )
        assert len(templates._lines) <= 3


def test_backslashes_that_no_way_to_escape_writes_are_no_access_line() -> None:
    """It fits the pattern of one way to escape alone, and only the other writes such backslashes."""
    formats = tuple(compile_format(f"{escape}{INGRESS_NGINX}") for escape in ("", "escape=json "))
    text = line("\\", NOW).replace('"GET / HTTP/1.1"', '"\\u0016"')
    data = []
    for make in (Enricher, ReferenceEnricher):
        detector = FormatDetector(formats)
        data.append(enrich_all(make(detector, Metrics(lambda: NOW)), make_histories(), framed(text.encode())))
    assert data[0] == data[1]
    assert b'"kind":"parse_error"' in data[0]
