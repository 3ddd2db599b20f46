"""Compares what two engines make of a run: bytes, waits and counts; and finds the lines that make the difference."""

import math
import traceback
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.generators.framings import FRAMINGS
from tests.unit.enrich.generators.scenarios import Chunk, Outcome, Run, Scenario
from tests.unit.enrich.generators.tally import ObservedReference, Tally

MAX_ATTEMPTS = 200
"""Runs that are spent on finding fewer lines that fail."""


def check(run: Run, tally: Tally) -> None:
    """Hold the engine to the reference in a run, and count what was run."""
    tally.begin(run)
    expected = run.feed(partial(ObservedReference, tally))
    tally.add(run, expected)
    for mode in _modes(run.scenario):
        tally.lines += len(expected.rows)
        if (difference := _difference_in_mode(expected, run, mode)) is not None:
            raise AssertionError(_explain(run, mode, difference))


def _modes(scenario: Scenario) -> Iterator[str]:
    """Yield the ways in which lines are given to an engine: as they are framed, and some again in other ways."""
    yield "as framed"
    if (FRAMINGS.index(scenario.framing) + scenario.seed) % 2 == 0:
        yield "counting only"
    if scenario.framing == "cri":
        yield "as a list"  # no Block, whose bytes can be read


def _difference_in_mode(expected: Outcome, run: Run, mode: str) -> str | None:
    """Return the first difference; None if there is none."""
    try:
        outcome = run.feed(Enricher, count_only=mode == "counting only", as_list=mode == "as a list")
    except Exception:  # to be explained as any other difference
        return f"the engine raised an error:\n{traceback.format_exc(limit=-5)}"
    if mode == "counting only":
        if any(step.data for step in outcome.steps):
            return "there is output"
        return _difference_in_waits(expected, outcome) or difference_in_counts(
            expected.metrics, outcome.metrics, overflow=run.max_series < math.inf
        )
    return _difference(expected, outcome, run)


def _explain(run: Run, mode: str, difference: str) -> str:
    """Return a failure's message, with as few lines of the run as still fail."""

    def differs(chunks: list[Chunk]) -> str | None:
        fewer = run.with_chunks(chunks)
        try:
            return _difference_in_mode(fewer.feed(ReferenceEnricher), fewer, mode)
        except Exception:  # another failure than the one that is to be explained
            return None

    numbered = [(n, line) for n, chunk in enumerate(run.chunks) for line in chunk.lines]

    def chunks_of(lines: list[tuple[int, bytes]]) -> list[Chunk]:
        return [replace(chunk, lines=[line for m, line in lines if m == n]) for n, chunk in enumerate(run.chunks)]

    size, attempts, fewest = len(numbered) // 2, 0, difference
    while size and attempts < MAX_ATTEMPTS:
        for begin in range(0, len(numbered), size):
            rest = numbered[:begin] + numbered[begin + size :]
            attempts += 1
            if (found := differs(chunks_of(rest))) is not None:
                numbered, fewest = rest, found
                break
        else:
            size //= 2
    shown = "\n".join(f"    chunk {n}: {line!r}" for n, line in numbered[:40])
    return f"{run.describe()}\n  {mode}: {difference}\n  With fewer lines: {fewest}\n  of these:\n{shown}"


def _difference(expected: Outcome, outcome: Outcome, run: Run) -> str | None:
    """Return the first difference; None if there is none."""
    rows, others = expected.rows, outcome.rows
    for number, (row, other) in enumerate(zip(rows, others, strict=False)):
        if row != other:
            different = (n for n, (a, b) in enumerate(zip(row, other, strict=False)) if a != b)
            at = max(0, next(different, min(len(row), len(other))) - 20)
            return (
                f"line {number} of {len(rows)}, from byte {at}: expected {row[at : at + 90]!r}, got "
                f"{other[at : at + 90]!r}\n    expected {row!r}\n    got      {other!r}"
            )
    if len(rows) != len(others):
        return f"{len(rows)} lines expected, got {len(others)}"
    return _difference_in_waits(expected, outcome) or difference_in_counts(
        expected.metrics, outcome.metrics, overflow=run.max_series < math.inf
    )


def _difference_in_waits(expected: Outcome, outcome: Outcome) -> str | None:
    waits, others = ([(step.chunk, step.lines, step.until) for step in each.steps] for each in (expected, outcome))
    if waits == others:
        return None
    number = next(
        (n for n, (a, b) in enumerate(zip(waits, others, strict=False)) if a != b), min(len(waits), len(others))
    )
    return f"step {number} (chunk, lines, until): expected {waits[number:][:2]}, got {others[number:][:2]}"


def difference_in_counts(expected: Metrics, actual: Metrics, *, overflow: bool = False) -> str | None:
    """Return the first difference; if pods overflow, which of them do so depends on the order of counting."""
    counts, others = ((_totals if overflow else _counts)(metrics) for metrics in (expected, actual))
    for name, value in counts.items():
        if name in others and value != others[name]:
            return f"{name}: expected {_only_in(value, others[name])}, got {_only_in(others[name], value)}"
    for key, series in ({} if overflow else expected.pods).items():
        if not math.isclose(series.seconds, actual.pods[key].seconds, rel_tol=1e-9, abs_tol=1e-6):
            return f"seconds of {key}: expected {series.seconds}, got {actual.pods[key].seconds}"
    return None


def _counts(metrics: Metrics) -> dict[str, dict[Any, Any]]:
    """Return all counts but the sums of times, which depend on the order of adding up."""
    return {
        "lines": +metrics.lines,
        "grades": +metrics.grades,
        "unresolved": +metrics.unresolved,
        "lone_tries": +metrics.lone_tries,
        "pods": {
            key: (
                *(series.requests, series.guesses, series.timed_attempts, +series.errors, +series.failures),
                *(series.error_minutes, series.hidden_minutes),
            )
            for key, series in metrics.pods.items()
        },
        "services": metrics.services,
        "late": dict(metrics.late),
        "edges": {key: (edge.requests, edge.errors) for key, edge in metrics.edges.items()},
        "requests": {key: series.requests for key, series in metrics.requests.items()},
        "causes": {key: series.failures for key, series in metrics.causes.items()},
        "overflowed": {"": metrics.overflow.counted.total()},
    }


def _totals(metrics: Metrics) -> dict[str, dict[Any, Any]]:
    """Return the counts that do not depend on which series had no place; all of them only if none was dropped."""
    all_counts = _counts(metrics)
    totals = {name: all_counts[name] for name in ("lines", "grades", "unresolved", "edges")}
    if not metrics.overflow.dropped:
        series = metrics.pods.values()
        totals["pods"] = {
            "requests": sum(pod.requests for pod in series),
            "failed": sum(pod.failed for pod in series),
            "failures": sum(pod.failures.total() for pod in series),
        }
    return totals


def _only_in(counts: dict[Any, Any], others: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in counts.items() if others.get(key) != value}
