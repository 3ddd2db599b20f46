"""The survey of a cluster reads long lists to their end, and keeps no more of them than it needs."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from demo.fake_api import FakeApi, list_body
from enricher.cluster import survey
from enricher.cluster.survey import survey_cluster
from enricher.kube.client import connect

CONTROLLER = "k8s.io/ingress-nginx"


class PagedApi(FakeApi):
    """It gives lists in pages of two objects."""

    async def _list(self, request, plural, namespace):
        items = [obj for key, obj in self.objects.items() if key[0] == plural and namespace in {None, key[1]}]
        begin = int(request.query.get("continue", 0))
        token = str(begin + 2) if begin + 2 < len(items) else ""
        body = list_body(items[begin : begin + 2], "7", token)
        return web.Response(body=body, content_type="application/json")


@asynccontextmanager
async def cluster(tmp_path, *, classes=0, workloads=0, filler=""):
    async with PagedApi() as server:
        for number in range(classes):
            metadata = {"name": f"class-{number}", "annotations": {"filler": filler}}
            server.apply("ADDED", {"metadata": metadata, "spec": {"controller": CONTROLLER}}, plural="ingressclasses")
        for number in range(workloads):
            containers = [{"name": "controller" if number % 3 == 0 else "web"}]
            obj = {
                "metadata": {"name": f"ingress-nginx-controller-{number}", "namespace": "edge"},
                "spec": {"template": {"spec": {"containers": containers}}},
            }
            server.apply("ADDED", obj, plural="deployments")
        server.write_kubeconfig(tmp_path / "config")
        async with connect(str(tmp_path / "config")) as api:
            yield server, api


async def test_all_pages_are_read(tmp_path):
    async with cluster(tmp_path, classes=5, workloads=7) as (_, api):
        found = await survey_cluster(api)
    assert [each.name for each in found.classes] == [f"class-{number}" for number in range(5)]
    assert [workload.name for workload in found.workloads] == [
        f"Deployment edge/ingress-nginx-controller-{number}" for number in (0, 3, 6)
    ]
    assert (found.problems, found.refusals) == ([], [])


@pytest.mark.parametrize("bound", ["MAX_ITEMS", "MAX_SIZE", "MAX_PAGES"])
async def test_a_list_is_bounded_and_that_is_said(tmp_path, monkeypatch, bound):
    monkeypatch.setattr(survey, bound, {"MAX_ITEMS": 3, "MAX_SIZE": 2500, "MAX_PAGES": 1}[bound])
    async with cluster(tmp_path, classes=9, filler="x" * 600) as (_, api):
        found = await survey_cluster(api)
    assert 0 < len(found.classes) < 4
    expected = "ingressclasses.networking.k8s.io at the cluster scope are too many: some were not looked at"
    assert found.problems == [expected]


async def test_workloads_that_are_no_proxies_take_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "MAX_ITEMS", 10)
    async with cluster(tmp_path, workloads=24) as (_, api):
        found = await survey_cluster(api)
    assert len(found.workloads) == 8
    assert found.problems == []


async def test_nothing_is_asked_of_products_that_are_not_there(tmp_path):
    async with cluster(tmp_path, classes=1) as (server, api):
        await survey_cluster(api)
        asked = {request.path.rpartition("/")[2] for request in server.requests}
    assert asked == {"gatewayclasses", "ingressclasses", "deployments", "daemonsets"}
