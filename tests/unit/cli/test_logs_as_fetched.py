"""The same two requests as kubectl, stern, Docker, syslog, journald, grep, Loki and Elasticsearch hand them out."""

import json

import pytest

from enricher.cli.main import main

ENDPOINTS = """\
10.42.1.21:8080: {pod: cart-a, namespace: shop, service: cart}
10.42.2.22:8080: {pod: cart-b, namespace: shop, service: cart}
"""
FIRST, SECOND = (
    '198.51.100.7 - - [26/Nov/2026:10:01:42 +0000] "GET /cart HTTP/1.1" 502 150 "-" "curl/8.5" 80 0.002 [shop-cart-80] '
    "[] 10.42.1.21:8080 0 0.001 502 5f0c9b5b",
    '198.51.100.7 - - [26/Nov/2026:10:01:43 +0000] "GET /cart HTTP/1.1" 200 31 "-" "curl/8.5" 80 0.012 [shop-cart-80] '
    "[] 10.42.1.21:8080, 10.42.2.22:8080 0, 31 0.001, 0.011 502, 200 5f0c9b5c",
)
STAMP = "2026-11-26T10:01:42.979594537Z"
MICROS = "2026-11-26T10:01:42.979594Z"
CUT_STAMP = "2026-11-26T10:01:42.979Z"
NS = "1795687302979594537"
POD = {"pod": "ingress-controller-7c9d-x2x4z", "container": "controller"}
FULL = POD | {"namespace": "ingress"}
P, C = POD["pod"], POD["container"]
KUBERNETES = {"pod_name": P, "namespace_name": "ingress", "container_name": C}
RED, END = "\x1b[31m", "\x1b[0m"


def held(**fields):
    return lambda line: json.dumps({name: line if value is ... else value for name, value in fields.items()})


def held_in(name, **fields):
    return lambda line: json.dumps({"_index": "i", name: json.loads(held(**fields)(line))})


