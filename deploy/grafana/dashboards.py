"""Writes the dashboards beside this file: `python deploy/grafana/dashboards.py`. Make changes here, not in the JSON.

Each panel has a question that it answers (its description), a unit, and queries, each with the legend of its lines.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEMA = 38
"""Version of the JSON's schema: that of Grafana 10.0, which later versions read."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""Width of Grafana's grid."""
NONE = "Empty when all is well."

Queries = dict[str, str]
"""Expressions by legend, or by column name in a table."""


@dataclass(frozen=True)
class Panel:
    """One panel; its question becomes its description."""

    title: str
    question: str
    unit: str
    queries: Queries
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    units: dict[str, str] | None = None
    """Units of a table's columns that differ from `unit`."""
    least: int | None = 0
    """The least value of the axis; None where values may be negative."""


def stat(title: str, question: str, unit: str, expression: str) -> Panel:
    return Panel(title, question, unit, {title: expression}, "stat", width=6, height=4)


def table(title: str, question: str, unit: str, queries: Queries, **units: str) -> Panel:
    return Panel(title, question, unit, queries, "table", width=COLUMNS, height=10, units=units)


def rate(metric: str, *labels: str) -> str:
    return f"rate({metric}{{{', '.join(labels)}}}[$__rate_interval])"


def increase(metric: str, *labels: str) -> str:
    return f"increase({metric}{{{', '.join(labels)}}}[$__range])"


def full_rate(metric: str, *labels: str) -> str:
    """Return a rate that includes the first value of a series, in which `rate` sees no rise.

    A pod's series begins with its first errors. They are added only if the daemon was scraped before: what a new one
    brings along may be old.
    """
    series = f"{metric}{{{', '.join(labels)}}}"
    window = "$__rate_interval"
    first = f"min_over_time({series}[{window}]) unless {series} offset {window}"
    first = f"({first} and on (job, instance) enricher_build_info offset {window}) / ({window}_ms / 1000)"
    return f"({rate(metric, *labels)} + {first}) or {rate(metric, *labels)} or {first}"


def full_increase(metric: str, *labels: str) -> str:
    """Return the increase within the time shown, the first value of a new series included."""
    series = f"{metric}{{{', '.join(labels)}}}"
    first = f"(min_over_time({series}[$__range]) unless {series} offset $__range)"
    growth = increase(metric, *labels)
    return f"({growth} + {first}) or {growth} or {first}"


WHERE = ('namespace=~"$namespace"', 'service=~"$service"')
WHO = (*WHERE, 'pod=~"$pod"')
WAY = (*WHERE, 'gateway=~"$gateway"', 'route=~"$route"')
REQUESTS, ERRORS = "ingress_upstream_requests_total", "ingress_upstream_errors_total"
CLIENTS, GRADED = "ingress_requests_total", "ingress_upstream_attempts_total"
SECONDS, POD_SECONDS = "ingress_upstream_response_seconds", "ingress_upstream_pod_response_seconds"
LATE, CAUSES = "ingress_upstream_late_attempt_seconds", "ingress_upstream_causes_total"
SHUTTING_DOWN = 'state=~"terminating|gone"'
HIDDEN, GRPC = 'outcome="hidden"', 'protocol="grpc"'
KNOWN = 'cause!="unknown"'
WITH_ROUTE, WITH_GATEWAY = 'route!=""', 'gateway!=""'
FAILED_REQUESTS, UNTRIED, SURE = 'code=~"5.."', 'reason!=""', 'attribution=~"exact|reported"'
BY = "by (namespace, service, pod)"
BY_SERVICE = "{{namespace}}/{{service}}"
WORST = 20
"""Lines of a panel at most, where each pod could have one."""


def top(expression: str) -> str:
    return f"topk({WORST}, {expression})"


def quantile(q: float) -> str:
    return f"histogram_quantile({q}, sum by (namespace, service, le) ({rate(SECONDS + '_bucket', *WHERE)}))"


def lateness_quantile(q: float) -> str:
    late = full_rate(f"{LATE}_bucket", *WHERE, SHUTTING_DOWN)
    return f"histogram_quantile({q}, sum by (namespace, service, le) ({late}))"


