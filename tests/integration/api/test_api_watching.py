"""The watch against a real API server, and a faulty way to it: what it promises does not depend on our stand-in."""

import asyncio
import time

import pytest

from demo.fake_api import slice_of
from enricher.kube.watcher import Listed, WatchTiming

pytestmark = pytest.mark.api


async def same_as_the_server(kube, watch):
    """The consumer's state becomes what a list gives now."""
    now = await kube.request("GET", kube.path)
    wanted = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in now["items"]}
    await watch.until(lambda: watch.held() == wanted)


# Without faults


async def test_what_is_there_is_listed_and_what_happens_is_told_at_once(kube, watched, administrator):
    async with kube() as kube:
        await kube.add(slice_of("a", {"10.0.0.1": "pod-1"}))
        async with watched(administrator, kube.namespace) as watch:
            await watch.synced()
            assert [item["metadata"]["name"] for item in watch.news[0].items] == ["a"]
            before = time.time_ns()
            await kube.add(slice_of("b", {}))
            await kube.label("b", "1")
            await kube.delete("b")
            await watch.until(lambda: len(watch.changes) == 3)
            assert watch.changes == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b")]
            ats = [item.at for item in watch.news[1:]]
            assert before < ats[0] < ats[1] < ats[2] < time.time_ns()
            assert ats[2] - before < 2e9


