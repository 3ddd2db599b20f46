"""Pods that failed are looked up at a real API server, with no more rights than deploy/pods/role.yaml gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher.cluster.pod_source import PodSource
from enricher.endpoints.slices import Owner
from enricher.kube.client import connect
from tests.integration.api.test_check_with_few_rights import Account

pytestmark = pytest.mark.api

ROLE = Path(__file__).parents[3] / "deploy/pods/role.yaml"
CONTAINER = {"name": "app", "image": "registry.example.com/app"}
NOWHERE = {"nodeSelector": {"example.com/nowhere": "true"}, "containers": [CONTAINER]}
"""A pod that no node takes: its status is what the test writes."""
KILLED = {
    "name": "app",
    "image": "registry.example.com/app",
    "imageID": "",
    "ready": True,
    "restartCount": 1,
    "state": {"running": {"startedAt": "2026-11-27T10:00:12Z"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-27T10:00:10Z"}},
}


class Pod:
    """A pod of the test's namespace that no node has."""

    def __init__(self, kube: Any, uid: str) -> None:
        self.kube, self.owner = kube, Owner(kube.namespace, "web-1", uid, "")

    @classmethod
    async def make(cls, kube: Any) -> "Pod":
        await kube.until_service_account()
        path = f"/api/v1/namespaces/{kube.namespace}/pods"
        made = await kube.make(path, {"metadata": {"name": "web-1"}, "spec": NOWHERE})
        return cls(kube, made["metadata"]["uid"])

    async def report_end(self) -> None:
        path = f"/api/v1/namespaces/{self.kube.namespace}/pods/web-1/status"
        status = {"status": {"containerStatuses": [KILLED]}}
        await self.kube.request("PATCH", path, status, "application/merge-patch+json")

    async def report_probe(self) -> None:
        namespace = self.kube.namespace
        event = {
            "metadata": {"name": "web-1.17"},
            "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "web-1", "uid": self.owner.uid},
            "reason": "Unhealthy",
            "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
            "type": "Warning",
            "count": 3,
            "firstTimestamp": "2026-11-27T10:00:01Z",
            "lastTimestamp": "2026-11-27T10:00:09Z",
        }
        await self.kube.request("POST", f"/api/v1/namespaces/{namespace}/events", event)


@asynccontextmanager
async def looking_up(kubeconfig: Path) -> AsyncIterator[tuple[PodSource, list[float]]]:
    """Yield a source, and its clock, which the test moves on."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async with connect(str(kubeconfig)) as api:
        yield PodSource(api, clock=lambda: now[0], sleep=sleep), now


async def test_how_a_pod_ended_and_which_probe_failed(kube: Any, administrator: str, tmp_path: Path) -> None:
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        for rule in next(yaml.safe_load_all(ROLE.read_text()))["rules"]:
            [resource] = rule["resources"]
            await account.grant(resource, "", resource, rule["verbs"])
        pod = await Pod.make(it)
        async with looking_up(account.kubeconfig) as (source, now):
            source.report_failure(pod.owner)
            await source.look_up_due()
            assert (status := source.statuses.of(pod.owner.uid))
            assert status.ends == ()
            await pod.report_end()
            await pod.report_probe()
            now[0] += 2
            await source.look_up_due()
            assert (status := source.statuses.of(pod.owner.uid))
            assert [(end.container, end.exit_code, end.reason) for end in status.ends] == [("app", 137, "OOMKilled")]
            assert [(failure.kind, failure.times) for failure in status.probe_failures] == [("readiness", 3)]
            assert source.results() == {"read": 3, "gone": 0, "failed": 0, "skipped": 0, "forgotten": 0}


async def test_without_the_role_it_is_said_once(
    kube: Any, administrator: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        pod = await Pod.make(it)
        async with looking_up(account.kubeconfig) as (source, now):
            source.report_failure(pod.owner)
            for _ in range(4):
                await source.look_up_due()
                now[0] += 20
        messages = [record.getMessage() for record in caplog.records if "cannot look up" in record.getMessage()]
        # Who may not read the pod is not asked for its Events.
        assert ["deploy/pods/role.yaml" in message for message in messages] == [True]
        assert source.results()["failed"] == 4
