"""Pods that failed are read from an API server, cheaply, whatever it answers."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from demo.fake_api import FakeApi, status, stream
from enricher.cluster.pod_source import REQUEST_INTERVAL, PodSource
from enricher.endpoints.slices import Owner
from enricher.kube.client import connect

WEB = Owner("shop", "web-1", "uid-web-1", "node-1")


class Rig(NamedTuple):
    """A source, its server, and its clock."""

    api: FakeApi
    source: PodSource
    now: list[float]

    async def advance(self, seconds: float) -> None:
        self.now[0] += seconds
        await self.source.look_up_due()

    def paths(self) -> list[str]:
        return [request.path for request in self.api.requests]


@pytest.fixture
def open_rig(tmp_path: Path) -> Callable[[], Any]:
    @asynccontextmanager
    async def rig() -> AsyncIterator[Rig]:
        now = [1000.0]

        async def sleep(seconds: float) -> None:
            now[0] += seconds

        async with FakeApi() as server:
            server.write_kubeconfig(tmp_path / "config")
            async with connect(str(tmp_path / "config")) as api:
                yield Rig(server, PodSource(api, clock=lambda: now[0], sleep=sleep), now)

    return rig


def web(uid: str = "uid-web-1", **container: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "web-1", "uid": uid},
        "status": {"containerStatuses": [{"name": "app", "restartCount": 1, "state": {}, **container}]},
    }


def killed() -> dict[str, Any]:
    end = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-27T10:00:10Z"}
    return {"lastState": {"terminated": end}}


def unhealthy(name: str = "a", uid: str = "uid-web-1", message: str = "Readiness probe failed: 503") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": uid},
        "reason": "Unhealthy",
        "message": message,
        "lastTimestamp": "2026-11-27T10:00:09Z",
    }


async def test_nothing_is_asked_before_a_pod_fails(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        await rig.advance(1000)
        assert rig.paths() == []
        assert rig.source.results() == {"read": 0, "gone": 0, "failed": 0, "skipped": 0, "forgotten": 0}


async def test_the_end_of_a_container_that_is_reported_after_the_failure(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        rig.api.apply("ADDED", web(), plural="pods")
        rig.api.apply("ADDED", unhealthy(), plural="events")
        rig.source.report_failure(WEB)
        await rig.advance(0)
        assert (found := rig.source.statuses.of("uid-web-1"))
        assert (found.ends, found.probe_failures) == ((), ())
        rig.api.apply("MODIFIED", web(**killed()), plural="pods")
        await rig.advance(2)
        assert (found := rig.source.statuses.of("uid-web-1"))
        assert [end.reason for end in found.ends] == ["OOMKilled"]
        assert [failure.kind for failure in found.probe_failures] == ["readiness"]
        pod, *_, events = rig.api.requests
        assert (pod.path, pod.query) == ("/api/v1/namespaces/shop/pods/web-1", {"resourceVersion": "0"})
        assert events.path == "/api/v1/namespaces/shop/events"
        fields = "involvedObject.kind=Pod,involvedObject.name=web-1,involvedObject.uid=uid-web-1"
        assert events.query == {"fieldSelector": fields, "limit": "100"}


async def test_a_pod_that_is_deleted_keeps_what_was_known(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        rig.api.apply("ADDED", web(**killed()), plural="pods")
        rig.source.report_failure(WEB)
        await rig.advance(0)
        rig.api.apply("DELETED", web(), plural="pods")
        rig.api.apply("ADDED", unhealthy(), plural="events")
        await rig.advance(2)
        assert (found := rig.source.statuses.of("uid-web-1"))
        assert (len(found.ends), len(found.probe_failures)) == (1, 1)
        assert rig.source.results()["gone"] == 1


async def test_another_pod_of_the_same_name_is_not_taken_for_it(open_rig: Callable[[], Any]) -> None:
    """The next pod of a StatefulSet has the name of the one before, and a tenant's slice may name any uid."""
    async with open_rig() as rig:
        rig.api.apply("ADDED", web("uid-next", **killed()), plural="pods")
        rig.source.report_failure(WEB)
        await rig.advance(0)
        assert rig.source.statuses.of("uid-web-1") is None
        assert rig.source.statuses.of("uid-next") is None
        assert rig.source.results()["gone"] == 1


async def test_events_of_other_pods_are_left_out(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        rig.api.apply("ADDED", web(), plural="pods")
        rig.api.apply("ADDED", unhealthy("b", "uid-other"), plural="events")
        rig.source.report_failure(WEB)
        await rig.advance(2)
        await rig.advance(2)
        assert rig.source.statuses.of("uid-other") is None


async def test_a_right_that_is_missing_is_said_once_with_the_role(
    open_rig: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_rig() as rig:
        rig.api.fail(*[status(403, "forbidden")] * 10)
        rig.source.report_failure(WEB)
        rig.source.report_failure(WEB._replace(pod="web-2", uid="uid-web-2"))
        with caplog.at_level(logging.WARNING):
            for _ in range(4):
                await rig.advance(20)
        [message] = [record.getMessage() for record in caplog.records]
        assert 'cannot get pods in namespace "shop": grant the verb get' in message
        assert "deploy/pods/role.yaml" in message
        assert rig.source.results()["failed"] == 8, "one role has the right to Events too: they are not asked for"


@pytest.mark.parametrize(
    "fault",
    [status(500), status(429, retry_after="7"), stream(b"{"), stream(b"[1]"), stream(b'{"a":'), stream(then="abort")],
    ids=["500", "429", "cut", "no object", "malformed", "aborted"],
)
async def test_any_answer_is_survived(open_rig: Callable[[], Any], fault: Any) -> None:
    async with open_rig() as rig:
        rig.api.apply("ADDED", web(**killed()), plural="pods")
        rig.api.fail(fault)
        rig.source.report_failure(WEB)
        await rig.advance(0)
        assert rig.source.results()["failed"] == 1
        await rig.advance(100)
        assert rig.source.statuses.of("uid-web-1")


async def test_a_server_that_cannot_answer_is_asked_less_and_less(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        rig.api.fail(*[status(500)] * 1000)
        for number in range(200):
            rig.source.report_failure(WEB._replace(pod=f"web-{number}", uid=f"uid-{number}"))
        began = rig.now[0]
        while len(rig.api.requests) < 20:
            lookup = rig.source._queue.take(rig.now[0])
            assert lookup
            await rig.source._look_up(lookup)
        assert rig.now[0] - began > 300


async def test_an_object_without_end_is_not_read_to_its_end(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        endless = orjson.dumps(web(**killed()) | {"data": "x" * (5 << 20)})
        rig.api.fail(stream(*[endless[at : at + (1 << 20)] for at in range(0, len(endless), 1 << 20)]))
        rig.source.report_failure(WEB)
        await rig.advance(0)
        assert rig.source.results()["failed"] == 1
        assert rig.source.statuses.of("uid-web-1") is None


async def test_a_mass_failure_costs_five_requests_a_second(open_rig: Callable[[], Any]) -> None:
    async with open_rig() as rig:
        for number in range(10_000):
            rig.source.report_failure(WEB._replace(pod=f"web-{number}", uid=f"uid-{number}"))
        began = rig.now[0]
        for _ in range(100):
            lookup = rig.source._queue.take(rig.now[0])
            assert lookup
            await rig.source._look_up(lookup)
        assert len(rig.api.requests) <= (rig.now[0] - began) / REQUEST_INTERVAL + 1
        assert rig.source.results()["skipped"] == 9_000
