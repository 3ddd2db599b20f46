"""What the manifests promise, read from their text: no cluster needed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher.config.options import RUN
from enricher.config.resolve import resolve_settings, unknown_variables

DEPLOY = Path(__file__).parents[3] / "deploy"
OBJECTS: list[dict[str, Any]] = [
    document for path in sorted(DEPLOY.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
WORKLOADS = [o for o in OBJECTS if o["kind"] in ("DaemonSet", "Deployment")]


def the(kind: str, name: str = "enricher") -> dict[str, Any]:
    [found] = [o for o in OBJECTS if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def containers_of(workload: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod_of(workload).get("initContainers", []), *pod_of(workload)["containers"]]


def variables_of(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


CONTAINERS = [
    pytest.param(container, id=f"{workload['metadata']['name']}-{container['name']}")
    for workload in WORKLOADS
    for container in containers_of(workload)
]


def test_only_endpointslices_may_be_read_and_nothing_may_be_written() -> None:
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    assert the("ClusterRole")["rules"] == [rule]
    assert [o["kind"] for o in OBJECTS if "Role" in o["kind"]] == ["ClusterRole", "ClusterRoleBinding"]


def test_the_role_is_bound_to_the_account_the_daemon_runs_as() -> None:
    binding, account = the("ClusterRoleBinding"), the("ServiceAccount")
    assert binding["roleRef"]["name"] == the("ClusterRole")["metadata"]["name"]
    names = {"name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
    assert binding["subjects"] == [{"kind": "ServiceAccount"} | names]
    assert pod_of(the("DaemonSet"))["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_has_no_privileges(container: dict[str, Any]) -> None:
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert "privileged" not in context


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_has_bounds(container: dict[str, Any]) -> None:
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_an_image_has_a_version_and_may_be_there_already(container: dict[str, Any]) -> None:
    assert container["image"].endswith(":0.1.0")
    assert container["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize("workload", [pytest.param(w, id=w["metadata"]["name"]) for w in WORKLOADS])
def test_a_pod_runs_as_a_numbered_user_in_the_default_sandbox(workload: dict[str, Any]) -> None:
    context = pod_of(workload)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("workload", [pytest.param(w, id=w["metadata"]["name"]) for w in WORKLOADS])
def test_the_selector_finds_the_pods(workload: dict[str, Any]) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert {"app.kubernetes.io/name", "app.kubernetes.io/version", "app.kubernetes.io/part-of"} <= labels.keys()


def test_the_daemon_runs_on_every_node() -> None:
    assert pod_of(the("DaemonSet"))["tolerations"] == [{"operator": "Exists"}]


def test_the_logs_are_mounted_read_only_and_no_host_namespace_is_shared() -> None:
    pod = pod_of(the("DaemonSet"))
    [container] = pod["containers"]
    logs = next(mount for mount in container["volumeMounts"] if mount["name"] == "logs")
    assert (logs["mountPath"], logs["readOnly"]) == ("/var/log", True)
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    assert paths == {"logs": "/var/log", "state": "/var/lib/enricher"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_the_state_is_kept_where_the_daemon_is_told_to() -> None:
    [container] = pod_of(the("DaemonSet"))["containers"]
    state = next(mount for mount in container["volumeMounts"] if mount["name"] == "state")
    assert resolve_settings(RUN, {}, variables_of(container)).state_dir == state["mountPath"]


def test_what_is_executed_beside_the_daemon_sees_its_options() -> None:
    """`kubectl exec … enricher check` has the container's variables, and knows nothing of its arguments."""
    [container] = pod_of(the("DaemonSet"))["containers"]
    assert container["args"] == ["run"]
    assert unknown_variables(variables_of(container)) == []
    told = (DEPLOY.parent / "docs" / "options.md").read_text()
    assert "    kubectl -n enricher exec daemonset/enricher -- enricher check\n" in told


def test_probes_and_annotations_name_the_metrics_port() -> None:
    [container] = pod_of(the("DaemonSet"))["containers"]
    [port] = container["ports"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    annotations = the("DaemonSet")["spec"]["template"]["metadata"]["annotations"]
    assert annotations.items() >= {
        ("prometheus.io/scrape", "true"),
        ("prometheus.io/port", str(port["containerPort"])),
        ("prometheus.io/path", "/metrics"),
    }


def test_the_daemon_learns_its_place_from_the_downward_api() -> None:
    [container] = pod_of(the("DaemonSet"))["containers"]
    given = [entry for entry in container["env"] if "valueFrom" in entry]
    fields = {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in given}
    assert fields == {
        "NODE_NAME": "spec.nodeName",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }


def test_the_host_leads_to_the_backends() -> None:
    [rule] = the("Ingress", "nginx-test-ingress")["spec"]["rules"]
    service, deployment = the("Service", "backend-service"), the("Deployment", "backend")
    target = rule["http"]["paths"][0]["backend"]["service"]
    [port] = service["spec"]["ports"]
    assert (rule["host"], target) == ("wilsonchai.com", {"name": "backend-service", "port": {"number": port["port"]}})
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    [container] = pod_of(deployment)["containers"]
    assert (port["targetPort"], container["ports"][0]["containerPort"]) == (container["ports"][0]["name"], 10000)
    assert deployment["spec"]["replicas"] == 2


def test_the_scrape_job_honours_the_daemon_s_labels_and_adds_its_own() -> None:
    [job] = yaml.safe_load((DEPLOY / "prometheus" / "scrape_config.yaml").read_text())["scrape_configs"]
    assert job["honor_labels"] is True
    assert {"namespace", "pod", "node"} <= {rule.get("target_label") for rule in job["relabel_configs"]}
