"""The metrics say what the lines say."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from enricher.metrics.counters import PROBLEMS
from tests.support.controller_logs import access, cri
from tests.support.daemons import until

REFUSED = (
    "2026/11/22 23:18:31 [error] 29#31: *5 connect() failed (111: Connection refused) while connecting to upstream, "
    'client: 192.0.2.7, server: s, request: "GET /1 HTTP/1.1", upstream: "http://10.0.0.1:80/1", host: "s"'
)
LINES = [
    *(access(n, "10.0.0.1:80") for n in range(7)),
    *(access(n, "10.0.0.2:80", "503", "0.300") for n in range(3)),
    *(access(n, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5") for n in range(4)),
    access(9, "10.0.0.9:80"),
    access(10, "-", "-", "-", "-"),
    access(10, "-", "-", "-", "-").replace(" 200 39 ", " 503 39 "),
    access(11, "10.0.0.1:80", "-", "-", "-"),
    "NGINX Ingress controller",
    "nonsense",
]


def pod_of(record):
    return tuple(record.get(name, "") for name in ("namespace", "service", "pod", "node"))


def counted(rows):
    """What the metrics should say, from the output."""
    expected = Counter()
    explained = [attempt for row in rows for attempt in row.get("attempts", []) if "reason" in attempt]
    for row in rows:
        expected["enricher_lines_total", row["kind"]] += 1
        attempts = row.get("attempts", [])
        if row["kind"] == "access":
            of_service = (row.get("namespace", ""), row.get("service", ""))
            expected["ingress_requests_total", *of_service, "", str(row["status"]), row.get("reason", "")] += 1
        for n, attempt in enumerate(attempts, 1):
            expected["ingress_upstream_requests_total", *pod_of(attempt)] += 1
            expected["enricher_attributions_total", attempt["attribution"]] += 1
            graded = (attempt.get("namespace", ""), attempt.get("service", ""), attempt["attribution"])
            expected["ingress_upstream_attempts_total", *graded] += 1
            if (attempt["status"] or 0) >= 500:
                retried = "true" if n < len(attempts) else "false"
                how = str(attempt["status"]), retried, attempt["origin"], attempt["outcome"], attempt.get("state", "")
                expected["ingress_upstream_errors_total", *pod_of(attempt), *how] += 1
            if attempt["response_time"] is not None:
                expected["ingress_upstream_pod_response_seconds_count", *pod_of(attempt)] += 1
        if row["kind"] == "error" and "reason" in row:
            states = [attempt.get("state", "") for attempt in explained if attempt["reason"] == row["reason"]]
            expected["ingress_upstream_failures_total", *pod_of(row), row["reason"], *(states or [""])[:1]] += 1
    return expected


LABELS = (
    *("namespace", "service", "pod", "node", "route", "code", "retried", "origin", "outcome", "reason", "state"),
    *("attribution", "grade", "result", "kind"),
)


def scraped(daemon):
    families = text_string_to_metric_families(daemon.get("/metrics")[1])
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_metrics_say_what_the_lines_say(node):
    node.write(*map(cri, LINES), cri(REFUSED, stream="stderr"))
    daemon = node.start()
    rows = until(lambda: len(daemon.out) == len(LINES) + 1 and daemon.rows())
    expected, actual = counted(rows), scraped(daemon)
    assert {key: actual.get(key) for key in expected} == expected
    names = {key[0] for key in expected}
    assert {key for key, value in actual.items() if key[0] in names and value} == set(expected)
    assert expected["enricher_lines_total", "access"] == 18
    assert expected["ingress_requests_total", "shop", "web", "", "503", ""] == 3
    assert sum(count for key, count in expected.items() if key[0] == "ingress_requests_total" and key[-1]) == 1
    assert expected["ingress_upstream_requests_total", "shop", "web", "web-1", "node-1"] == 12
    assert actual["enricher_read_bytes_total",] == node.log().stat().st_size
    assert actual["enricher_written_bytes_total",] == sum(map(len, daemon.out))
    assert actual["enricher_lag_bytes",] == 0
    problems = {key[1]: value for key, value in actual.items() if key[0] == "enricher_problems_total"}
    assert problems == dict.fromkeys(PROBLEMS, 0)


def test_with_output_none_the_counters_are_the_same_and_nothing_is_written(node):
    node.write(*map(cri, LINES), cri(REFUSED, stream="stderr"))
    daemon = node.start()
    rows = until(lambda: len(daemon.out) == len(LINES) + 1 and daemon.rows())
    expected = counted(rows)
    daemon.stop()
    elsewhere = node.path / "elsewhere"
    elsewhere.mkdir()
    silent = node.start("--output", "none", "--state-dir", elsewhere)
    assert until(lambda: {key: scraped(silent).get(key) for key in expected} == expected)
    assert not silent.out
