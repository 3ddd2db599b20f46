"""The workload of a pod is named only if the pod's name leaves no doubt."""

import pytest

from enricher.endpoints.slices import Owner
from enricher.endpoints.workloads import Workload, workload_of


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("backend-878dbc76b-k5z5k", Workload("backend", "Deployment", "878dbc76b")),
        ("my-web-6bcc84fcc8-24567", Workload("my-web", "Deployment", "6bcc84fcc8")),
        ("web-0", Workload("web", "StatefulSet")),
        ("my-db-12", Workload("my-db", "StatefulSet")),
        ("web-012", Workload()),  # an ordinal has no leading zero
        ("node-exporter-x7k2p", Workload()),  # of a DaemonSet, a ReplicaSet or a Job
        ("node-exporter-24567", Workload()),
        ("report-29542567-x7k2p", Workload()),  # of a CronJob
        ("web-878dbc7a-k5z5k", Workload()),  # no hash has an `a`
        ("web-878dbc7-k5z5k", Workload()),
        ("878dbc76b-k5z5k", Workload()),
        ("web", Workload()),
        ("", Workload()),
    ],
)
def test_names(pod: str, workload: Workload) -> None:
    assert workload_of(Owner("shop", pod, "u-1", "node-1")) == workload


def test_a_name_that_no_slice_has() -> None:
    assert workload_of(Owner("shop", "web-0", "", "")) == Workload()
