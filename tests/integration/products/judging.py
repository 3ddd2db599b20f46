"""What the daemon wrote and counted of a trial, held against what the backends said and what was done to them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.integration.node.late import seconds
from tests.integration.node.load import Answer
from tests.integration.node.output import Record, Samples, total
from tests.integration.node.verdict import Verdict
from tests.integration.node.witness import Witness
from tests.integration.products.trial import Step

ERRORS = "ingress_upstream_errors_total"
ATTEMPTS = "ingress_upstream_requests_total"
REQUESTS = "ingress_requests_total"
CAUSES = "ingress_upstream_causes_total"
LINES = "enricher_lines_total"


@dataclass
class Report:
    requests: int = 0
    answered: int = 0
    """Requests to which a pod gave the answer that the client got."""
    verdict: Verdict = field(default_factory=Verdict)
    statuses: Counter[int] = field(default_factory=Counter)
    """What clients got."""
    other_status: list[str] = field(default_factory=list)
    """Lines with another status than the client got."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failed attempts, by step and by what the line says of them."""
    untried: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests without an attempt, likewise."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts by pod, as the lines name them."""
    errors: Counter[str] = field(default_factory=Counter)

    def assert_attributed(self) -> None:
        """Assert that no attempt is certain of a wrong pod, and that practically all name the right one.

        An address that just changed hands may leave both pods as candidates.
        """
        assert not self.verdict.count(grade="exact", judged="wrong")
        assert self.verdict.count(what="answered") == self.answered
        assert self.verdict.count(what="answered", judged="right") >= 0.99 * self.answered > 0
        listed = sum(self.verdict.count(what="failed", judged=judged) for judged in ("right", "among candidates"))
        assert listed >= 0.95 * self.verdict.count(what="failed")

    def table(self) -> str:
        statuses = dict(sorted(self.statuses.items()))
        rows = [f"{self.requests} requests, {self.answered} answered by a pod, statuses {statuses}"]
        rows.append(self.verdict.table())
        for title, counts in (("failed attempts", self.failures), ("no pod was tried", self.untried)):
            rows.append(f"{title}: {counts.total()}")
            rows += [f"{count:6} {step}: {what}" for (step, what), count in sorted(counts.items())]
        return "\n".join([*rows, *self.verdict.wrong[:5], *self.other_status[:5]])


def judge(answers: Iterable[Answer], lines: Mapping[str, Record], witness: Witness, steps: Sequence[Step]) -> Report:
    report = Report()
    for answer in answers:
        line = lines[answer.request_id]
        report.requests += 1
        report.answered += answer.pod is not None
        report.statuses[answer.status] += 1
        report.verdict.judge(answer, line, witness)
        if line["status"] != answer.status:
            report.other_status.append(f"{answer}: {line}")
        step = step_at(steps, seconds(line["time"]))
        if not line["attempts"]:
            report.untried[step, described(line, "status", "reason", "cause")] += 1
        for attempt in line["attempts"]:
            report.attempts[attempt.get("pod", "")] += 1
            if is_error(attempt):
                report.errors[attempt.get("pod", "")] += 1
                what = described(attempt, "status", "grpc_status", "origin", "reason", "state", "cause", "attribution")
                report.failures[step, what] += 1
    return report


def step_at(steps: Sequence[Step], at: float) -> str:
    return next((step.name for step in steps if step.began <= at < step.ended), "before or after")


def described(record: Record, *names: str) -> str:
    return " ".join(str(record.get(name, "-")) for name in names)


def is_error(attempt: Record) -> bool:
    return (attempt["status"] or 0) >= 500 or "grpc_status" in attempt


def rise(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return total(after, name, **labels) - total(before, name, **labels)


def miscounted(report: Report, before: Samples, after: Samples) -> dict[str, tuple[float, int]]:
    """Return what the counters of pods say and what the lines say, where they differ."""
    found: dict[str, tuple[float, int]] = {}
    for metric, truth in ((ATTEMPTS, report.attempts), (ERRORS, report.errors)):
        rises = {pod: rise(before, after, metric, pod=pod) for pod in report.attempts}
        found |= {f"{metric} {pod}": (rises[pod], truth[pod]) for pod in rises if rises[pod] != truth[pod]}
    if (requests := rise(before, after, REQUESTS)) != report.requests:
        found[REQUESTS] = (requests, report.requests)
    failed = report.failures.total() + report.untried.total()
    if (causes := rise(before, after, CAUSES)) != failed:
        found[CAUSES] = (causes, failed)
    return found


def causes_between(before: Samples, after: Samples) -> dict[str, int]:
    """Return how many failures had which cause, with its grade, by the daemon's counter."""
    found = Counter[str]()
    for (name, labels), value in after.items():
        if name == CAUSES:
            of = dict(labels)
            found[f"{of['cause']} {of['cause_grade']}".strip()] += int(value - before.get((name, labels), 0))
    return dict(found.most_common())
