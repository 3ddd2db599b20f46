"""The comparison of two proxies for programs (JSON, CSV) and for tickets (Markdown). Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from enricher.report.csv_line import csv_line
from enricher.report.markdown import markdown_row, markdown_text
from enricher.report.migration.comparison import Migration, Row, is_named
from enricher.report.migration.notes import notes
from enricher.report.migration.side import Side, SideRow
from enricher.report.migration.texts import (
    COLUMNS,
    answer_text,
    cause_changes,
    judgement_text,
    path_text,
    row_name,
    side_text,
    status_changes,
    values,
    verdict_sentence,
    verdict_text,
)
from enricher.report.pod_rows import UNNAMED
from enricher.report.record_view import Zone
from enricher.report.summary_table import time_text as rfc3339_text

_NUMBERS = ("requests", "failed", "refused", "retries", "p50_seconds", "p99_seconds", "attempts", "attempt_errors")
_UPSTREAM_TIMES = ("upstream_p50_seconds", "upstream_p99_seconds")


def json_comparison(migration: Migration) -> bytes:
    """Return one JSON document, in one line. What is not known is null."""
    document = {
        "verdict": migration.verdict,
        "by": migration.old.roll_up.columns[-1],
        "old": _side_fields(migration.old),
        "new": _side_fields(migration.new),
        "rows": [_row_fields(migration, row) for row in migration.rows],
        "answers_by_proxy": [
            {
                "status": answer.judgement.subject,
                "old": answer.old,
                "new": answer.new,
                "chance": answer.judgement.chance,
                "worse": answer.is_worse,
            }
            for answer in migration.answers
        ],
        "refused_paths": [
            {
                "host": path.target.host or None,
                "path": path.target.path,
                "statuses": _sorted(path.new.refused),
                **dict(zip(("old_refused", "old_requests", "new_refused", "new_requests"), path.numbers, strict=True)),
            }
            for path in migration.refused_paths
        ],
        "not_known": list(notes(migration)),
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _side_fields(side: Side) -> dict[str, Any]:
    return {
        "requests": side.total.requests,
        "first": rfc3339_text(side.first) or None,
        "last": rfc3339_text(side.last) or None,
        "lines": _sorted(side.lines),
        "answers_by_proxy": _sorted(side.by_proxy),
    }


def _row_fields(migration: Migration, row: Row) -> dict[str, Any]:
    worse = [
        {"of": judgement.subject, "old": judgement.old, "new": judgement.new, "chance": judgement.chance}
        for judgement in row.worse
    ]
    sides = {"old": _numbers(row.old), "new": _numbers(row.new)}
    return _names(migration, row) | {"verdict": row.verdict, "worse": worse} | sides


def _names(migration: Migration, row: Row) -> dict[str, str | None]:
    names = row.key if is_named(row.key) else [None if name.startswith(UNNAMED) else name for name in row.key]
    return dict(zip(migration.old.roll_up.columns, names, strict=True))


def _numbers(side: SideRow) -> dict[str, Any]:
    requests, attempts = side.requests, side.attempts
    p50, p99 = requests.percentiles
    numbers = (
        *(requests.requests, requests.failed, requests.refused),
        requests.retries if requests.retries_logged else None,
        *(p50, p99, attempts.attempts if attempts else 0, attempts.errors - attempts.untried if attempts else 0),
    )
    fields: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=True))
    fields |= zip(_UPSTREAM_TIMES, side.upstream_times, strict=True)
    return fields | {"statuses": _sorted(requests.statuses), "causes": _sorted(side.causes)}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def csv_comparison(migration: Migration) -> Iterator[str]:
    """Yield a heading, and two lines for each row: one for each proxy."""
    fields = (*_NUMBERS, *_UPSTREAM_TIMES, "statuses", "causes")
    yield csv_line([*migration.old.roll_up.columns, "verdict", "proxy", *fields])
    for row in migration.rows:
        for proxy, side in (("old", row.old), ("new", row.new)):
            numbers = _numbers(side)
            cells = [_cell(numbers[field]) for field in fields]
            yield csv_line([*_names(migration, row).values(), row.verdict, proxy, *cells])


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}:{number}" for name, number in value.items())
    return "" if value is None else str(value)


def markdown_comparison(migration: Migration, zone: Zone | None = None) -> Iterator[str]:
    """Yield the verdict, a table with a row for each service, and lists of the rest."""
    yield markdown_text(verdict_sentence(migration))
    yield ""
    yield f"- OLD: {markdown_text(side_text(migration.old, zone))}"
    yield f"- NEW: {markdown_text(side_text(migration.new, zone))}"
    yield ""
    yield markdown_row([migration.old.roll_up.columns[-1], "verdict", *COLUMNS, "remarks"])
    yield markdown_row(["---", "---", *["--:"] * len(COLUMNS), "---"], escape=False)
    for row in migration.rows:
        pairs = zip(values(row.old), values(row.new), strict=True)
        texts = [old if old == new else f"{old} → {new}" for old, new in pairs]
        yield markdown_row([row_name(row), verdict_text(row), *texts, "; ".join(_remarks(row))])
    sections = {
        "Answered by the proxy itself, more often by NEW": list(map(answer_text, migration.answers)),
        "Answered by OLD, and refused by NEW": [
            f"{path.target}: {path_text(path)}" for path in migration.refused_paths
        ],
        "Not known": list(notes(migration)),
    }
    for title, texts in sections.items():
        if texts:
            yield from ("", f"{title}:", "")
            yield from (f"- {markdown_text(text)}" for text in texts)


def _remarks(row: Row) -> Iterator[str]:
    yield from map(judgement_text, row.worse)
    for noun, changes in (("statuses", status_changes(row)), ("causes", cause_changes(row))):
        if changes:
            yield f"{noun}: {', '.join(map(str, changes))}"
