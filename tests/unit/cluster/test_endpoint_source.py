"""The daemon's histories, from a watch of EndpointSlices and one of Services."""

import asyncio
from contextlib import asynccontextmanager

from demo.fake_api import FakeApi, slice_of, status
from enricher.accesslog.detection import FormatDetector
from enricher.cluster import endpoint_files
from enricher.cluster.endpoint_source import EndpointWatch
from enricher.config.settings import ClusterSettings, LogSettings
from enricher.endpoints.attribution import attribute
from enricher.kube.client import connect


def service_of(name, ip, namespace="default"):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIPs": [ip], "ports": [{"port": 80}]}}


@asynccontextmanager
async def running_watch(server, tmp_path, **options):
    server.write_kubeconfig(tmp_path / "config")
    async with connect(str(tmp_path / "config")) as api:
        endpoints = EndpointWatch(api, ClusterSettings(**options))
        task = asyncio.create_task(endpoints.run())
        try:
            yield endpoints
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what it waits for is outside
            await asyncio.sleep(0.001)


async def test_services_are_watched_and_name_the_only_pod(tmp_path):
    async with FakeApi() as server:
        server.apply("ADDED", slice_of("web-1", {"10.0.0.1": "web-1"}, service="web"))
        server.apply("ADDED", service_of("web", "10.96.0.1"), plural="services")
        async with running_watch(server, tmp_path, services=True) as endpoints:
            await endpoints.wait_until_ready()
            attribution = attribute(endpoints.histories, "10.96.0.1:80", None, answered=True)
            assert (attribution.grade, attribution.owner.pod, attribution.service.name) == ("service", "web-1", "web")
            server.apply("ADDED", service_of("new", "10.96.0.2"), plural="services")
            await until(lambda: endpoints.histories.services.tenures_of_ip("10.96.0.2"))
            assert attribute(endpoints.histories, "10.96.0.2:80", None, answered=True).service.name == "new"
            await until(lambda: endpoints.watch_summary().synced)
            assert endpoints.problem() is None
            assert endpoints.watch_summary().last_event_age < 5


async def test_without_services_nobody_asks_for_them(tmp_path):
    async with FakeApi() as server, running_watch(server, tmp_path) as endpoints:
        await endpoints.wait_until_ready()
        assert {request.path for request in server.requests} == {"/apis/discovery.k8s.io/v1/endpointslices"}


async def test_nothing_is_asked_before_there_is_a_log(tmp_path):
    async with FakeApi() as server, running_watch(server, tmp_path) as endpoints:
        await asyncio.sleep(0.05)
        assert server.requests == []
        assert endpoints.problem() is None


async def test_extra_endpoints_beside_the_watch_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_files, "FILE_POLL_INTERVAL", 0.01)
    (extra := tmp_path / "extra.yaml").write_text("10.9.0.5: vm-1")
    async with FakeApi() as server:
        server.apply("ADDED", slice_of("web-1", {"10.0.0.1": "web-1"}, service="web"))
        async with running_watch(server, tmp_path, extra_endpoints=[str(extra)]) as endpoints:

            def pod_at(addr):
                owner = attribute(endpoints.histories, addr, None, answered=True).owner
                return owner and owner.pod

            await endpoints.wait_until_ready()
            assert (pod_at("10.0.0.1:8080"), pod_at("10.9.0.5:80")) == ("web-1", "vm-1")
            extra.write_text("10.9.0.5: vm-2 # longer")
            await until(lambda: pod_at("10.9.0.5:80") == "vm-2")
            extra.write_text("nonsense")
            await until(lambda: endpoints.reload_failures == 1 and endpoints.watch_summary().synced)
            assert pod_at("10.9.0.5:80") == "vm-2"
            assert f"the endpoints file {extra}: " in endpoints.problem()
            extra.unlink()
            await until(lambda: endpoints.reload_failures == 2)
            extra.write_text("10.9.0.6: vm-3")
            await until(lambda: pod_at("10.9.0.6:80") == "vm-3")
            assert (endpoints.problem(), pod_at("10.9.0.5:80")) == (None, None)


async def test_one_watch_of_two_that_fails_is_reported(tmp_path):
    class NoServices(FakeApi):
        async def _answer(self, request):
            if request.path.endswith("/services"):
                return await status(403, "no")(request)
            return await super()._answer(request)

    async with NoServices() as server, running_watch(server, tmp_path, services=True) as endpoints:
        starting = asyncio.create_task(endpoints.wait_until_ready())
        problem = "cannot list services at the cluster scope: grant the verb list"
        await until(lambda: problem in (endpoints.problem() or ""))
        assert endpoints.watch_summary().restarts["forbidden"] >= 1
        assert not endpoints.watch_summary().synced
        starting.cancel()


async def test_the_name_of_the_only_object_that_is_wanted_is_reported(tmp_path):
    class NoConfigMaps(FakeApi):
        async def _answer(self, request):
            if request.path.endswith("/configmaps"):
                return await status(403, "no")(request)
            return await super()._answer(request)

    logs = LogSettings(controller_configmap=("ingress-nginx", "controller"))
    async with NoConfigMaps() as server:
        server.write_kubeconfig(tmp_path / "config")
        async with connect(str(tmp_path / "config")) as api:
            endpoints = EndpointWatch(api, ClusterSettings(), logs, FormatDetector().default)
            task = asyncio.create_task(endpoints.run())
            starting = asyncio.create_task(endpoints.wait_until_ready())
            problem = 'cannot list configmaps "controller" in namespace "ingress-nginx": grant the verb list'
            await until(lambda: problem in (endpoints.problem() or ""))
            for one in (task, starting):
                one.cancel()
            await asyncio.gather(task, starting, return_exceptions=True)


async def test_pods_are_looked_up_once_they_fail_and_not_before(tmp_path):
    pod = {"metadata": {"namespace": "default", "name": "web-1", "uid": "uid-web-1"}, "status": {"reason": "Evicted"}}
    async with FakeApi() as server:
        server.apply("ADDED", slice_of("web-1", {"10.0.0.1": "web-1"}, service="web"))
        server.apply("ADDED", pod, plural="pods")
        async with running_watch(server, tmp_path, pods=True) as endpoints:
            await endpoints.wait_until_ready()
            assert {request.path for request in server.requests} == {"/apis/discovery.k8s.io/v1/endpointslices"}
            [tenure] = endpoints.histories.pods.tenures_of_ip("10.0.0.1")
            endpoints.failed_pods.report_failure(tenure.owner)
            await until(lambda: endpoints.histories.statuses.of("uid-web-1"))
            assert endpoints.histories.statuses.of("uid-web-1").evicted == "Evicted"


async def test_without_pods_there_are_no_statuses(tmp_path):
    async with FakeApi() as server, running_watch(server, tmp_path) as endpoints:
        assert endpoints.failed_pods is None
        assert endpoints.histories.statuses is None
