"""What happened, in a table per pod: for `enricher enrich --summary` and the demo."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from enricher.report.record_view import error_code

NOBODY = "—"


@dataclass(slots=True)
class PodSummary:
    """The attempts at one pod; times in seconds."""

    requests: int = 0
    hidden: int = 0
    """Failed attempts that another attempt followed."""
    errors: Counter[str] = field(default_factory=Counter)
    """By status, of HTTP or of gRPC."""
    seconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float | None:
        """The smallest time that at least `share` of the attempts did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)] if ordered else None


class Summary:
    """Adds up output records (as documented in docs/output.md)."""

    def __init__(self) -> None:
        self.pods: dict[tuple[str, str, str], PodSummary] = {}
        self.lines: Counter[str] = Counter()
        self.grades: Counter[str] = Counter()

    def add(self, record: Mapping[str, Any]) -> None:
        """One output line, parsed."""
        self.lines[record["kind"]] += 1
        attempts = record.get("attempts") or ()
        for n, attempt in enumerate(attempts, 1):
            self.grades[attempt["attribution"]] += 1
            key = tuple(attempt.get(name) or NOBODY for name in ("namespace", "service", "pod"))
            pod = self.pods.setdefault(key, PodSummary())  # type: ignore[arg-type]  # three names
            pod.requests += 1
            if attempt["response_time"] is not None:
                pod.seconds.append(attempt["response_time"])
            if code := error_code(attempt):
                pod.errors[code] += 1
                pod.hidden += n < len(attempts)

    def render(self, console: Console) -> None:
        """The table, worst pods first, and a line of totals. Times are of all attempts, the failed ones too; `retried`
        are errors that another attempt followed.
        """
        # Wider than the terminal rather than folded: names are there to be copied.
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for name in ("namespace", "service", "pod"):
            table.add_column(name, no_wrap=True)
        for name in ("attempts", "errors", "by code", "retried", "p50 s", "p99 s"):
            table.add_column(name, justify="right", no_wrap=True)
        for key, pod in sorted(self.pods.items(), key=lambda item: (-item[1].errors.total(), item[0])):
            failed = pod.errors.total()
            codes = " ".join(f"{code}:{count}" for code, count in sorted(pod.errors.items()))
            times = [_seconds(pod.percentile(share)) for share in (0.5, 0.99)]
            style = "red" if failed else None
            table.add_row(*key, f"{pod.requests}", f"{failed}", codes, f"{pod.hidden}", *times, style=style)
        if self.pods:
            wide = console.measure(table, options=console.options.update(max_width=1000))
            console.width = max(console.width, wide.maximum)
            console.print(table)
        console.print(_totals("lines", self.lines), _totals("attempts", self.grades), sep="\n", highlight=False)


def _totals(what: str, counts: Counter[str]) -> str:
    parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{counts.total()} {what}" + (f": {parts}" if parts else "")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