async def test_slices_that_the_controller_makes_name_the_pod(kube, watched, administrator):
    async with kube() as kube, watched(administrator, None) as watch:
        await watch.synced()
        node = await kube.make("/api/v1/nodes", {"metadata": {"name": f"node-{kube.namespace}"}})
        pods = f"/api/v1/namespaces/{kube.namespace}/pods"
        services = f"/api/v1/namespaces/{kube.namespace}/services"
        await kube.request(
            "POST",
            services,
            {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
        )
        spec = {
            "nodeName": node["metadata"]["name"],
            "containers": [{"name": "web", "image": "web"}],
            "tolerations": [{"operator": "Exists"}],
        }
        spec |= {"automountServiceAccountToken": False}
        await kube.until_service_account()
        await kube.request("POST", pods, {"metadata": {"name": "web-1", "labels": {"app": "web"}}, "spec": spec})
        ready = {
            "phase": "Running",
            "podIP": "10.9.8.7",
            "podIPs": [{"ip": "10.9.8.7"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        await kube.request("PATCH", f"{pods}/web-1/status", {"status": ready}, "application/merge-patch+json")

        def endpoints():
            return [
                endpoint
                for item in watch.news
                if not isinstance(item, Listed) and item.object["metadata"]["namespace"] == kube.namespace
                for endpoint in item.object["endpoints"] or ()
                if endpoint["conditions"]["ready"]
            ]

        await watch.until(endpoints)
        assert endpoints()[0]["addresses"] == ["10.9.8.7"]
        assert endpoints()[0]["targetRef"]["name"] == "web-1"
        await kube.request("DELETE", f"{pods}/web-1", {"gracePeriodSeconds": 0})


async def test_a_quiet_watch_goes_on_from_connection_to_connection(kube, watched, administrator):
    """With the server's bookmarks, or without: there are none before the first event after its start."""
    async with kube() as kube:
        await kube.add(slice_of("a", {}))
        async with watched(
            administrator, kube.namespace, WatchTiming(idle_timeout=30, watch_timeout=3, stable_after=1)
        ) as watch:
            await watch.synced()
            since = watch.status.synced_changed_at
            await watch.until(lambda: watch.status.restarts.get("closed", 0) >= 3)
            assert watch.lists == 1
            versions = [int(asked.split()[1]) for asked in watch.asked if asked.startswith("watch")]
            assert versions == sorted(versions)
            await kube.add(slice_of("b", {}))
            await watch.until(lambda: watch.changes == [("ADDED", "b")])
            assert watch.status.synced_changed_at == since


async def test_a_slice_of_a_thousand_endpoints_with_long_names(kube, watched, administrator):
    pods = {f"10.1.{i // 250}.{i % 250}": f"{'long-' * 48}{i:04}" for i in range(1000)}
    async with kube() as kube, watched(administrator, kube.namespace) as watch:
        await watch.synced()
        await kube.add(slice_of("huge", pods))
        await watch.until(lambda: watch.changes)
        assert len(watch.news[-1].object["endpoints"]) == 1000
        assert watch.status.restarts == {}


async def test_a_flood_is_told_whole_and_in_order(kube, watched, administrator):
    async with kube() as kube, watched(administrator, kube.namespace) as watch:
        await watch.synced()
        await kube.add(slice_of("a", {}))
        versions = [(await kube.label("a", f"{i}"))["metadata"]["resourceVersion"] for i in range(200)]
        await watch.until(lambda: len(watch.changes) == 201)
        assert [item.object["metadata"]["resourceVersion"] for item in watch.news[2:]] == versions


# Refusals


async def test_a_missing_permission_is_named_and_a_granted_one_is_noticed(kube, watched, gate, administrator, tmp_path):
    async with kube() as kube, gate(kube.server) as way:
        accounts = f"/api/v1/namespaces/{kube.namespace}/serviceaccounts"
        await kube.request("POST", accounts, {"metadata": {"name": "watcher"}})
        token = (await kube.request("POST", f"{accounts}/watcher/token", {"spec": {}}))["status"]["token"]
        kubeconfig = way.write_kubeconfig(administrator, tmp_path / "config", {"token": token})
        async with watched(kubeconfig, None) as watch:
            await watch.until(lambda: watch.status.problem)
            resource = "endpointslices.discovery.k8s.io at the cluster scope"
            assert watch.status.problem == f"cannot list {resource}: grant the verb list"
            rules = [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]}]
            rbac = "/apis/rbac.authorization.k8s.io/v1"
            role = await kube.make(f"{rbac}/clusterroles", {"metadata": {"name": kube.namespace}, "rules": rules})
            await kube.make(
                f"{rbac}/clusterrolebindings",
                {
                    "metadata": {"name": kube.namespace},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": kube.namespace},
                    "subjects": [{"kind": "ServiceAccount", "name": "watcher", "namespace": kube.namespace}],
                },
            )
            await watch.until(lambda: watch.status.problem == f"cannot watch {resource}: grant the verb watch")
            role["rules"][0]["verbs"] = ["list", "watch"]
            await kube.request("PUT", f"{rbac}/clusterroles/{kube.namespace}", role)
            await watch.synced()
            assert set(watch.status.restarts) == {"forbidden"}


async def test_a_token_that_is_not_accepted_and_then_replaced(kube, watched, gate, administrator, tmp_path):
    async with kube() as kube, gate(kube.server) as way:
        kubeconfig = way.write_kubeconfig(administrator, tmp_path / "config", {"token": "expired"})
        async with watched(kubeconfig, kube.namespace) as watch:
            await watch.until(lambda: watch.status.restarts.get("unauthorized"))
            assert "401" in watch.status.problem
            way.write_kubeconfig(administrator, tmp_path / "config")
            await watch.synced()


# The way to it


async def test_cut_connections_are_resumed_and_nothing_is_told_twice_or_missed(
    kube, watched, gate, administrator, tmp_path
):
    async with (
        kube() as kube,
        gate(kube.server) as way,
        watched(way.write_kubeconfig(administrator, tmp_path / "config"), kube.namespace) as watch,
    ):
        await watch.synced()
        for i in range(5):
            await kube.add(slice_of(f"before-{i}", {}))
            await watch.until(lambda done=2 * i: len(watch.changes) > done)
            way.cut()
            await kube.add(slice_of(f"during-{i}", {}))
        await watch.until(lambda: len(watch.changes) == 10)
        assert watch.changes == [("ADDED", f"{when}-{i}") for i in range(5) for when in ("before", "during")]
        assert watch.lists == 1
        assert watch.status.restarts == {"closed": 5}


async def test_away_for_a_while(kube, watched, gate, administrator, tmp_path):
    async with kube() as kube, gate(kube.server) as way:
        await kube.add(slice_of("a", {}))
        async with watched(way.write_kubeconfig(administrator, tmp_path / "config"), kube.namespace) as watch:
            await watch.synced()
            await way.shut()
            await watch.until(lambda: watch.status.restarts.get("unreachable", 0) > 3)
            assert not watch.status.synced
            assert list(watch.held()) == ["a"]
            await kube.add(slice_of("b", {}))
            await kube.delete("a")
            await way.open()
            await watch.synced()
            await same_as_the_server(kube, watch)
            assert watch.lists == 1


async def test_away_at_the_start(kube, watched, gate, administrator, tmp_path):
    async with kube() as kube, gate(kube.server) as way:
        await way.shut()
        async with watched(way.write_kubeconfig(administrator, tmp_path / "config"), kube.namespace) as watch:
            await watch.until(lambda: watch.status.restarts.get("unreachable", 0) > 3)
            await way.open()
            await watch.synced()


async def test_half_open_connections_are_given_up(kube, watched, gate, administrator, tmp_path):
    async with (
        kube() as kube,
        gate(kube.server) as way,
        watched(way.write_kubeconfig(administrator, tmp_path / "config"), kube.namespace) as watch,
    ):
        await watch.synced()
        way.freeze()
        await kube.add(slice_of("b", {}))
        await watch.until(lambda: not watch.status.synced)
        assert set(watch.status.restarts) == {"silence", "unreachable"}
        assert watch.changes == []
        way.cut()
        way.thaw()
        await same_as_the_server(kube, watch)
        await watch.synced()


async def test_whatever_the_way_does_the_state_comes_out_right(kube, watched, gate, administrator, tmp_path):
    async with (
        kube() as kube,
        gate(kube.server) as way,
        watched(
            way.write_kubeconfig(administrator, tmp_path / "config"),
            kube.namespace,
            WatchTiming(idle_timeout=0.5, stable_after=0.3),
        ) as watch,
    ):
        await watch.synced()
        for turn in range(12):
            [way.cut, way.freeze, way.thaw, lambda: None][turn % 4]()
            await kube.add(slice_of(f"s-{turn}", {}))
            if turn % 3 == 2:
                await kube.delete(f"s-{turn - 1}")
            await asyncio.sleep(0.2)
        way.thaw()
        await same_as_the_server(kube, watch)


# Versions


async def test_a_version_that_the_server_does_not_have_yet_ends_in_a_list_from_etcd(kube, watched, administrator):
    """A cluster restored from a backup counts its versions from further back; a watch from ours would be silent."""
    async with kube() as kube:
        await kube.add(slice_of("a", {}))
        async with watched(
            administrator, kube.namespace, WatchTiming(idle_timeout=10)
        ) as watch:  # the server waits for 3 s
            watch.versions["list"] = "999999999999"
            await watch.until(lambda: watch.lists == 1)
            assert [asked for asked in watch.asked if asked.startswith("list")][-1] == "list "
            assert watch.status.restarts == {"gone": 1}
            await watch.synced()
            await same_as_the_server(kube, watch)