PODS = [
    stat(
        "Attempts",
        "How many attempts are made at pods? A request is one attempt, and one more for each retry.",
        "reqps",
        f"sum({full_rate(REQUESTS, *WHO)})",
    ),
    stat(
        "Attempts that fail",
        "What share of the attempts ends with a 5xx, or with a gRPC status other than OK?",
        "percentunit",
        f"(sum({full_rate(ERRORS, *WHO)}) or vector(0)) / sum({full_rate(REQUESTS, *WHO)})",
    ),
    stat(
        "Errors that clients see",
        "How many requests end with a 5xx? Those that no pod was tried for are included. $pod has no effect here.",
        "reqps",
        f"sum({full_rate(CLIENTS, *WHERE, FAILED_REQUESTS)}) or vector(0)",
    ),
    stat(
        "Errors hidden from clients",
        "How many attempts fail although the client gets a good answer? Only logs that list all attempts have them.",
        "reqps",
        f"sum({full_rate(ERRORS, *WHO, HIDDEN)}) or vector(0)",
    ),
    Panel(
        "Requests that no pod was tried for",
        "Which services are down, or have pods that the proxy does not try? no_endpoints: no pod of the service was "
        f"ready. $pod has no effect here. The {WORST} worst. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{service}} {{reason}}": top(
                f"sum by (namespace, service, reason) ({full_rate(CLIENTS, *WHERE, UNTRIED)})"
            )
        },
    ),
    Panel(
        "Share of requests that fail, by service",
        "What do clients get: which share of a service's requests ends with a 5xx? $pod has no effect here. "
        f"The {WORST} worst. {NONE}",
        "percentunit",
        {
            BY_SERVICE: top(
                f"sum by (namespace, service) ({full_rate(CLIENTS, *WHERE, FAILED_REQUESTS)}) "
                f"/ sum by (namespace, service) ({full_rate(CLIENTS, *WHERE)})"
            )
        },
    ),
    Panel(
        "Share of requests that fail, by route",
        "Which Ingress, HTTPRoute or rule of one fails, whatever its service is? $pod has no effect here. Empty also "
        f"where no log names routes. The {WORST} worst. {NONE}",
        "percentunit",
        {
            "{{route}} {{gateway}}": top(
                f"sum by (gateway, route) ({full_rate(CLIENTS, *WAY, WITH_ROUTE, FAILED_REQUESTS)}) "
                f"/ sum by (gateway, route) ({full_rate(CLIENTS, *WAY, WITH_ROUTE)})"
            )
        },
    ),
    Panel(
        "Share of requests that fail, by Gateway",
        "Does a Gateway fail more requests than the others? $pod has no effect here. Empty also where no Gateway is "
        f"known. The {WORST} worst. {NONE}",
        "percentunit",
        {
            "{{gateway}}": top(
                f"sum by (gateway) ({full_rate(CLIENTS, *WAY, WITH_GATEWAY, FAILED_REQUESTS)}) "
                f"/ sum by (gateway) ({full_rate(CLIENTS, *WAY, WITH_GATEWAY)})"
            )
        },
    ),
    Panel(
        "Errors by pod and code",
        f"Which pods fail, and with what? The {WORST} worst. {NONE}",
        "reqps",
        {"{{namespace}}/{{pod}} {{code}}": top(f"sum by (namespace, service, pod, code) ({full_rate(ERRORS, *WHO)})")},
    ),
    Panel(
        "Share of attempts that fail, by pod",
        f"Which pod is worse than the others of its service, however many attempts it gets? The {WORST} worst. {NONE}",
        "percentunit",
        {
            "{{namespace}}/{{pod}}": top(
                f"sum {BY} ({full_rate(ERRORS, *WHO)}) / sum {BY} ({full_rate(REQUESTS, *WHO)})"
            )
        },
    ),
    Panel(
        "Errors hidden from clients, by pod",
        "Which pods fail although clients get a good answer, from another pod or by another way? "
        f"The {WORST} worst. {NONE}",
        "reqps",
        {"{{namespace}}/{{pod}}": top(f"sum {BY} ({full_rate(ERRORS, *WHO, HIDDEN)})")},
    ),
    Panel(
        "Why there was no answer",
        "Why could the proxy not complete attempts? According to nginx's error log, Envoy's response flags or "
        "HAProxy's termination state. An error log names no service, so $service has no effect here. "
        f"The {WORST} worst. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{pod}} {{reason}}": top(
                f"sum by (namespace, pod, reason) ({full_rate('ingress_upstream_failures_total', WHO[0], WHO[2])})"
            )
        },
    ),
    Panel(
        "Who made the errors",
        "Did the pod answer with an error, or did the proxy make it, because it got no answer? unknown: the log does "
        f"not say. {NONE}",
        "reqps",
        {"{{origin}}": f"sum by (origin) ({full_rate(ERRORS, *WHO)})"},
    ),
    Panel(
        "gRPC statuses",
        f"How do calls end that do not end with OK? Some statuses, as NOT_FOUND, are the caller's fault. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{pod}} {{code}}": top(
                f"sum by (namespace, service, pod, code) ({full_rate(ERRORS, *WHO, GRPC)})"
            )
        },
    ),
    Panel(
        "Mean response time by pod",
        f"Which pod is slow? The {WORST} slowest.",
        "s",
        {
            "{{namespace}}/{{pod}}": top(
                f"sum {BY} ({rate(POD_SECONDS + '_sum', *WHO)}) / sum {BY} ({rate(POD_SECONDS + '_count', *WHO)})"
            )
        },
    ),
    Panel(
        "Response time by service",
        "How long do most attempts take, and how long the slowest one in a hundred? Above 10 s it shows 10 s. "
        "All pods of the service are included: $pod has no effect here.",
        "s",
        {f"{{{{namespace}}}}/{{{{service}}}} {name}": quantile(q) for name, q in (("p50", 0.5), ("p99", 0.99))},
    ),
    Panel(
        "Causes of failures",
        "Why do attempts fail, and requests that no pod is tried for? A cause that is not certain is counted ten "
        f"seconds after its attempt. $pod has no effect here. {NONE}",
        "reqps",
        {"{{cause}}": f"sum by (cause) ({full_rate(CAUSES, *WHERE)})"},
    ),
    Panel(
        "Causes of failures, by service",
        f"Which services fail, and why, where that is known? $pod has no effect here. The {WORST} worst. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{service}} {{cause}}": top(
                f"sum by (namespace, service, cause) ({full_rate(CAUSES, *WHERE, KNOWN)})"
            )
        },
    ),
    Panel(
        "Late attempts, by service",
        "How many attempts are made at pods that terminate, are gone, or are no longer ready, as the slices say? "
        f"Proxies need some time to learn of it. $pod has no effect here. The {WORST} services with the most. {NONE}",
        "reqps",
        {
            "{{namespace}}/{{service}} {{state}}": top(
                f"sum by (namespace, service, state) ({full_rate(LATE + '_count', *WHERE)})"
            )
        },
    ),
    Panel(
        "How late attempts at pods that shut down come",
        "For how long must a pod that is deleted go on serving, by a preStop sleep, until proxies have stopped to send "
        "it requests? Above 60 s it shows 60 s. $pod has no effect here. " + NONE,
        "s",
        {
            f"{{{{namespace}}}}/{{{{service}}}} {name}": lateness_quantile(q)
            for name, q in (("p50", 0.5), ("p99", 0.99))
        },
    ),
    Panel(
        "How sure the names of pods are, by service",
        "For what share of a service's attempts is it certain which pod was tried? The others are guesses, or name no "
        f"pod. $pod has no effect here. The {WORST} least sure.",
        "percentunit",
        {
            BY_SERVICE: f"bottomk({WORST}, sum by (namespace, service) ({rate(GRADED, *WHERE, SURE)}) "
            f"/ sum by (namespace, service) ({rate(GRADED, *WHERE)}))"
        },
    ),
    Panel(
        "Share of attempts that fail, by the pods' node",
        f"Is the cause a node rather than a pod? {NONE}",
        "percentunit",
        {"{{node}}": f"sum by (node) ({full_rate(ERRORS, *WHO)}) / sum by (node) ({full_rate(REQUESTS, *WHO)})"},
    ),
    Panel(
        "Attempts by pod",
        f"Which pods get how many attempts? The {WORST} that get the most.",
        "reqps",
        {"{{namespace}}/{{pod}}": top(f"sum {BY} ({full_rate(REQUESTS, *WHO)})")},
    ),
    table(
        "Pods with errors",
        "Which pods had errors within the time shown, and in what share of their attempts? All pods, the worst "
        f"first. {NONE}",
        "short",
        {
            "errors": f"sum {BY} ({full_increase(ERRORS, *WHO)}) > 0",
            "hidden": f"sum {BY} ({full_increase(ERRORS, *WHO, HIDDEN)}) > 0",
            "attempts": f"sum {BY} ({full_increase(REQUESTS, *WHO)}) and sum {BY} ({ERRORS}{{{', '.join(WHO)}}}) > 0",
            "share": f"sum {BY} ({full_increase(ERRORS, *WHO)}) / sum {BY} ({full_increase(REQUESTS, *WHO)}) > 0",
        },
        share="percentunit",
    ),
]

