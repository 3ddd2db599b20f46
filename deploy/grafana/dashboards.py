"""Writes the dashboards beside this file: `python deploy/grafana/dashboards.py`. What is to be changed is changed here.

Each panel has a question that it answers (its description), a unit, and queries, each with the legend of its lines.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEMA = 38
"""Grafana 10.0's; later ones read it."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""How wide Grafana's grid is."""
NONE = "Empty when all is well."

Queries = dict[str, str]
"""Expression by legend; of a table by the column's name."""


@dataclass(frozen=True)
class Panel:
    title: str
    question: str
    unit: str
    queries: Queries
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    units: dict[str, str] | None = None
    """Of a table's columns that have another one."""


def stat(title: str, question: str, unit: str, expression: str) -> Panel:
    return Panel(title, question, unit, {title: expression}, "stat", width=6, height=4)


def table(title: str, question: str, unit: str, queries: Queries, **units: str) -> Panel:
    return Panel(title, question, unit, queries, "table", width=COLUMNS, height=10, units=units)


def rate(metric: str, *labels: str) -> str:
    return f"rate({metric}{{{', '.join(labels)}}}[$__rate_interval])"


def count(metric: str, *labels: str) -> str:
    return f"increase({metric}{{{', '.join(labels)}}}[$__range])"


def risen(metric: str, *labels: str) -> str:
    """A rate that has a pod's first errors, too: the series begins with them, and `rate` sees no rise.

    Only of daemons that were scraped before: what a new one brings along may be old.
    """
    found = f"{metric}{{{', '.join(labels)}}}"
    window = "$__rate_interval"
    first = f"min_over_time({found}[{window}]) unless {found} offset {window}"
    first = f"({first} and on (job, instance) enricher_build_info offset {window}) / ({window}_ms / 1000)"
    return f"({rate(metric, *labels)} + {first}) or {rate(metric, *labels)} or {first}"


def grown(metric: str, *labels: str) -> str:
    """By how much, within what is shown, also from nothing: to `increase` a series begins with its first value."""
    found = f"{metric}{{{', '.join(labels)}}}"
    first = f"(min_over_time({found}[$__range]) unless {found} offset $__range)"
    rise = count(metric, *labels)
    return f"({rise} + {first}) or {rise} or {first}"


WHERE = ('namespace=~"$namespace"', 'service=~"$service"')
WHO = (*WHERE, 'pod=~"$pod"')
REQUESTS, ERRORS = "ingress_upstream_requests_total", "ingress_upstream_errors_total"
SECONDS = "ingress_upstream_response_seconds"
SEEN, HIDDEN, GRPC = 'retried="false"', 'retried="true"', 'protocol="grpc"'
BY = "by (namespace, service, pod)"
WORST = 20
"""How many lines a panel has at the most where each pod could have one."""


def top(expression: str) -> str:
    return f"topk({WORST}, {expression})"


def quantile(q: float) -> str:
    return f"histogram_quantile({q}, sum by (namespace, service, le) ({rate(SECONDS + '_bucket', *WHERE)}))"


