"""The roles of deploy/users let people use `tail` and `top` at a real API server, and have no rule beyond that."""

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.api.test_check_with_few_rights import Account

pytestmark = pytest.mark.api

ROLES = Path(__file__).parents[3] / "deploy/users"
RULES, RULES_OF_DAEMONS = (
    yaml.safe_load((ROLES / name).read_text())["rules"] for name in ("role.yaml", "daemons.yaml")
)
IMAGE = "registry.example.com/controller"
NOWHERE = {
    "nodeSelector": {"example.com/nowhere": "true"},
    "containers": [{"name": "controller", "image": IMAGE}],
}
RUNNING = {
    "name": "controller",
    "image": IMAGE,
    "imageID": "",
    "ready": True,
    "restartCount": 0,
    "state": {"running": {"startedAt": "2026-11-27T10:00:12Z"}},
}
"""No node takes the pod, so its log cannot be read, with whatever rights."""


async def first_problem(account: Account, namespace: str) -> str:
    """Return the first line that `tail` writes to stderr; it never reads a log here."""
    options = ["-n", namespace, "--select", f"{namespace}/proxy-*/controller"]
    command = ["-m", "enricher", "tail", "--kubeconfig", str(account.kubeconfig), *options]
    process = await create_subprocess_exec(sys.executable, *command, stderr=PIPE)
    assert process.stderr
    line = await process.stderr.readline()
    process.kill()
    await process.wait()
    return line.decode()


async def grant(account: Account, rules: list[Any], missing: int | None) -> None:
    """Grant all rules but one."""
    for number, rule in enumerate(rules):
        if number != missing:
            [group], [resource] = rule["apiGroups"], rule["resources"]
            await account.grant(f"rule-{number}", group, resource, rule["verbs"])


@pytest.mark.parametrize("missing", [None, *range(len(RULES))])
async def test_the_role_has_what_it_takes_and_no_more(
    kube: Any, administrator: str, tmp_path: Path, missing: int | None
) -> None:
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        await it.until_service_account()
        pods = f"/api/v1/namespaces/{it.namespace}/pods"
        await it.make(pods, {"metadata": {"name": "proxy-1"}, "spec": NOWHERE})
        status = {"status": {"containerStatuses": [RUNNING]}}
        await it.request("PATCH", f"{pods}/proxy-1/status", status, "application/merge-patch+json")
        await grant(account, RULES, missing)
        problem = await first_problem(account, it.namespace)
        if missing is None:
            assert "cannot get pods/log" in problem
            assert "grant" not in problem
        else:
            [resource] = RULES[missing]["resources"]
            assert f" {resource} " in problem
            assert "grant the verb" in problem


@pytest.mark.parametrize("missing", [None, *range(len(RULES_OF_DAEMONS))])
async def test_the_role_for_the_daemons_has_what_it_takes_and_no_more(
    kube: Any, administrator: str, tmp_path: Path, missing: int | None
) -> None:
    """No daemon can answer here, with whatever rights."""
    async with kube() as it:
        account = await Account.make(it, administrator, tmp_path)
        await it.until_service_account()
        pods = f"/api/v1/namespaces/{it.namespace}/pods"
        container = NOWHERE["containers"][0] | {"ports": [{"name": "metrics", "containerPort": 9464}]}
        metadata = {"name": "daemon", "labels": {"app.kubernetes.io/name": "enricher"}}
        await it.make(pods, {"metadata": metadata, "spec": NOWHERE | {"containers": [container]}})
        status = {"status": {"phase": "Running"}}
        await it.request("PATCH", f"{pods}/daemon/status", status, "application/merge-patch+json")
        await grant(account, RULES_OF_DAEMONS, missing)
        command = ["-m", "enricher", "top", "--kubeconfig", str(account.kubeconfig), "--daemons", it.namespace]
        process = await create_subprocess_exec(sys.executable, *command, stdout=PIPE, stderr=PIPE)
        out, problem = (text.decode() for text in await process.communicate())
        assert (process.returncode, out) == (3, "")
        if missing is None:
            assert "daemon: cannot get pods/proxy" in problem
            assert "grant" not in problem
        else:
            [resource], [verb] = RULES_OF_DAEMONS[missing]["resources"], RULES_OF_DAEMONS[missing]["verbs"]
            assert f"cannot {verb} {resource} in namespace" in problem
            assert f"grant the verb {verb}" in problem
