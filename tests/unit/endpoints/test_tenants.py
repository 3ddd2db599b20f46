"""Tenants write what they like into slices of their own namespace: nothing gets wrong for the pods of others.

The world of test_against_the_model.py, in namespace `shop`, is attributed twice: as it is, and with claims of a tenant
upon its addresses. The figures are printed (pytest -rP).
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from enricher.endpoints.attribution import Attribution, Histories, attribute
from enricher.enrich.windows import attempt_windows
from tests.unit.endpoints.reference import HORIZON, START_UP, Life, Trial, World, ns, trials
from tests.unit.endpoints.test_against_the_model import Watch, deliver, empty_histories, possible_uids
from tests.unit.endpoints.timeline import pod, slice_

DELAY = START_UP - 1.0 - 0.1
"""The watch trails by at most this many seconds: it reports each pod before the pod's first answer."""
WORLDS, ATTEMPTS = 100, 400


@dataclass(slots=True)
class Claim:
    """A slice of the tenant: one endpoint, in the slices from one time to another (seconds)."""

    name: str
    ip: str
    pod: str
    namespace: str
    uid: str
    port: int | None
    begins: float
    ends: float
    terminating: float

    def slice(self, at: float) -> dict:
        endpoint = pod(self.ip, self.pod, uid=self.uid, terminating=self.terminating <= at, node="node-9")
        endpoint["targetRef"]["namespace"] = self.namespace
        obj = slice_(self.name, *([endpoint] if self.begins <= at < self.ends else []), service="x", port=self.port)
        obj["metadata"]["namespace"] = "evil"
        return obj


def make_claims(rng: random.Random, world: World) -> list[Claim]:
    """Return claims upon the world's addresses: for long, or about the times when pods come and go."""
    claims = []
    for number in range(rng.choice((1, 4, 12))):
        life = rng.choice(world.lives)
        name, namespace, uid = rng.choice(
            ((f"e{number}", "evil", f"evil/{number}"), (life.name, "evil", life.uid), (life.name, "shop", life.uid))
        )
        moment = rng.choice(
            (life.appears, life.terminating if life.terminating < HORIZON else life.leaves, life.leaves)
        )
        begins = rng.choice((-10.0, moment + rng.gauss(0, 1), rng.uniform(0, HORIZON)))
        ends = rng.choice((HORIZON, begins + rng.uniform(0.1, 8), begins + rng.uniform(8, 60)))
        terminating = rng.choice((begins, float("inf"), moment))
        port = rng.choice((8080, 8080, 80, None))
        claims.append(Claim(f"claim-{number}", life.ip, name, namespace, uid, port, begins, ends, terminating))
    return claims


def with_claims(watch: Watch, claims: list[Claim], rng: random.Random) -> list[tuple[float, str, object]]:
    """Return the deliveries of a watch, and those of the claims among them."""
    deliveries = []
    for at, what, obj in watch.deliveries:
        listed = [*obj, *(claim.slice(at) for claim in claims)] if isinstance(obj, list) else obj
        deliveries.append((at, what, listed))
    for claim in claims:
        last = 0.0
        for at in sorted((claim.begins, claim.terminating, claim.ends)):
            if 0 < at < HORIZON:
                last = max(last, at + rng.uniform(0, watch.delay))
                if not any(lost <= last <= relisted for lost, relisted in watch.blind):
                    deliveries.append((last, "event", claim.slice(at + 1e-6)))
    return sorted(deliveries, key=lambda delivery: delivery[0])


@dataclass(slots=True)
class Question:
    """An attempt, the service that the proxy names, and when its line is read (seconds)."""

    trial: Trial
    name: str
    read: float
    answers: list[Attribution] = field(default_factory=list)


def make_questions(rng: random.Random, world: World) -> list[Question]:
    questions = []
    for trial in trials(world, ATTEMPTS):
        listed = [life for life in world.lives if life.ip == trial.ip and life.appears <= trial.start]
        service = rng.choice(listed[-1].services) if listed else ""
        questions.append(Question(trial, f"shop-{service}-8080", trial.written + rng.choice((1.0, 8.0, 40.0))))
    return sorted(questions, key=lambda question: question.read)


