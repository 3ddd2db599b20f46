"""Attempts held against what is true: who answered, says the answer; who failed, the test's own watch of the pods."""

from collections import Counter
from dataclasses import dataclass, field

from tests.integration.node.late import seconds
from tests.integration.node.load import Answer
from tests.integration.node.output import Record
from tests.integration.node.witness import Witness

SLACK = 1.0
"""Seconds by which the EndpointSlices and the test's own watch may trail behind the node, and behind each other."""
GRADES = ("exact", "grace", "assumed", "ambiguous", "unknown")


@dataclass
class Verdict:
    """Counts by what the attempt was (answered, failed), its grade, and whether it names the right pod."""

    attempts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def judge(self, answer: Answer, line: Record, witness: Witness) -> None:
        """Hold each attempt of a request against the answer and the witness."""
        for number, attempt in enumerate(line["attempts"], 1):
            if answer.pod and number == len(line["attempts"]):
                self.add("answered", attempt, {answer.pod}, line)
            else:
                self.add("failed", attempt, who_may_have_failed(witness, line, number - 1), line)

    def add(self, what: str, attempt: Record, right: set[str], line: Record) -> None:
        """`right` are the pods that it may name; with none, naming nobody is right."""
        grade, pod = attempt["attribution"], attempt.get("pod")
        if pod:
            judged = "right" if pod in right else "wrong"
        else:
            named = {candidate["pod"] for candidate in attempt.get("candidates", ())}
            judged = "among candidates" if named & right else "nobody"
        self.attempts[what, grade, judged] += 1
        if judged == "wrong":
            self.wrong.append(f"{what} {grade}: {pod} at {attempt['addr']}, right is {sorted(right)}: {line}")

    def count(self, **wanted: str) -> int:
        names = ("what", "grade", "judged")
        return sum(
            n for key, n in self.attempts.items() if wanted.items() <= dict(zip(names, key, strict=True)).items()
        )

    def table(self) -> str:
        heads = ("right", "wrong", "among candidates", "nobody")
        rows = [f"{'attempts':20}{'all':>8}" + "".join(f"{head:>18}" for head in heads)]
        for what in ("answered", "failed"):
            for grade in GRADES:
                if total := self.count(what=what, grade=grade):
                    counts = (self.count(what=what, grade=grade, judged=head) for head in heads)
                    rows.append(f"{what + ', ' + grade:20}{total:8}" + "".join(f"{n:18}" for n in counts))
        return "\n".join(rows)


def ip_of(attempt: Record) -> str:
    return str(attempt["addr"]).rpartition(":")[0]


def who_may_have_failed(witness: Witness, line: Record, number: int) -> set[str]:
    attempt, earlier = line["attempts"][number], line["attempts"][:number]
    ended = seconds(line["time"])
    start = ended - line["request_time"] + sum(a["response_time"] or 0 for a in earlier)
    # Without a time of its own it may have taken all of the rest.
    end = ended if attempt["response_time"] is None else min(ended, start + attempt["response_time"])
    return witness.holders(ip_of(attempt), start, end, SLACK, left_too=attempt["attribution"] != "exact")
