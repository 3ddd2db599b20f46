"""Behind Envoy Gateway, what docs/proxies/envoy.md has users apply makes every attempt and its time known."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import yaml

from tests.integration.node.load import Answer
from tests.integration.node.output import Record, Samples
from tests.integration.products import envoy_gateway
from tests.integration.products.envoy_gateway.settings import DEFAULT, apply, documented
from tests.integration.products.judging import LINES, Report, judge, miscounted, rise
from tests.integration.products.product import Route
from tests.integration.products.served import Served, ServedRequests
from tests.integration.products.trial import PATHS, Trial, running_trial
from tests.support.kube import Kube, eventually

pytestmark = [pytest.mark.products, pytest.mark.timeout(300)]

NOBODY = Route("nobody", "nobody.example", envoy_gateway.HTTP)
RETRIES = yaml.safe_load((envoy_gateway.HERE / "retries.yaml").read_text())
OPERATOR = "COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)"
TYPES = "%ACCESS_LOG_TYPE%"


@pytest.fixture(scope="module")
def trial(kube: Kube) -> Iterator[Trial]:
    [product] = envoy_gateway.products()
    with running_trial(kube, product) as trial:
        yield trial


def test_a_service_without_endpoints_is_known_by_its_route(trial: Trial) -> None:
    def refused() -> None:
        assert trial.ask(NOBODY, "warm-nobody").status == 503

    eventually(refused, 60)
    answers = [trial.ask(NOBODY, f"nobody-{number:03d}") for number in range(20)]
    lines = trial.output.of(answers)
    wanted = {"status": 503, "origin": "proxy", "reason": "not_tried", "route": "httproute/default/nobody/rule/0"}
    told = Counter(str({name: line.get(name) for name in wanted}) for line in lines.values())
    print(f"{len(answers)} requests to a Service without endpoints: {dict(told)}")
    assert all(line["attempts"] == [] and line.items() >= wanted.items() for line in lines.values())


def test_the_default_has_no_time_of_the_upstream(trial: Trial) -> None:
    _, attempts, _ = timed(trial, "time-default")
    assert {attempt.get("response_time_of") for attempt in attempts} == {"request"}


def test_the_operator_gives_the_time_of_the_upstream(trial: Trial) -> None:
    apply(trial, documented("detailed-log"), until=OPERATOR)
    assert_timed(*timed(trial, "time-operator"))


def test_envoys_headers_give_the_time_of_the_upstream(trial: Trial) -> None:
    apply(trial, DEFAULT, until="suppress_envoy_headers", gone=OPERATOR)
    policy = documented("envoy-headers")
    apply(trial, policy, until="route_name", gone="suppress_envoy_headers")
    try:
        assert_timed(*timed(trial, "time-header"))
    finally:
        trial.kube("delete", "clienttrafficpolicy", policy["metadata"]["name"])


def timed(trial: Trial, name: str) -> tuple[Sequence[Answer], list[Record], dict[str, Served]]:
    """Ask for quick and slow answers; return them, the attempt of each, and what the backends say of each."""
    [route] = trial.product.routes
    served = ServedRequests()
    paths = ("/", "/delay/0.3")
    answers = [trial.ask(route, f"{name}-{number:03d}", paths[number % 2]) for number in range(40)]
    lines = trial.output.of(answers)
    attempts = [attempt for answer in answers for attempt in lines[answer.request_id]["attempts"]]
    told = {each.request_id: each for each in served.read() if each.request_id in lines}
    assert len(attempts) == len(told) == len(answers)
    longer = sorted(a["response_time"] - told[b.request_id].seconds for a, b in zip(attempts, answers, strict=True))
    print(f"{name}: {len(answers)} attempts took {longer[0]:.4f} to {longer[-1]:.4f} s more than the backends say")
    return answers, attempts, told


def assert_timed(answers: Sequence[Answer], attempts: Sequence[Record], told: dict[str, Served]) -> None:
    """The time is the attempt's own: about what the backend says, which may be late to look at its clock."""
    for answer, attempt in zip(answers, attempts, strict=True):
        assert "response_time_of" not in attempt
        assert -0.05 < attempt["response_time"] - told[answer.request_id].seconds < 0.25


def test_every_attempt_is_known_once(trial: Trial) -> None:
    apply(trial, documented("every-attempt"), until=TYPES)
    served, before = ServedRequests(), trial.scrape()
    with (
        retrying(trial),
        trial.load("tries", trial.product.routes, trial.ask, PATHS) as load,
        ThreadPoolExecutor(1) as pool,
    ):
        collecting = pool.submit(load.repeat, 0.5, served.collect)
        try:
            trial.churn(load)
        finally:
            load.stop()
        collecting.result()
    lines = trial.output.of(load.answers)
    report = judge(load.answers, lines, trial.witness, trial.steps)
    told = Counter((each.request_id, each.pod, each.status) for each in served.read() if each.request_id in lines)
    made = attempts_of(lines)
    answered = Counter((key, attempt["pod"], attempt["status"]) for key, attempt in made if is_of_pod(attempt))
    hidden = sum(attempt.get("outcome") == "hidden" for _, attempt in made)
    numbers = Counter(line["upstream_attempts"] - len(line["attempts"]) for line in lines.values())
    results = ("access", "other", "try", "parse_error")
    kinds = {result: rise(before, trial.scrape(), LINES, result=result) for result in results}
    print(
        f"every attempt: {report.table()}\n{len(made)} attempts, {hidden} of them hidden; the backends speak of "
        f"{told.total()}, {(told - answered).total()} of these are missing, and {(answered - told).total()} attempts "
        f"are answers of which they do not speak; attempts that Envoy counts and the lines lack: {dict(numbers)}; "
        f"lines {kinds}"
    )
    report.assert_attributed()
    assert not report.other_status
    assert not told - answered
    assert not answered - told
    assert min(numbers) == 0
    assert hidden
    assert not kinds["parse_error"]
    eventually(lambda: assert_counted(trial, report, before))


@contextmanager
def retrying(trial: Trial) -> Iterator[None]:
    apply(trial, RETRIES, until="num_retries")
    try:
        yield
    finally:
        trial.kube("delete", "backendtrafficpolicy", RETRIES["metadata"]["name"])


def attempts_of(lines: Mapping[str, Record]) -> list[tuple[str, Record]]:
    return [(request_id, attempt) for request_id, line in lines.items() for attempt in line["attempts"]]


def is_of_pod(attempt: Record) -> bool:
    """Whether a pod answered."""
    return attempt["status"] is not None and attempt.get("origin") != "proxy"


def assert_counted(trial: Trial, report: Report, before: Samples) -> None:
    assert not miscounted(report, before, trial.scrape())