PODS = [
    stat(
        "Attempts",
        "How many attempts are made at pods; a request is one, and one more for each retry.",
        "reqps",
        f"sum({risen(REQUESTS, *WHO)})",
    ),
    stat(
        "Attempts that fail",
        "What share of them ends with a 5xx, or with a gRPC status other than OK.",
        "percentunit",
        f"(sum({risen(ERRORS, *WHO)}) or vector(0)) / sum({risen(REQUESTS, *WHO)})",
    ),
    stat(
        "Errors that clients see",
        "How many errors no other attempt followed.",
        "reqps",
        f"sum({risen(ERRORS, *WHO, SEEN)}) or vector(0)",
    ),
    stat(
        "Errors hidden by retries",
        "How many errors another attempt followed: the client only waited longer.",
        "reqps",
        f"sum({risen(ERRORS, *WHO, HIDDEN)}) or vector(0)",
    ),
    Panel(
        "Errors by pod and code",
        f"Which pods fail, and with what? The {WORST} worst. {NONE}",
        "reqps",
        {"{{namespace}}/{{pod}} {{code}}": top(f"sum by (namespace, service, pod, code) ({risen(ERRORS, *WHO)})")},
    ),
    Panel(
        "Share of attempts that fail, by pod",
        f"Which pod is worse than its service's others, however much it is asked? The {WORST} worst. {NONE}",
        "percentunit",
        {"{{namespace}}/{{pod}}": top(f"sum {BY} ({risen(ERRORS, *WHO)}) / sum {BY} ({risen(REQUESTS, *WHO)})")},
    ),
    Panel(
        "Errors hidden by retries, by pod",
        f"Which pods would clients notice without retries? The {WORST} worst. {NONE}",
        "reqps",
        {"{{namespace}}/{{pod}}": top(f"sum {BY} ({risen(ERRORS, *WHO, HIDDEN)})")},
    ),
    Panel(
        "Why there was no answer",
        "What kept the proxy from bringing attempts to an end? By nginx's error log, Envoy's response flags or "
        "HAProxy's termination state. An error log names no service: $service does not count here. "
        f"The {WORST} worst. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{pod}} {{reason}}": top(
                f"sum by (namespace, pod, reason) ({risen('ingress_upstream_failures_total', WHO[0], WHO[2])})"
            )
        },
    ),
    Panel(
        "Who made the errors",
        "Did the pod answer with an error, or did the proxy make one up because it got no answer? unknown: the "
        f"log does not tell. {NONE}",
        "reqps",
        {"{{origin}}": f"sum by (origin) ({risen(ERRORS, *WHO)})"},
    ),
    Panel(
        "gRPC statuses",
        f"How do calls end that do not end with OK? NOT_FOUND and its like are the caller's doing. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{pod}} {{code}}": top(
                f"sum by (namespace, service, pod, code) ({risen(ERRORS, *WHO, GRPC)})"
            )
        },
    ),
    Panel(
        "Mean response time by pod",
        f"Which pod is slow? The {WORST} slowest.",
        "s",
        {
            "{{namespace}}/{{pod}}": top(
                f"sum {BY} ({rate(SECONDS + '_sum', *WHO)}) / sum {BY} ({rate(SECONDS + '_count', *WHO)})"
            )
        },
    ),
    Panel(
        "Response time by service",
        "How long do most attempts take, and how long the slowest one in a hundred? Above 10 s it says 10 s. "
        "Of all the service's pods: $pod does not count here.",
        "s",
        {f"{{{{namespace}}}}/{{{{service}}}} {name}": quantile(q) for name, q in (("p50", 0.5), ("p99", 0.99))},
    ),
    Panel(
        "Share of attempts that fail, by the pods' node",
        f"Is it a node rather than a pod? {NONE}",
        "percentunit",
        {"{{node}}": f"sum by (node) ({risen(ERRORS, *WHO)}) / sum by (node) ({risen(REQUESTS, *WHO)})"},
    ),
    Panel(
        "Attempts by pod",
        f"Who gets how much? The {WORST} that get the most.",
        "reqps",
        {"{{namespace}}/{{pod}}": top(f"sum {BY} ({risen(REQUESTS, *WHO)})")},
    ),
    table(
        "Pods with errors",
        "All pods that failed within the time that is shown, the worst first, with what share of their attempts. "
        f"{NONE}",
        "short",
        {
            "errors": f"sum {BY} ({grown(ERRORS, *WHO)}) > 0",
            "hidden": f"sum {BY} ({grown(ERRORS, *WHO, HIDDEN)}) > 0",
            "attempts": f"sum {BY} ({grown(REQUESTS, *WHO)}) and sum {BY} ({ERRORS}{{{', '.join(WHO)}}}) > 0",
            "share": f"sum {BY} ({grown(ERRORS, *WHO)}) / sum {BY} ({grown(REQUESTS, *WHO)}) > 0",
        },
        share="percentunit",
    ),
]

CALLS = ('client_namespace=~"$client_namespace"', 'namespace=~"$namespace"')
EDGE = "by (client_namespace, client_service, namespace, service)"
CALLED, FAILED = "enricher_edge_requests_total", "enricher_edge_errors_total"
ARROW = "{{client_namespace}}/{{client_service}} → {{namespace}}/{{service}}"