CALLS = ('client_namespace=~"$client_namespace"', 'namespace=~"$namespace"')
EDGE = "by (client_namespace, client_service, namespace, service)"
CALLED, FAILED = "ingress_edge_requests_total", "ingress_edge_errors_total"
ARROW = "{{client_namespace}}/{{client_service}} → {{namespace}}/{{service}}"

MAP = [
    table(
        "Who calls whom",
        "Which service's pods call which service, how often, and how many of the calls fail in the end?",
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
        f"How has the number of calls changed? The {WORST} busiest.",
        "reqps",
        {ARROW: top(f"sum {EDGE} ({rate(CALLED, *CALLS)})")},
    ),
    Panel(
        "Share of requests that fail, between services",
        f"Which services fail for which callers? The {WORST} worst.",
        "percentunit",
        {ARROW: top(f"sum {EDGE} ({rate(FAILED, *CALLS)}) / sum {EDGE} ({rate(CALLED, *CALLS)})")},
    ),
]

NODE = 'node=~"$node"'
UNREAD = 'result="parse_error"'
BY_NODE = "{{node}}"
UNRESOLVED, ATTRIBUTED = "enricher_unresolved_attempts_total", "enricher_attributions_total"

HEALTH = [
    stat("Daemons", "How many daemons are scraped?", "none", f"count(enricher_build_info{{{NODE}}})"),
    stat(
        "Out of sync",
        "How many daemons follow a log, but not the API server?",
        "none",
        f"count(enricher_watch_synced{{{NODE}}} == 0 and enricher_sources{{{NODE}}} > 0) or vector(0)",
    ),
    stat(
        "Attempts without a pod",
        "For what share of the attempts could no pod be named?",
        "percentunit",
        f"sum({rate(UNRESOLVED, NODE)}) / sum({rate(ATTRIBUTED, NODE)})",
    ),
    stat(
        "Problems",
        "From how many errors did the daemons recover, within the time shown?",
        "none",
        f"sum({increase('enricher_problems_total', NODE)})",
    ),
    Panel(
        "Lines by kind",
        "Are logs read and parsed? A parse_error is a line that does not fit the log format.",
        "cps",
        {"{{result}}": f"sum by (result) ({rate('enricher_lines_total', NODE)})"},
    ),
    Panel(
        "Share of lines that do not parse, by node",
        f"Which proxy writes another log format? {NONE}",
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
        "no pod is known to have held the address.",
        "cps",
        {"{{grade}}": f"sum by (grade) ({rate(UNRESOLVED, NODE)})"},
    ),
    Panel(
        "Lag, in time",
        "How old is the last line read, while more lines are waiting?",
        "s",
        {BY_NODE: f"max by (node) (enricher_lag_seconds{{{NODE}}})"},
    ),
    Panel(
        "Lag, in bytes",
        "How much of the logs has not been read yet?",
        "bytes",
        {BY_NODE: f"sum by (node) (enricher_lag_bytes{{{NODE}}})"},
    ),
    Panel(
        "Bytes read and written",
        "How much is read and written? Nothing is written with --output none.",
        "Bps",
        {
            "read": f"sum({rate('enricher_read_bytes_total', NODE)})",
            "written": f"sum({rate('enricher_written_bytes_total', NODE)})",
        },
    ),
    Panel(
        "Logs followed",
        "On which nodes is a proxy found, and how many logs does it have?",
        "none",
        {BY_NODE: f"sum by (node) (enricher_sources{{{NODE}}})"},
    ),
    Panel(
        "Addresses known",
        "Do all daemons know the same addresses? Those without a proxy know none.",
        "none",
        {BY_NODE: f"max by (node) (enricher_endpoints{{{NODE}}})"},
    ),
    Panel(
        "In sync with the API server",
        "Does the watch follow the API server? 1 if so; 0 also on a node without a proxy, which needs no watch. Empty "
        "with --endpoints.",
        "none",
        {BY_NODE: f"min by (node) (enricher_watch_synced{{{NODE}}})"},
    ),
    Panel(
        "Time since the watch's last event",
        "Does the API server still send events? A bookmark comes about every minute.",
        "s",
        {BY_NODE: f"max by (node) (enricher_watch_last_event_age_seconds{{{NODE}}})"},
    ),
    Panel(
        "Restarts of the watch",
        f"Why was the watch restarted? closed, gone and silence are normal. {NONE}",
        "none",
        {"{{reason}}": f"sum by (reason) (increase(enricher_watch_restarts_total{{{NODE}}}[$__rate_interval]))"},
    ),
    Panel(
        "Problems by kind",
        "From what kinds of errors did the daemons recover?",
        "none",
        {"{{kind}}": f"sum by (kind) (increase(enricher_problems_total{{{NODE}}}[$__rate_interval]))"},
    ),
    Panel(
        "Counted together",
        "Which namespaces have more pods, routes or kinds of errors than their share of --max-series?",
        "cps",
        {"{{namespace}}": f"sum by (namespace) ({rate('enricher_overflowed_total', NODE)})"},
    ),
    table(
        "Versions",
        "Which version runs where?",
        "none",
        {"daemons": f"count by (node, pod, version) (enricher_build_info{{{NODE}}})"},
    ),
]