WRAPPED = {
    "kubectl --timestamps": (lambda line: f"{STAMP} {line}", STAMP, {}),
    "kubectl --prefix": (lambda line: f"[pod/{P}/{C}] {line}", None, POD),
    "kubectl --prefix --timestamps": (lambda line: f"[pod/{P}/{C}] {STAMP} {line}", STAMP, POD),
    "stern": (lambda line: f"{P} {C} {line}", None, POD),
    "stern coloured": (lambda line: f"{RED}{P}{END} {RED}{C}{END} {line}", None, POD),
    "stern -A": (lambda line: f"ingress {P} {C} {line}", None, FULL),
    "stern --timestamps": (lambda line: f"{P} {C} {STAMP} {line}", STAMP, POD),
    "stern --timestamps=short": (lambda line: f"{P} {C} 11-26 10:01:42 {line}", None, POD),
    "stern -o json": (held(message=..., nodeName="n1", namespace="ingress", podName=P, containerName=C), None, FULL),
    "stern -o extjson": (held(pod=P, container=C, message=...), None, POD),
    "kubetail": (lambda line: f"[{P} {C}] {line}", None, POD),
    "kail": (lambda line: f"ingress/{P}[{C}]: {line}", None, FULL),
    "docker compose": (lambda line: f"nginx-1  | {line}", None, {"container": "nginx-1"}),
    "docker compose coloured": (lambda line: f"{RED}nginx-1  |{END} {line}", None, {"container": "nginx-1"}),
    "docker compose -t": (lambda line: f"web  | {STAMP} {line}", STAMP, {"container": "web"}),
    "docker service logs": (lambda line: f"web.1.x7k2@node-1    | {line}", None, {}),
    "syslog with a priority": (lambda line: f"<190>Nov 26 10:01:42 edge-1 nginx: {line}", None, {}),
    "syslog": (lambda line: f"Nov  6 10:01:42 edge-1 nginx: {line}", None, {}),
    "syslog without a host": (lambda line: f"<190>Nov 26 10:01:42 nginx: {line}", None, {}),
    "syslog, a priority alone": (lambda line: f"<190>{line}", None, {}),
    "rsyslog": (lambda line: f"{MICROS} edge-1 nginx[12]: {line}", MICROS, {}),
    "RFC 5424": (lambda line: f"<190>1 {CUT_STAMP} edge-1 nginx 12 - - {line}", CUT_STAMP, {}),
    "RFC 5424 with data": (lambda line: f'<190>1 {CUT_STAMP} e n - - [a@1 k="v\\"]"][b] \ufeff{line}', CUT_STAMP, {}),
    "RFC 5424 without a time": (lambda line: f"<190>1 - edge-1 nginx 12 - - {line}", None, {}),
    "RFC 5424 with octets": (lambda line: f"311 <190>1 {CUT_STAMP} edge-1 nginx 12 - - {line}", CUT_STAMP, {}),
    "RFC 5424 to the second": (lambda line: f"<190>1 2026-11-26T10:01:42Z edge-1 nginx 12 - - {line}", None, {}),
    "journald": (lambda line: f"Nov 26 10:01:42 edge-1 nginx[123]: {line}", None, {}),
    "journald short-precise": (lambda line: f"Nov 26 10:01:42.979594 edge-1 nginx[1]: {line}", None, {}),
    "journald short-iso": (lambda line: f"2026-11-26T10:01:42+0000 edge-1 nginx[123]: {line}", None, {}),
    "journald short-iso-precise": (
        lambda line: f"2026-11-26T11:01:42.979594+0100 e nginx[3]: {line}", MICROS, {}),
    "journald short-full": (lambda line: f"Thu 2026-11-26 10:01:42 UTC edge-1 nginx[123]: {line}", None, {}),
    "journald short-unix": (lambda line: f"1795687302.979594 edge-1 nginx[1]: {line}", MICROS, {}),
    "journald short-monotonic": (lambda line: f"[   12.979594] edge-1 nginx[1]: {line}", None, {}),
    "journald json": (
        held(__REALTIME_TIMESTAMP="1795687302979594", MESSAGE=..., _HOSTNAME="e"), MICROS, {}),
    "grep": (lambda line: f"logs/controller.log:{line}", None, {}),
    "zgrep -n": (lambda line: f"/var/log/0.log.20261126-100142.gz:12:{line}", None, {}),
    "logcli": (lambda line: f'2026-11-26T10:01:42Z {{pod="{P}", container="{C}"}} {line}', None, POD),
    "logcli jsonl": (held(labels={"pod": P, "container": C}, line=..., timestamp=STAMP), STAMP, POD),
    "Loki in Grafana": (held(line=..., timestamp=NS, date=CUT_STAMP, fields={"pod": P, "container": C}), STAMP, POD),
    "Filebeat": (
        held(**{"@timestamp": CUT_STAMP, "message": ..., "stream": "stdout", "log": {"offset": 7},
                "kubernetes": {"pod": {"name": P}, "namespace": "ingress", "container": {"name": C}}}),
        CUT_STAMP, FULL),
    "Elasticsearch": (
        held_in("_source", **{"@timestamp": CUT_STAMP, "message": ..., "kubernetes": KUBERNETES}), CUT_STAMP, FULL),
    "Elasticsearch fields": (
        lambda line: json.dumps({"_id": "a", "fields": {"@timestamp": [CUT_STAMP], "message": [line]}}), CUT_STAMP, {}),
    "Fluent Bit": (held(log=..., stream="stdout", time=STAMP, kubernetes=KUBERNETES), STAMP, FULL),
    "Fluent Bit without Kubernetes": (held(log=..., stream="stdout", time=STAMP), STAMP, {}),
    "Fluent Bit stdout": (held(date=1795687302.979594, stream="stdout", _p="F", log=...), MICROS, {}),
    "Vector": (
        held(kubernetes={"pod_name": P, "pod_namespace": "ingress", "container_name": C}, message=..., stream="stdout",
             timestamp=STAMP), STAMP, FULL),
    "Google Cloud": (
        held(textPayload=..., timestamp=STAMP,
             resource={"labels": {"pod_name": P, "namespace_name": "ingress", "container_name": C}}), STAMP, FULL),
    "OpenTelemetry": (lambda line: json.dumps({"timeUnixNano": NS, "body": {"stringValue": line}}), STAMP, {}),
    "Azure": (
        held(TimeGenerated=STAMP, LogMessage=..., PodName=P, PodNamespace="ingress", ContainerName=C), STAMP, FULL),
    "Splunk": (lambda line: json.dumps({"preview": False, "result": {"_raw": line, "_time": "2026-11-26"}}), None, {}),
    "Splunk with a time": (held_in("result", _raw=..., _time=CUT_STAMP), CUT_STAMP, {}),
    "Splunk with a time cut to seconds": (held_in("result", _raw=..., _time="2026-11-26T10:01:42.000+00:00"), None, {}),
    "ms that were seconds": (held(message=..., timestamp=1795687302000), None, {}),
    "VictoriaLogs": (
        held(_time=STAMP, _stream='{pod="x"}', _msg=..., text="T", **{"kubernetes.pod_name": P}), STAMP, {"pod": P}),
    "jq without -r": (json.dumps, None, {}),
    "Grafana's text": (lambda line: f"{CUT_STAMP}\t{line}", CUT_STAMP, {}),
    "GELF": (held(version="1.1", host="edge-1", short_message=..., timestamp=1795687302.979594), MICROS, {}),
    "a record with a level": (held(level="info", message=..., **{"@timestamp": CUT_STAMP}), CUT_STAMP, {}),
    "ECS": (held_in("event", original=...), None, {}),
    "flat ECS": (
        held(**{"@timestamp": CUT_STAMP, "event.original": ..., "kubernetes.pod.name": P}), CUT_STAMP, {"pod": P}),
    "Fluentd": (lambda line: f"{CUT_STAMP}\tkube.log\t" + json.dumps({"log": line, "stream": "stdout"}), CUT_STAMP, {}),
    "CRI in a record": (
        lambda line: json.dumps({"message": f"{STAMP} stdout F {line}", "@timestamp": CUT_STAMP}), STAMP, {}),
    "syslog in CRI": (lambda line: f"{STAMP} stdout F <190>Nov 26 10:01:42 edge-1 nginx: {line}", STAMP, {}),
    "a stamp that is no time": (lambda line: f"2026-13-26T10:01:42.9Z {line}", None, {}),
}  # fmt: skip