MAP = [
    table(
        "Who calls whom",
        "Which service's pods ask which service, how often, and how much of that fails in the end?",
        "reqps",
        {
            "requests": f"sum {EDGE} ({rate(CALLED, *CALLS)})",
            "errors": f"sum {EDGE} ({rate(FAILED, *CALLS)})",
            "share": f"sum {EDGE} ({rate(FAILED, *CALLS)}) / sum {EDGE} ({rate(CALLED, *CALLS)})",
        },
        share="percentunit",
    ),
    Panel(
        "Requests between services",
        f"How has it changed? The {WORST} busiest.",
        "reqps",
        {ARROW: top(f"sum {EDGE} ({rate(CALLED, *CALLS)})")},
    ),
    Panel(
        "Share of requests that fail, between services",
        f"Who is hurt by whom? The {WORST} worst.",
        "percentunit",
        {ARROW: top(f"sum {EDGE} ({rate(FAILED, *CALLS)}) / sum {EDGE} ({rate(CALLED, *CALLS)})")},
    ),
]

NODE = 'node=~"$node"'
UNREAD = 'result="parse_error"'
BY_NODE = "{{node}}"
UNRESOLVED, ATTRIBUTED = "enricher_unresolved_attempts_total", "enricher_attributions_total"

HEALTH = [
    stat("Daemons", "How many are scraped?", "none", f"count(enricher_build_info{{{NODE}}})"),
    stat(
        "Out of sync",
        "How many that follow a log do not follow the API server?",
        "none",
        f"count(enricher_watch_synced{{{NODE}}} == 0 and enricher_sources{{{NODE}}} > 0) or vector(0)",
    ),
    stat(
        "Attempts without a pod",
        "For what share could no pod be named?",
        "percentunit",
        f"sum({rate(UNRESOLVED, NODE)}) / sum({rate(ATTRIBUTED, NODE)})",
    ),
    stat(
        "Problems",
        "How much went wrong and was survived, within the time that is shown?",
        "none",
        f"sum({count('enricher_problems_total', NODE)})",
    ),
    Panel(
        "Lines by kind",
        "Are logs read, and understood? A parse_error does not fit the log format.",
        "cps",
        {"{{result}}": f"sum by (result) ({rate('enricher_lines_total', NODE)})"},
    ),
    Panel(
        "Share of lines that do not parse, by node",
        f"Which proxy writes another format? {NONE}",
        "percentunit",
        {
            BY_NODE: f"sum by (node) ({rate('enricher_lines_total', NODE, UNREAD)}) "
            f"/ sum by (node) ({rate('enricher_lines_total', NODE)})"
        },
    ),
    Panel(
        "Attempts by grade",
        "How sure are the attributions?",
        "cps",
        {"{{grade}}": f"sum by (grade) ({rate(ATTRIBUTED, NODE)})"},
    ),
    Panel(
        "Attempts without a pod, by grade",
        "Why can no pod be named? ambiguous: several fit; service: the line has a Service's address; unknown: "
        "nobody is known there.",
        "cps",
        {"{{grade}}": f"sum by (grade) ({rate(UNRESOLVED, NODE)})"},
    ),
    Panel(
        "Lag, in time",
        "How old is the last line read, while more are waiting?",
        "s",
        {BY_NODE: f"max by (node) (enricher_lag_seconds{{{NODE}}})"},
    ),
    Panel(
        "Lag, in bytes",
        "How much of the logs is not read yet?",
        "bytes",
        {BY_NODE: f"sum by (node) (enricher_lag_bytes{{{NODE}}})"},
    ),
    Panel(
        "Bytes read and written",
        "How much goes through? Nothing is written with --output none.",
        "Bps",
        {
            "read": f"sum({rate('enricher_read_bytes_total', NODE)})",
            "written": f"sum({rate('enricher_written_bytes_total', NODE)})",
        },
    ),
    Panel(
        "Logs followed",
        "On which nodes is a proxy found, and how many logs has it?",
        "none",
        {BY_NODE: f"sum by (node) (enricher_sources{{{NODE}}})"},
    ),
    Panel(
        "Addresses known",
        "Do all daemons know the same? Those without a proxy know none.",
        "none",
        {BY_NODE: f"max by (node) (enricher_endpoints{{{NODE}}})"},
    ),
    Panel(
        "In sync with the API server",
        "1 while the watch follows it; 0 as well on a node without a proxy, which needs none. Not there with "
        "--endpoints.",
        "none",
        {BY_NODE: f"min by (node) (enricher_watch_synced{{{NODE}}})"},
    ),
    Panel(
        "Since the watch last spoke",
        "Does the API server still say something? A bookmark comes about each minute.",
        "s",
        {BY_NODE: f"max by (node) (enricher_watch_last_event_age_seconds{{{NODE}}})"},
    ),
    Panel(
        "Restarts of the watch",
        f"Why was it begun anew? closed, gone and silence are part of its life. {NONE}",
        "none",
        {"{{reason}}": f"sum by (reason) (increase(enricher_watch_restarts_total{{{NODE}}}[$__rate_interval]))"},
    ),
    Panel(
        "Problems by kind",
        "What went wrong and was survived?",
        "none",
        {"{{kind}}": f"sum by (kind) (increase(enricher_problems_total{{{NODE}}}[$__rate_interval]))"},
    ),
    Panel(
        'Counted under pod="overflow"',
        "Are there more pods than --max-series allows?",
        "cps",
        {BY_NODE: f"sum by (node) ({rate('enricher_overflowed_total', NODE)})"},
    ),
    table(
        "Versions",
        "Which version runs where?",
        "none",
        {"daemons": f"count by (node, pod, version) (enricher_build_info{{{NODE}}})"},
    ),
]


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """A choice of values, of which "All" takes in what has no such label."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # whenever the time range changes
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "sort": 1,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
    }


def datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "options": [],
        "refresh": 1,
    }


def rendered(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    instant = panel.kind != "timeseries"
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": DATASOURCE,
            "expr": expression,
            "legendFormat": legend,
            "format": "table" if panel.kind == "table" else "time_series",
            "instant": instant,
            "range": not instant,
        }
        for n, (legend, expression) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.question,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": targets,
        **look(panel),
    }


def look(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto"}
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
        options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}
    if panel.kind == "stat":
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        options = {"reduceOptions": reduced, "colorMode": "none", "graphMode": "none", "textMode": "value"}
        return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}
    columns = list(panel.queries)
    # With one query the column is called "Value", with several "Value #A" and so on.
    values = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + n)}" for n in range(len(columns))]
    overrides = [
        {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}
        for column, unit in (panel.units or {}).items()
    ]
    organised = {
        "excludeByName": {"Time": True},
        "indexByName": {},
        "renameByName": dict(zip(values, columns, strict=True)),
    }
    return {
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {"showHeader": True, "sortBy": [{"displayName": columns[0], "desc": True}]},
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organised}],
    }


def dashboard(uid: str, title: str, about: str, variables: list[dict[str, Any]], panels: Sequence[Panel]) -> str:
    """As JSON; panels from left to right, and on the next line where they do not fit."""
    placed, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        placed.append(rendered(panel, number, x, y))
        x, tallest = x + panel.width, max(tallest, panel.height)
    links = {
        "type": "dashboards",
        "tags": ["enricher"],
        "title": "Enricher",
        "asDropdown": True,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    whole = {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["enricher"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [links],
        "templating": {"list": [datasource(), *variables]},
        "panels": placed,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def all_dashboards() -> dict[str, str]:
    """JSON by file name."""
    return {
        "pods.json": dashboard(
            "enricher-pods",
            "Enricher: failing pods",
            "Which pod failed my request?",
            [
                variable("namespace", "Namespace", f"label_values({REQUESTS}, namespace)"),
                variable("service", "Service", f"label_values({REQUESTS}{{{WHERE[0]}}}, service)"),
                variable("pod", "Pod", f"label_values({REQUESTS}{{{', '.join(WHERE)}}}, pod)"),
            ],
            PODS,
        ),
        "map.json": dashboard(
            "enricher-map",
            "Enricher: who calls whom",
            "Calls between services, where the client is a pod.",
            [
                variable("client_namespace", "Callers' namespace", f"label_values({CALLED}, client_namespace)"),
                variable("namespace", "Namespace", f"label_values({CALLED}, namespace)"),
            ],
            MAP,
        ),
        "health.json": dashboard(
            "enricher-health",
            "Enricher: the daemon itself",
            "Can its word be taken?",
            [variable("node", "Node", "label_values(enricher_build_info, node)")],
            HEALTH,
        ),
    }


if __name__ == "__main__":
    for name, text in all_dashboards().items():
        (HERE / name).write_text(text)