LEFT = "namespace_service:ingress_error_budget_left:ratio30d"
SELECTED = f"{{{', '.join(WHERE)}}}"
BUDGET_LEFT = LEFT + SELECTED
BURN = f"namespace_service:ingress_error_budget_burn:ratio_rate1h{SELECTED}"
FAILED_30D = f"namespace_service:ingress_failed_requests:ratio_rate30d{SELECTED}"
SLOW_1D = f"namespace_service:ingress_slow_attempts:ratio_rate1d{SELECTED}"

OBJECTIVES = [
    stat(
        "Services without any budget left",
        "How many services failed more requests in 30 days than their objective allows?",
        "none",
        f"count({BUDGET_LEFT} <= 0) or vector(0)",
    ),
    stat(
        "Least budget left",
        "How much of its error budget does the service have that has the least? 100 %: nothing failed; negative: "
        "overdrawn.",
        "percentunit",
        f"min({BUDGET_LEFT})",
    ),
    stat(
        "Services that use it up too fast",
        "How many services would not have enough budget for 30 days if the last hour went on?",
        "none",
        f"count({BURN} > 1) or vector(0)",
    ),
    stat(
        "Fastest use",
        "How many times as fast as allowed does the worst service use up its budget, over the last hour? The alerts "
        "that page are at 14.4 over an hour, and at 6 over 6 hours.",
        "none",
        f"max({BURN})",
    ),
    Panel(
        "Error budget left, by service",
        "How much of the requests that may fail in 30 days is left? 100 %: nothing failed; negative: overdrawn. "
        f"The {WORST} services with the least.",
        "percentunit",
        {BY_SERVICE: f"bottomk({WORST}, {BUDGET_LEFT})"},
        least=None,
    ),
    Panel(
        "How fast the budget is used up, by service",
        "How many times as fast as the objective allows, over the last hour? 1 uses up the budget in just 30 days. "
        f"The {WORST} fastest.",
        "none",
        {BY_SERVICE: top(BURN)},
    ),
    Panel(
        "Share of requests that fail, over 30 days",
        f"Which share of a service's requests failed in 30 days? The {WORST} worst.",
        "percentunit",
        {BY_SERVICE: top(FAILED_30D)},
    ),
    Panel(
        "Share of attempts that are slow, over a day",
        "Which share of a service's attempts took longer than 2.5 s? Connections that are held open are slow attempts, "
        f"too. The {WORST} worst.",
        "percentunit",
        {BY_SERVICE: top(SLOW_1D)},
    ),
    table(
        "Budgets",
        "What is left to each service, which share of its requests failed in 30 days, and how many times as fast as "
        "allowed is its budget used up over the last hour?",
        "percentunit",
        # Without the records' names, which would be a column.
        {
            "budget left": f"sum by (namespace, service) ({BUDGET_LEFT})",
            "failed": f"sum by (namespace, service) ({FAILED_30D})",
            "burn": f"sum by (namespace, service) ({BURN})",
        },
        burn="none",
    ),
]


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """Return a choice of values. "All" includes series without the label."""
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


