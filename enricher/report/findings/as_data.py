"""Findings as JSON, CSV and Markdown. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from enricher.report.csv_line import csv_line
from enricher.report.findings.advice import spared_text
from enricher.report.findings.as_text import (
    cause_text,
    example_texts,
    names_text,
    numbers_text,
    totals_texts,
    where_text,
)
from enricher.report.findings.finding import Finding, Totals
from enricher.report.markdown import markdown_text
from enricher.report.record_view import Zone
from enricher.report.wording import when_text
from enricher.timestamps import format_rfc3339

CSV_COLUMNS = (
    *("cause", "grade", "failures", "requests", "service", "workload", "revision", "pods", "nodes"),
    *("routes", "gateways"),
    *("first", "last", "seen_by_clients", "hidden", "evidence", "advice", "spared"),
)


def findings_json(findings: Sequence[Finding], totals: Totals) -> bytes:
    """Return one JSON object with the findings and the totals, indented."""
    value = {"findings": [_finding_object(finding) for finding in findings], "totals": _totals_object(totals)}
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _finding_object(finding: Finding) -> dict[str, Any]:
    """Return a finding; `service`, `workload` and `revision` are null unless there is exactly one."""
    advice = finding.advice
    return {
        "cause": finding.cause,
        "grade": finding.grade,
        "failures": finding.failures,
        "requests": finding.requests,
        "attempts": finding.attempts,
        "service": _only(list(finding.services)),
        "workload": _only(list(finding.workloads)),
        "revision": _only(list(finding.revisions)),
        "services": finding.services,
        "workloads": finding.workloads,
        "revisions": finding.revisions,
        "pods": finding.pods,
        "nodes": finding.nodes,
        "routes": finding.routes,
        "gateways": finding.gateways,
        "first": _time(finding.first),
        "last": _time(finding.last),
        "seen_by_clients": finding.seen_by_clients,
        "hidden": finding.hidden,
        "headline": finding.headline,
        "evidence": finding.evidence,
        "advice": {
            "text": advice.text,
            "yaml": "\n".join(advice.fragment),
            "commands": advice.commands,
            "sure": advice.sure,
        },
        "spared": advice.spared,
        "examples": [example._asdict() for example in finding.examples],
    }


def _totals_object(totals: Totals) -> dict[str, Any]:
    return {
        "lines": totals.lines,
        "requests": totals.requests,
        "attempts": totals.attempts,
        "failures": totals.failures,
        "failed_requests": totals.failed_requests,
        "seen_by_clients": totals.seen,
        "first": _time(totals.first),
        "last": _time(totals.last),
        "failures_in_no_finding": totals.without_place,
        "attempts_not_compared": totals.pods_without_place,
        "attempts_not_compared_by_route": totals.routes_without_place,
    }


def _only(names: Sequence[str]) -> str | None:
    return names[0] or None if len(names) == 1 else None


def _time(ns: int | None) -> str | None:
    return None if ns is None else format_rfc3339(ns)


def csv_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a line of names and a line for each finding. Several values in one cell have spaces between them."""
    yield csv_line(CSV_COLUMNS)
    for finding in findings:
        values = _finding_object(finding)
        values |= {name: " ".join(values[f"{name}s"]) for name in ("service", "workload", "revision")}
        values |= {name: " ".join(values[name]) for name in ("pods", "nodes", "routes", "gateways", "evidence")}
        values["advice"] = finding.advice.text
        yield csv_line(values[name] for name in CSV_COLUMNS)


def markdown_lines(findings: Sequence[Finding], totals: Totals, zone: Zone | None = None) -> Iterator[str]:
    """Yield the findings as Markdown, for a ticket."""
    for number, finding in enumerate(findings, 1):
        advice = finding.advice
        yield from (f"## {number}. {markdown_text(finding.headline)}", "")
        facts = {
            "Failures": numbers_text(finding),
            "Where": where_text(finding),
            "Pods": names_text("pod", finding.pods),
            "When": when_text(finding.first, finding.last, zone),
            "Cause": cause_text(finding),
        }
        yield from (f"- **{name}:** {markdown_text(text)}" for name, text in facts.items() if text)
        yield from ("", "**Evidence**", "", *(f"- {markdown_text(text)}" for text in finding.evidence), "")
        texts = (advice.text, spared_text(advice, finding.failures))
        yield from (f"**What to change:** {markdown_text(' '.join(filter(None, texts)))}", "")
        yield from _fenced("yaml", advice.fragment)
        yield from _fenced("sh", advice.commands)
        examples = ["  ".join(example_texts(example)) for example in finding.examples]
        yield from _fenced("text", examples)
    yield from map(markdown_text, totals_texts(findings, totals, zone))


def _fenced(language: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield lines as a block of code, which none of them can end."""
    if not lines:
        return
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    yield from (f"{fence}{language}", *lines, fence, "")
