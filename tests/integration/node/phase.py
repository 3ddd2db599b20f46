"""What came of a phase of a soak: its figures, and how they are held against what is true."""

import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from statistics import median

from tests.integration.node.bursts import LINES, Burst, Ledger
from tests.integration.node.load import Answer
from tests.integration.node.output import Samples, total
from tests.support.kube import Pod, get_text

REQUESTS, ERRORS = "ingress_upstream_requests_total", "ingress_upstream_errors_total"
MEMORY = 256.0
"""MiB: the limit in deploy/daemonset.yaml."""
IN_TIME = 1.0
"""Seconds within which a probe must be answered; the kubelet waits for 5."""


@dataclass
class Probes:
    """Answers of the probes, as the kubelet would ask for them: seconds, or infinity."""

    times: dict[str, list[float]] = field(default_factory=lambda: {"/livez": [], "/readyz": []})

    def ask(self, pod: Pod) -> None:
        for path, times in self.times.items():
            began = time.monotonic()
            try:
                get_text(f"http://{pod.ip}:9464{path}")
            except (OSError, HTTPException):
                times.append(float("inf"))
            else:
                times.append(time.monotonic() - began)

    def late(self, path: str) -> int:
        return sum(seconds > IN_TIME for seconds in self.times[path])


@dataclass
class Phase:
    name: str
    before: Samples
    bursts: list[Burst] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    probes: Probes = field(default_factory=Probes)
    replaced: list[str] = field(default_factory=list)
    peak: float = 0.0
    alerts: set[tuple[str, str]] = field(default_factory=set)
    """The alerts that fired in the phase, and their namespaces; alerts on the daemon have none."""
    cpu_between: float = 0.0
    """Seconds of the daemon's CPU per second between the bursts, when there is little to read."""
    scraped: float = 0.0
    """The share of Prometheus' scrapes that were answered."""
    after: Samples = field(default_factory=dict)
    restarts: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """What the pods were asked, and what failed, by pod: the truth."""
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    nameless: int = 0
    missing: int = 0
    doubled: int = 0

    def judge(self, ledger: Ledger) -> None:
        """Hold the lines against the answers and the bursts."""
        for answer in self.answers:
            self._judge_answer(answer, ledger)
        for burst in self.bursts:
            self.grades += burst.grades
            self.wrong += map(str, burst.wrong)
            self.nameless += burst.nameless
            self.missing += burst.counts.count(0)
            self.doubled += sum(count - 1 for count in burst.counts if count > 1)
            self.requests.update(burst.pods)
            self.errors.update(pod for pod, status in zip(burst.pods, burst.statuses, strict=True) if status >= 500)

    def _judge_answer(self, answer: Answer, ledger: Ledger) -> None:
        lines = ledger.requests.get(answer.request_id, [])
        self.missing += not lines
        self.doubled += max(len(lines) - 1, 0)
        if not answer.pod:
            self.wrong.append(f"no pod answered: {answer}")
            return
        self.requests[answer.pod] += 1
        self.errors[answer.pod] += answer.status >= 500
        for line in lines:
            self.grades[answer.pod, line["attribution"]] += 1
            if line.get("pod") is None:
                self.nameless += 1
            elif (line["pod"], line["namespace"], line["service"]) != (answer.pod, "default", "backend-service"):
                self.wrong.append(f"{answer}: {line}")

    @property
    def speed(self) -> float:
        """Lines per CPU-second in the bursts."""
        return self._speed(cpu_between=0.0)

    @property
    def net_speed(self) -> float:
        """The same without what the daemon uses between the bursts, too: where it has to wait, that is much of it."""
        return self._speed(self.cpu_between)

    def _speed(self, cpu_between: float) -> float:
        timed = [burst for burst in self.bursts if burst.cpu]
        cpu = sum(burst.cpu - cpu_between * burst.seconds for burst in timed)
        return sum(burst.out for burst in timed) / cpu if cpu > 0 else 0.0

    @property
    def exact(self) -> float:
        """The share of `exact` among the attempts."""
        exact = sum(count for (_, grade), count in self.grades.items() if grade == "exact")
        return exact / max(self.grades.total(), 1)

    def alerts_of(self, namespace: str) -> set[str]:
        return {name for name, of in self.alerts if of == namespace}

    def miscounted(self) -> dict[str, tuple[float, float]]:
        """What the counters of the namespace say and what is true, where they differ: the alerts go by these."""
        found: dict[str, tuple[float, float]] = {}
        for metric, truth in ((REQUESTS, self.requests), (ERRORS, self.errors)):
            rises = {pod: self._rise(metric, pod=pod) for pod in truth}
            found |= {f"{metric} {pod}": (rise, truth[pod]) for pod, rise in rises.items() if rise != truth[pod]}
            if (rise := self._rise(metric)) != truth.total():
                found[f"{metric} of the namespace"] = (rise, truth.total())
        return found

    def harm(self) -> dict[str, object]:
        """What should not be so, and is. How long things took is printed: machines are noisy."""
        figures: dict[str, object] = {
            "lines missing": self.missing,
            "lines doubled": self.doubled,
            "wrong": self.wrong[:3],
            "without a pod": self.nameless,
            "restarts": self.restarts,
            "counted otherwise": self.miscounted(),
            "MiB above the limit": self.peak if self.peak >= MEMORY else 0,
        }
        return {name: value for name, value in figures.items() if value}

    def _rise(self, metric: str, **labels: str) -> float:
        return total(self.after, metric, namespace="default", **labels) - total(
            self.before, metric, namespace="default", **labels
        )

    def table(self) -> str:
        grades = Counter[str]()
        for (_, grade), count in self.grades.items():
            grades[grade] += count
        by_burst = [round(burst.out / burst.cpu) if burst.cpu else 0 for burst in self.bursts]
        probes = ", ".join(
            f"{path}: {self.probes.late(path)} of {len(times)} late, {max(times):.2f} s at most"
            for path, times in self.probes.times.items()
        )
        finished = sum(burst.finished for burst in self.bursts)
        return "\n  ".join(
            (
                f"{self.name}:",
                f"{len(self.answers)} requests, {len(self.bursts)} bursts of {LINES} lines, {finished} out in time; "
                f"{len(self.replaced)} pods replaced",
                f"{self.speed:.0f} lines per CPU-second ({self.net_speed:.0f} net), by burst {by_burst}; "
                f"{median(b.seconds for b in self.bursts):.2f} s for a burst as a rule, "
                f"{max(b.seconds for b in self.bursts):.2f} s at most; "
                f"{self.cpu_between:.0%} of a CPU between the bursts",
                f"{self.missing} lines missing, {self.doubled} doubled; {len(self.wrong)} wrong, {self.nameless} "
                f"without a pod; {dict(grades)}; exact {self.exact:.1%}",
                f"peak memory {self.peak:.0f} MiB, {self.restarts} restarts; {probes}",
                f"errors of {len(self.errors)} pods: {self.errors.total()}; counted otherwise: {self.miscounted()}",
                f"alerts {sorted(self.alerts)}; {self.scraped:.0%} of Prometheus' scrapes answered",
                *self.wrong[:5],
            )
        )
