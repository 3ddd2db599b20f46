"""Behind what people move to, every request of a churn is attributed to the pod that answered, and every failure to the
pod that failed; what is counted is what is written.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from enricher.accesslog.grpc import STATUS_NAMES
from tests.integration.node.output import Record, Samples, total
from tests.integration.products import contour, envoy_gateway, traefik
from tests.integration.products.calls import ENDS, Caller
from tests.integration.products.judging import LINES, REQUESTS, Report, causes_between, judge, miscounted, rise
from tests.integration.products.product import Product
from tests.integration.products.trial import PATHS, Trial, running_trial
from tests.support.kube import Kube, eventually

pytestmark = [pytest.mark.products, pytest.mark.timeout(300)]

PRODUCTS = (*traefik.products(), *contour.products(), *envoy_gateway.products())


@dataclass
class Churned:
    """A trial, and what came of its churn."""

    trial: Trial
    lines: dict[str, Record]
    report: Report
    before: Samples


@pytest.fixture(scope="module", params=PRODUCTS, ids=lambda product: product.name)
def churned(request: pytest.FixtureRequest, kube: Kube) -> Iterator[Churned]:
    product: Product = request.param
    with running_trial(kube, product) as trial:
        before = trial.scrape()
        with trial.load("churn", product.routes, trial.ask, PATHS) as load:
            trial.churn(load)
        lines = trial.output.of(load.answers)
        yield Churned(trial, lines, judge(load.answers, lines, trial.witness, trial.steps), before)


def test_every_request_of_a_churn_is_attributed(churned: Churned) -> None:
    report = churned.report
    print(f"{churned.trial.product.name}: {report.table()}")
    report.assert_attributed()
    assert not report.other_status
    assert report.verdict.count(what="failed") > 0


def test_every_line_is_parsed(churned: Churned) -> None:
    after = churned.trial.scrape()
    results = {name: total(after, LINES, result=name) for name in ("access", "error", "other", "parse_error")}
    print(f"{churned.trial.product.name}: lines {results}")
    unparsed = [record for record in churned.trial.output.read() if record["kind"] == "parse_error"]
    assert not results["parse_error"], unparsed[:5]


def test_what_is_counted_is_what_is_written(churned: Churned) -> None:
    # Causes are counted once what ended the attempts has been reported.
    after = eventually(lambda: assert_counted(churned))
    print(f"{churned.trial.product.name}: causes {causes_between(churned.before, after)}")


def assert_counted(churned: Churned) -> Samples:
    after = churned.trial.scrape()
    assert not miscounted(churned.report, churned.before, after)
    return after


def test_requests_while_there_is_no_pod_are_counted_with_the_reason(churned: Churned) -> None:
    product = churned.trial.product
    untried = {request_id: line for request_id, line in churned.lines.items() if not line["attempts"]}
    for route in product.routes:
        lines = [line for request_id, line in untried.items() if f"-{route.name}-" in request_id]
        reasons = Counter(line["reason"] for line in lines)
        print(f"{product.name}, {route.name}: requests without an attempt: {dict(reasons)}")
        # For a moment pods are ready of which the proxy has not heard yet.
        named = reasons["no_endpoints"] >= 0.8 * len(lines)
        assert named if product.names_route else set(reasons) == {"not_tried"}
    after = churned.trial.scrape()
    written = Counter(line["reason"] for line in untried.values())
    assert {reason: rise(churned.before, after, REQUESTS, reason=reason) for reason in written} == written


def test_calls(churned: Churned) -> None:
    """gRPC, while the pods are replaced."""
    trial, product = churned.trial, churned.trial.product
    trial.kube("rollout", "status", "deployment/calls", "--timeout=60s")
    began = len(trial.steps)
    with trial.load("calls", product.calls, Caller(trial.proxy.ip), ENDS) as load:
        load.until(60)
        trial.kube("rollout", "restart", "deployment/calls")
        trial.kube("rollout", "status", "deployment/calls", "--timeout=60s")
        load.until(60)
    lines = trial.output.of(load.answers)
    report = judge(load.answers, lines, trial.witness, trial.steps[began:])
    report.other_status.clear()  # those of calls are within HTTP's 200
    print(f"{product.name}: {report.table()}")
    report.assert_attributed()
    if product.names_calls:
        answers = [answer for answer in load.answers if answer.pod]
        written = {a.request_id: lines[a.request_id]["attempts"][-1].get("grpc_status", "OK") for a in answers}
        assert written == {answer.request_id: STATUS_NAMES[answer.status] for answer in answers}
