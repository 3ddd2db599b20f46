"""The products on the real node, one after the other: each with the daemon, and with churn behind it.

The images enricher:0.1.0, backend:0.1.0, calls:test and those of the product must be on the node (.ci/run builds them).
"""

from collections.abc import Generator

import pytest

from tests.integration.node.output import last_words
from tests.support.kube import Kube

WHAT_THE_CLUSTER_SAYS = [
    ("get", "pods", "-A", "-o", "wide"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp", "--field-selector=type!=Normal"),
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the cluster says: it is gone when somebody looks."""
    report = yield
    if report.failed and item.get_closest_marker("products"):
        report.sections += [(" ".join(command), Kube()(*command, check=False)) for command in WHAT_THE_CLUSTER_SAYS]
        report.sections.append(("the daemon's stderr", last_words()))
    return report


@pytest.fixture(scope="session")
def kube() -> Kube:
    return Kube()