def render_panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
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
            **({"exemplar": True} if f"{SECONDS}_bucket" in expression and not instant else {}),
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
        **appearance(panel),
    }


def appearance(panel: Panel) -> dict[str, Any]:
    """Return how a panel's data are drawn: units, legend, and a table's columns."""
    defaults: dict[str, Any] = {"unit": panel.unit} | ({} if panel.least is None else {"min": panel.least})
    if panel.kind == "timeseries":
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto"}
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
        options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}
    if panel.kind == "stat":
        reduce_options = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        options = {"reduceOptions": reduce_options, "colorMode": "none", "graphMode": "none", "textMode": "value"}
        return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}
    columns = list(panel.queries)
    # With one query the column is called "Value", with several "Value #A" and so on.
    values = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + n)}" for n in range(len(columns))]
    overrides = [
        {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}
        for column, unit in (panel.units or {}).items()
    ]
    organize_options = {
        "excludeByName": {"Time": True},
        "indexByName": {},
        "renameByName": dict(zip(values, columns, strict=True)),
    }
    return {
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {"showHeader": True, "sortBy": [{"displayName": columns[0], "desc": True}]},
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organize_options}],
    }


def dashboard(uid: str, title: str, description: str, variables: list[dict[str, Any]], panels: Sequence[Panel]) -> str:
    """Return a dashboard as JSON. Panels go from left to right, and onto the next line where they do not fit."""
    placed, x, y, row_height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(render_panel(panel, number, x, y))
        x, row_height = x + panel.width, max(row_height, panel.height)
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
    content = {
        "uid": uid,
        "title": title,
        "description": description,
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
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def all_dashboards() -> dict[str, str]:
    """Return the JSON of all dashboards by file name."""
    return {
        "pods.json": dashboard(
            "enricher-pods",
            "Enricher: failing pods",
            "Which pod failed my request?",
            [
                variable("namespace", "Namespace", f"label_values({REQUESTS}, namespace)"),
                variable("service", "Service", f"label_values({REQUESTS}{{{WHERE[0]}}}, service)"),
                variable("pod", "Pod", f"label_values({REQUESTS}{{{', '.join(WHERE)}}}, pod)"),
                variable("gateway", "Gateway", f"label_values({CLIENTS}, gateway)"),
                variable("route", "Route", f"label_values({CLIENTS}{{{', '.join(WAY[:3])}}}, route)"),
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
        "objectives.json": dashboard(
            "enricher-objectives",
            "Enricher: service level objectives",
            "How much of its error budget does each service have left? Needs the records of slo-rules.yaml.",
            [
                variable("namespace", "Namespace", f"label_values({LEFT}, namespace)"),
                variable("service", "Service", f"label_values({LEFT}{{{WHERE[0]}}}, service)"),
            ],
            OBJECTIVES,
        ),
        "health.json": dashboard(
            "enricher-health",
            "Enricher: the daemon itself",
            "Does the daemon read all logs, and how reliable are its attributions?",
            [variable("node", "Node", "label_values(enricher_build_info, node)")],
            HEALTH,
        ),
    }


if __name__ == "__main__":
    for name, text in all_dashboards().items():
        (HERE / name).write_text(text)
