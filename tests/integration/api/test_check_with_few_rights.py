"""`enricher check` as a service account with few rights, at a real API server: it tells them as they are."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.api

RBAC = "/apis/rbac.authorization.k8s.io/v1"
READS = ["list", "watch"]


class Account:
    """A service account of the test's namespace, and a kubeconfig with its token."""

    def __init__(self, kube: Any, kubeconfig: Path, log_dir: Path) -> None:
        self.kube, self.kubeconfig, self.log_dir = kube, kubeconfig, log_dir

    @classmethod
    async def make(cls, kube: Any, administrator: str, folder: Path) -> "Account":
        accounts = f"/api/v1/namespaces/{kube.namespace}/serviceaccounts"
        await kube.make(accounts, {"metadata": {"name": "few"}})
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = await kube.request("POST", f"{accounts}/few/token", asked)
        config = yaml.safe_load(await asyncio.to_thread(Path(administrator).read_text))
        for entry in config["users"]:
            entry["user"] = {"token": made["status"]["token"]}
        (folder / "config").write_text(json.dumps(config))
        (folder / "pods").mkdir()
        return cls(kube, folder / "config", folder / "pods")

    async def grant(self, name: str, group: str, resource: str, verbs: list[str], only: str = "") -> None:
        """In its own namespace."""
        roles = f"{RBAC}/namespaces/{self.kube.namespace}"
        rule = {"apiGroups": [group], "resources": [resource], "verbs": verbs} | (
            {"resourceNames": [only]} if only else {}
        )
        await self.kube.make(f"{roles}/roles", {"metadata": {"name": name}, "rules": [rule]})
        subject = {"kind": "ServiceAccount", "name": "few", "namespace": self.kube.namespace}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        await self.kube.make(
            f"{roles}/rolebindings", {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}
        )

    async def check(self, *options: str) -> tuple[int | None, dict[str, str], str]:
        command = ["-m", "enricher", "check", "--kubeconfig", str(self.kubeconfig), "--log-dir", str(self.log_dir)]
        process = await create_subprocess_exec(
            sys.executable, *command, "--listen", "127.0.0.1:0", *options, stdout=PIPE, stderr=PIPE
        )
        out, err = await process.communicate()
        assert err == b"", err
        lines = out.decode().splitlines()
        return process.returncode, {line[9:].split("  ")[0]: line[:7].strip() for line in lines}, out.decode()


async def test_what_may_be_done_is_told_as_it_is(kube: Any, administrator: str, tmp_path: Path) -> None:
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        options = ("--namespace", it.namespace, "--services", "--controller-configmap", f"{it.namespace}/controller")

        code, verdicts, out = await account.check(*options)
        assert (code, verdicts["API server"]) == (3, "ok")
        assert [verdicts[name] for name in ("endpointslices", "services", "configmaps")] == ["failed"] * 3
        assert (
            f"missing permission: list, watch (in namespace {it.namespace}): see the role in deploy/daemonset.yaml"
            in out
        )

        await account.grant("slices", "discovery.k8s.io", "endpointslices", READS)
        await account.grant("services", "", "services", ["list"])
        await account.grant("controller", "", "configmaps", READS, only="controller")
        code, verdicts, out = await account.check(*options)
        assert (code, verdicts["services"]) == (3, "failed")
        assert [verdicts[name] for name in ("endpointslices", "configmaps")] == ["ok"] * 2
        assert (
            f"missing permission: watch (in namespace {it.namespace}): see the role in deploy/services/role.yaml" in out
        )

        code, verdicts, out = await account.check("--namespace", it.namespace)
        assert (code, verdicts["endpointslices"]) == (0, "ok")
        # The right is of one namespace.
        code, verdicts, out = await account.check()
        assert (code, verdicts["endpointslices"]) == (3, "failed")
        assert "missing permission: list, watch (everywhere)" in out
        code, verdicts, out = await account.check("--controller-configmap", f"{it.namespace}/another")
        assert (code, verdicts["configmaps"]) == (3, "failed")


async def test_a_token_that_the_server_does_not_know(kube: Any, administrator: str, tmp_path: Path) -> None:
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        account.kubeconfig.write_text(account.kubeconfig.read_text().replace('"token": "', '"token": "x'))
        code, verdicts, out = await account.check()
        assert (code, verdicts["API server"]) == (3, "failed")
        assert "401" in out


async def test_what_may_not_be_looked_at_in_the_cluster_is_no_failure(
    kube: Any, administrator: str, tmp_path: Path
) -> None:
    """An administrator sees which proxies there are; the daemon's account names what it may not list."""
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        ingress_classes = "/apis/networking.k8s.io/v1/ingressclasses"
        name = f"class-{it.namespace}"
        await it.make(ingress_classes, {"metadata": {"name": name}, "spec": {"controller": "k8s.io/ingress-nginx"}})
        unknown = {"metadata": {"name": f"{name}-x"}, "spec": {"controller": "example.com/a-controller"}}
        await it.make(ingress_classes, unknown)
        labels = {"app": "ingress-nginx-controller"}
        container = {"name": "controller", "image": "none", "args": [f"--configmap=$(POD_NAMESPACE)/{name}"]}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        deployments = f"/apis/apps/v1/namespaces/{it.namespace}/deployments"
        await it.make(deployments, {"metadata": {"name": "ingress-nginx-controller"}, "spec": spec})
        configmap = {"metadata": {"name": name}, "data": {"disable-access-log": "true"}}
        await it.make(f"/api/v1/namespaces/{it.namespace}/configmaps", configmap)

        await account.grant("slices", "discovery.k8s.io", "endpointslices", READS)
        code, verdicts, out = await account.check("--namespace", it.namespace)
        assert (code, verdicts["cluster"]) == (0, "skipped")
        for resource in ("ingressclasses.networking.k8s.io", "deployments.apps", "daemonsets.apps"):
            assert out.count(f"list {resource} at the cluster scope") == 1, out

        account.kubeconfig.write_text(await asyncio.to_thread(Path(administrator).read_text))
        code, verdicts, out = await account.check("--namespace", it.namespace)
        assert "forbidden" not in out
        assert (code, verdicts[f"IngressClass {name}"], verdicts[f"IngressClass {name}-x"]) == (0, "ok", "warning")
        assert f"Deployment {it.namespace}/ingress-nginx-controller (container controller)" in out
        assert f"ConfigMap {it.namespace}/{name}: it sets disable-access-log, which keeps access lines out" in out