@pytest.fixture
def enrich(tmp_path, capsysbinary):
    (endpoints := tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    log = tmp_path / "fetched"

    def enrich(content, *arguments):
        log.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main(["enrich", "--endpoints", str(endpoints), *arguments, str(log)])
        out, err = capsysbinary.readouterr()
        assert arguments or (code, err) == (0, b"")
        return [json.loads(line) for line in out.splitlines()]

    return enrich


def check(rows, stamp, names):
    assert [row["kind"] for row in rows] == ["access", "access"]
    assert [[attempt["pod"] for attempt in row["attempts"]] for row in rows] == [["cart-a"], ["cart-a", "cart-b"]]
    assert [row["req_id"] for row in rows] == ["5f0c9b5b", "5f0c9b5c"]
    times = [stamp, stamp] if stamp else ["2026-11-26T10:01:42Z", "2026-11-26T10:01:43Z"]
    assert [row["time"] for row in rows] == times
    assert all(row["logged_by"].get(name) == value for row in rows for name, value in names.items())
    assert all((row["logged_by"].get("pod") is None) == ("pod" not in names) for row in rows)


@pytest.mark.parametrize("tool", WRAPPED)
def test_what_a_tool_puts_around_each_line_is_taken_off(enrich, tool):
    wrap, stamp, names = WRAPPED[tool]
    check(enrich(f"{wrap(FIRST)}\n{wrap(SECOND)}\n"), stamp, names)


@pytest.mark.parametrize("tool", WRAPPED)
def test_the_controllers_own_lines_are_unwrapped_too(enrich, tool):
    wrap, stamp, names = WRAPPED[tool]
    klog = 'I1126 10:01:41.000000       7 main.go:1] "Starting"'
    own, *requests = enrich("".join(wrap(line) + "\n" for line in (klog, FIRST, SECOND)))
    check(requests, stamp, names)
    assert (own["kind"], own["message"]) == ("other", klog)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("tool", ["kubectl --timestamps", "logcli jsonl", "syslog in CRI"])
def test_files_saved_on_windows(enrich, encoding, newline, tool):
    wrap, stamp, names = WRAPPED[tool]
    check(enrich(f"{wrap(FIRST)}{newline}{wrap(SECOND)}{newline}".encode(encoding)), stamp, names)


def test_lines_of_several_pods_keep_their_order_and_their_sources(enrich):
    lines = [f"[pod/controller-{n % 3}/controller] {FIRST[:-1]}{n}\n" for n in range(9)]
    rows = enrich("".join(lines) + "error: you must be logged in\n", "--profile", "ingress-nginx")
    assert [row.get("req_id") for row in rows] == [f"{FIRST[-8:-1]}{n}" for n in range(9)] + [None]
    assert [row["logged_by"].get("pod") for row in rows] == [f"controller-{n % 3}" for n in range(9)] + [None]
    assert rows[-1]["kind"] == "parse_error"


def test_fragments_in_records_are_joined(enrich):
    parts = [("F", FIRST), ("F", SECOND), ("F", SECOND), ("P", FIRST[:50]), ("F", FIRST[50:]), ("F", SECOND)]
    rows = enrich("".join(json.dumps({"time": STAMP, "logtag": tag, "log": text}) + "\n" for tag, text in parts))
    check(rows[:2], STAMP, {})
    check(rows[3:], STAMP, {})


def test_a_log_format_that_takes_the_stamp_itself(enrich):
    log_format = "$time_iso8601 $remote_addr $status $upstream_addr $upstream_status"
    (row,) = enrich("2026-11-26T10:01:42+00:00 198.51.100.7 502 10.42.1.21:8080 502\n", "--log-format", log_format)
    assert (row["time_iso8601"], row["remote_addr"]) == ("2026-11-26T10:01:42+00:00", "198.51.100.7")


STREAMS = [{"stream": POD, "values": [[NS, FIRST]]}, {"stream": POD, "values": [[NS, SECOND]]}]
HITS = [{"_index": "i", "_source": {"message": line, "kubernetes": KUBERNETES}} for line in (FIRST, SECOND)]
GRAFANA = [{"line": line, "timestamp": NS, "date": CUT_STAMP, "fields": POD} for line in (FIRST, SECOND)]
DOCUMENTS = {
    "an answer of Elasticsearch": ({"took": 3, "hits": {"total": 2, "hits": HITS}}, None, FULL),
    "hits alone": (HITS, None, FULL),
    "an answer of Loki": ({"status": "success", "data": {"resultType": "streams", "result": STREAMS}}, STAMP, POD),
    "a download of Grafana": (GRAFANA, STAMP, POD),
    "an answer of CloudWatch": (
        {"events": [{"timestamp": 1795687302979, "message": line} for line in (FIRST, SECOND)]}, CUT_STAMP, {}),
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2, 4])
@pytest.mark.parametrize("tool", DOCUMENTS)
def test_documents(enrich, tool, indent):
    document, stamp, names = DOCUMENTS[tool]
    check(enrich(json.dumps(document, indent=indent) + "\n"), stamp, names)