def ask(deliveries: list[tuple[float, str, object]], questions: list[Question], *, named: bool) -> None:
    connected = [True]
    histories, pending = empty_histories(connected), list(deliveries)
    for question in questions:
        while pending and pending[0][0] <= question.read:
            histories = deliver(histories, connected, *pending.pop(0))
        question.answers.append(attribute_trial(histories, question.trial, question.name if named else ""))


def attribute_trial(histories: Histories, trial: Trial, name: str) -> Attribution:
    window = attempt_windows(trial.record, ns(trial.written))[0]
    answered = trial.record.attempts[0].answered
    return attribute(histories, trial.addr, window, answered=answered, upstream_name=name)


def takes_over(claims: list[Claim], life: Life, end: float, watch: Watch) -> bool:
    """Return whether a claim begins after a pod has left the slices, as a new holder's would."""
    left = life.leaves - watch.delay
    blind = [relisted for lost, relisted in watch.blind if lost <= life.leaves <= relisted]
    return any(c.ip == life.ip and left <= c.begins + watch.delay and c.begins <= max(end, *blind, 0) for c in claims)


def is_unseen(life: Life, watch: Watch) -> bool:
    """Return whether a pod came and went while the watch had no connection."""
    return any(lost <= life.appears + watch.delay and life.leaves <= relisted for lost, relisted in watch.blind)


def check_no_wrong_exact(question: Question, claims: list[Claim], watch: Watch) -> None:
    trial, attribution = question.trial, question.answers[-1]
    if attribution.grade != "exact" or attribution.owner is None or (trial.truth and is_unseen(trial.truth, watch)):
        return
    owner, truth = attribution.owner, trial.truth
    if truth:
        if owner.uid != truth.uid or owner.namespace != "shop":
            assert truth.leaves <= trial.end, (attribution, trial)
            assert takes_over(claims, truth, trial.end, watch), (attribution, trial)
    elif owner.namespace == "shop":
        assert owner.uid in possible_uids(trial, watch), (attribution, trial)
    else:
        holders = [life for life in watch.world.holders(trial.ip, trial.start, trial.end) if life.uid != owner.uid]
        seen = [life for life in holders if not is_unseen(life, watch)]
        listed = [life for life in seen if life.appears + 1 < trial.start and trial.end + 1 < life.leaves]
        assert not listed, (attribution, trial, listed)


def check_series(question: Question, claims: list[Claim], watch: Watch, figures: Counter[str]) -> None:
    clean, claimed = question.answers
    if clean.owner is None:
        return
    life = next(life for life in watch.world.lives if life.uid == clean.owner.uid)
    service = clean.service and f"shop-{clean.service.name}-8080"
    is_early = life.appears + watch.delay > question.trial.end  # nobody of others held the address
    if service != question.name or is_early or takes_over(claims, life, question.trial.end + 5, watch):
        return
    figures["compared"] += 1
    figures[f"{clean.grade}, now {claimed.grade}"] += 1
    assert claimed.owner == clean.owner, (clean, claimed, question.trial)


def run(seed: int, figures: Counter[str], *, delay: float, named: bool) -> None:
    rng = random.Random(seed)
    world = World(rng)
    watch, claims = Watch(world, delay, rng), make_claims(rng, world)
    questions = make_questions(rng, world)
    ask(watch.deliveries, questions, named=named)
    ask(with_claims(watch, claims, rng), questions, named=named)
    for question in questions:
        figures["attempts"] += 1
        figures["exact with claims"] += question.answers[1].grade == "exact"
        figures["exact without"] += question.answers[0].grade == "exact"
        check_no_wrong_exact(question, claims, watch)
        if named:
            check_series(question, claims, watch, figures)


@pytest.mark.parametrize("named", [True, False])
def test_claims_make_nothing_wrong(named: bool) -> None:
    figures: Counter[str] = Counter()
    rng = random.Random(1)
    for _ in range(WORLDS):
        run(rng.randrange(2**32), figures, delay=rng.choice((0.0, 0.3, DELAY)), named=named)
    print(dict(figures))
    assert figures["attempts"] > 25_000
    assert figures["exact with claims"] > 5_000
    assert not named or figures["compared"] > 10_000
    assert not named or figures["exact, now assumed"] > 1000
