"""The whole of it on a real node: deploy/ applied as it is, nginx in front of the backends, both kept for all tests.

The images enricher:0.1.0, backend:0.1.0 and ingress-nginx-controller:test must be on the node (.ci/run builds them).
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.integration.node.installed import BACKEND, DAEMON, DEPLOY, remove_deployed, wait_for_deployed
from tests.integration.node.output import Output, last_words
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod

HERE = Path(__file__).parent
CONTROLLER = HERE / "nginx" / "controller.yaml"


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    kube = Kube()
    remove(kube)
    # The controller comes first: the daemon finds a log that is there already, and may look at its beginning.
    kube("apply", "-f", str(CONTROLLER))
    kube("apply", "-f", str(DEPLOY))
    kube("rollout", "status", "-n", "ingress-nginx", "deployment/ingress-nginx-controller", "--timeout=60s")
    wait_for_deployed(kube)
    yield kube
    remove(kube)


def remove(kube: Kube) -> None:
    kube("delete", "--ignore-not-found", "--wait", "-f", str(CONTROLLER))
    remove_deployed(kube)


@pytest.fixture(scope="session")
def output(kube: Kube) -> Output:
    return Output()


@pytest.fixture
def daemon(kube: Kube) -> Pod:
    [pod] = kube.ready_pods(*DAEMON, count=1)
    return pod


@pytest.fixture
def backends(kube: Kube) -> list[Pod]:
    return kube.ready_pods(*BACKEND, count=2)


@pytest.fixture(scope="session")
def controller(kube: Kube) -> Proxy:
    return Proxy(kube)


@pytest.fixture
def proxy(controller: Proxy, backends: list[Pod]) -> Proxy:
    """With the backends of the moment behind it."""
    controller.use(backends)
    return controller


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the cluster says: it is gone when somebody looks."""
    report = yield
    if report.failed and item.get_closest_marker("node"):
        report.sections += [(" ".join(command), Kube()(*command, check=False)) for command in WHAT_THE_CLUSTER_SAYS]
        report.sections.append(("the daemon's stderr", last_words()))
    return report


WHAT_THE_CLUSTER_SAYS = [
    ("get", "pods", "-A", "-o", "wide"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp", "--field-selector=type!=Normal"),
    ("logs", "-n", "ingress-nginx", "-l", "app=ingress-nginx-controller", "--tail=15"),
]