def test_objects_on_several_lines(enrich):
    """As `stern -o ppextjson` prints them, and jq."""
    objects = [json.dumps({"pod": P, "container": C, "message": line}, indent=2) for line in (FIRST, SECOND)]
    check(enrich("\n".join(objects) + "\n"), None, POD)


@pytest.mark.parametrize(
    ("header", "before", "after", "stamp"),
    [
        ("Time,Line,tsNs", "2026-11-26 10:01:42,", f",{NS}", STAMP),
        ('"labels","Time","Line"', "{},2026-11-26 10:01:42,", "", None),
        ('"@timestamp",message', f"{CUT_STAMP},", "", CUT_STAMP),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables(enrich, header, before, after, stamp, newline):
    rows = [f'{before}"{line.replace(chr(34), chr(34) * 2)}"{after}' for line in (FIRST, SECOND)]
    check(enrich(newline.join([header, *rows, ""])), stamp, {})


@pytest.mark.parametrize("newline", ["", "\n"])
def test_octets_counted(enrich, newline):
    messages = [f"<190>1 {CUT_STAMP} edge-1 nginx 12 - - {line}" for line in (FIRST, SECOND)]
    check(enrich("".join(f"{len(message)} {message}{newline}" for message in messages)), CUT_STAMP, {})


def test_values_of_several_streams_come_in_their_order_of_time(enrich):
    streams = [{"stream": {}, "values": [["9", SECOND]]}, {"stream": {}, "values": [["10", FIRST], ["8", FIRST]]}]
    rows = enrich(json.dumps({"status": "success", "data": {"result": streams}}))
    assert [row["status"] for row in rows] == [502, 200, 502]


def test_a_document_that_is_cut_is_read_as_lines(enrich):
    (row,) = enrich(json.dumps(HITS)[:-3], "--profile", "ingress-nginx")
    assert row["kind"] == "parse_error"


def test_a_document_that_is_too_large(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("enricher.tailer.exports.MAX_DOCUMENT", 1000)
    (log := tmp_path / "log").write_text(json.dumps(HITS * 9))
    (endpoints := tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    assert main(["enrich", "--endpoints", str(endpoints), str(log)]) == 3
    assert "is not read: print one entry a line, for example with `jq -c" in capsys.readouterr().err


@pytest.mark.parametrize("tool", WRAPPED)
def test_one_line_of_it_is_explained(tmp_path, capsys, tool):
    (endpoints := tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    assert main(["explain", "--endpoints", str(endpoints), WRAPPED[tool][0](SECOND)]) == 0
    assert "attempt 2 of 2: status 200, answered" in capsys.readouterr().out


def test_more_pods_than_are_told_apart(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("enricher.tailer.unwrapping.MAX_SOURCES", 2)
    monkeypatch.setattr("enricher.cli.log_lines.MAX_SOURCES", 2)
    (log := tmp_path / "log").write_text("".join(f"[pod/web-{n}/c] {FIRST}\n" for n in range(5)))
    (endpoints := tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    assert main(["enrich", "--endpoints", str(endpoints), str(log)]) == 0
    assert f"{log}: more than 2 containers: the source of 3 lines names none\n" in capsys.readouterr().err


@pytest.mark.parametrize("tool", [tool for tool, (_, _, names) in WRAPPED.items() if "pod" in names])
def test_a_proxy_among_many_other_pods(enrich, tool):
    wrap, stamp, names = WRAPPED[tool]
    others = [wrap(f"INFO order {n} was paid").replace(P, f"orders-{n % 3}") for n in range(150)]
    rows = enrich("\n".join([*others, wrap(FIRST), wrap(SECOND), ""]), "--profile", "ingress-nginx")
    check(rows[150:], stamp, names)
    assert {row["kind"] for row in rows[:150]} == {"parse_error"}
    assert rows[0]["message"] == "INFO order 0 was paid"
