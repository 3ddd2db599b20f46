"""Counts what runs exercised, by what went in and by what the reference made of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from enricher.endpoints.attribution import Attribution, Histories
from enricher.endpoints.slices import split_address
from enricher.endpoints.tenure import FOREVER
from enricher.enrich.parsed_line import ParsedLine
from enricher.line import Source
from enricher.vocabulary import Cause, State
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.generators.scenarios import Outcome, Run, is_block


class Tally:
    """The numbers of what was exercised."""

    def __init__(self) -> None:
        self.lines = 0
        """Lines that engines were held to the reference with."""
        self.counts: Counter[str] = Counter()

    def begin(self, run: Run) -> None:
        """Count what a run is made of."""
        scenario = run.scenario
        self.counts.update((f"runs of {scenario.family}", f"runs with {scenario.framing}", f"runs {scenario.state}"))
        self.counts["live runs"] += run.is_live
        if scenario.framing == "cri":
            self.counts["blocks"] += is_block(b"".join(run.chunks[0].lines))

    def add(self, run: Run, outcome: Outcome) -> None:
        """Count what the reference made of a run."""
        self.lines += len(outcome.rows)
        self.counts["lines"] += len(outcome.rows)
        self.counts[f"lines with {run.scenario.framing}"] += len(outcome.rows)
        self.counts["holds"] += sum(step.until > 0 for step in outcome.steps)
        self.counts["holds after which the histories had changed"] += sum(step.changes > 0 for step in outcome.steps)
        for kind, number in outcome.metrics.lines.items():
            self.counts[f"{kind} lines"] += number
        for grade, number in outcome.metrics.grades.items():
            self.counts[f"{grade} attempts"] += number
        for edge in outcome.metrics.edges.values():
            self.counts["requests of pods"] += edge.requests
        for row in outcome.rows:
            self.counts["truncated lines"] += b'"truncated":true' in row
            self.counts["clients that are pods"] += b'"client_pod":' in row
            if b'"kind":"access"' in row:
                for name in ("route", "gateway", "listener", "trace_id", "span_id"):
                    self.counts[f"{name}s"] += b'"%b":"' % name.encode() in row
                self.counts["attempts with a reason"] += row.count(b'"reason":')
                for name in ("zone", "zone_crossed", "workload", "state_seconds", "age_seconds", "late_seconds"):
                    self.counts[f"attempts with {name}"] += row.count(b'"%b":' % name.encode())
                for cause in Cause:
                    self.counts[f"{cause} attempts"] += row.count(b'"cause":"%b"' % cause.encode())
                for state in State:
                    self.counts[f"attempts at pods that were {state}"] += row.count(b'"state":"%b"' % state.encode())

    def attributed(self, parsed: ParsedLine, attributions: Sequence[Attribution], histories: Histories) -> None:
        """Count what is special about a line's attempts."""
        if not parsed.record:
            return
        attempts = parsed.record.attempts
        self.counts["lines with several attempts"] += len(attempts) > 1
        self.counts["lines without an attempt"] += not attempts
        self.counts["failed attempts"] += sum(attempt.failed for attempt in attempts)
        self.counts["attempts that were given up"] += sum(attempt.given_up for attempt in attempts)
        for attempt, window in zip(attempts, parsed.windows, strict=True):
            if window:
                tenures = histories.pods.tenures_of_ip(split_address(attempt.addr)[0])
                times = [time for t in tenures for time in (t.since, t.until) if abs(time) != FOREVER]
                self.counts["straddling windows"] += any(window.start <= time <= window.end_latest for time in times)

    def lacking(self, least: dict[str, float]) -> dict[str, str]:
        """Return what was exercised less than that; numbers below 1 are shares of the lines."""
        return {
            name: f"{self.counts[name]} < {number if number >= 1 else number * self.counts['lines']:g}"
            for name, number in least.items()
            if self.counts[name] < (number if number >= 1 else number * self.counts["lines"])
        }

    def require(self, lines: int, least: dict[str, float]) -> None:
        """Fail unless so many lines were compared, and so many of each."""
        assert self.lines >= lines, f"only {self.lines} lines were compared"
        lacking = self.lacking(least)
        assert not lacking, f"too little was exercised: {lacking}\n{self}"

    def __str__(self) -> str:
        return f"{self.lines:8} lines compared\n" + "\n".join(
            f"{number:8} {name}" for name, number in sorted(self.counts.items())
        )


class ObservedReference(ReferenceEnricher):
    """The reference, with a tally of the lines that it attributes."""

    def __init__(self, tally: Tally, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tally = tally

    def attribute_line(self, source: Source, parsed: ParsedLine, histories: Histories) -> list[Attribution]:
        attributions = super().attribute_line(source, parsed, histories)
        self._tally.attributed(parsed, attributions, histories)
        if parsed.record:
            cut_off = self.correlators[source].cut_off_attempts(parsed.record, parsed.windows)
            self._tally.counts["cut-off attempts"] += len(cut_off)
        return attributions
