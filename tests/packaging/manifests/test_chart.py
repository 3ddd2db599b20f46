"""The chart, rendered: without values it is the plain manifest; with them it is what they say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher.config.options import RUN
from enricher.config.resolve import resolve_settings, unknown_variables
from enricher.endpoints.files import load_fixed
from tests.packaging.manifests.helm_chart import CHART, DEPLOY, EVERYTHING, helm, objects, rendered

pytestmark = pytest.mark.helm

PLAIN = objects((DEPLOY / "daemonset.yaml").read_text())

LABELS_OF_HELM = {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"}
"""What the chart adds to every object's labels, and nothing else; of them `instance` is in the selector, too."""
NAMESPACE = ("Namespace", "enricher")
"""Not in the chart: Helm keeps a release in its namespace, which has to be there before."""


def without_helm(found: Any) -> Any:
    """The same, without the labels that Helm adds, wherever there are labels."""
    if isinstance(found, dict):
        kept = {key: without_helm(value) for key, value in found.items()}
        for labels in kept.keys() & {"labels", "matchLabels"}:
            kept[labels] = {key: value for key, value in kept[labels].items() if key not in LABELS_OF_HELM}
        return kept
    return [without_helm(item) for item in found] if isinstance(found, list) else found


def daemonset(values: dict[str, Any] | None = None) -> dict[str, Any]:
    return objects(rendered(values))["DaemonSet", "enricher"]


def pod(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = daemonset(values)["spec"]["template"]["spec"]
    return found


def environment(values: dict[str, Any]) -> dict[str, str]:
    [container] = pod(values)["containers"]
    found = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    assert container["args"] == ["run"]
    assert found.pop("ENRICHER_STATE_DIR") == "/var/lib/enricher"
    return found


def test_without_values_it_is_the_plain_manifest() -> None:
    assert without_helm(objects(rendered())) == {name: o for name, o in PLAIN.items() if name != NAMESPACE}


def test_all_objects_have_helm_s_labels_and_the_selector_has_the_release() -> None:
    made = objects(rendered(EVERYTHING, release="a"))
    for found in made.values():
        assert found["metadata"]["labels"].keys() >= LABELS_OF_HELM
        assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "enricher"
    spec = made["DaemonSet", "a-enricher"]["spec"]
    assert spec["selector"]["matchLabels"] == {"app.kubernetes.io/name": "enricher", "app.kubernetes.io/instance": "a"}
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("values", [None, EVERYTHING], ids=["none", "everything"])
def test_lint_has_nothing_to_say(values: dict[str, Any] | None) -> None:
    done = helm("lint", "--strict", str(CHART), values=values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["1", "null", "on", "0x1f"])
def test_a_name_that_looks_like_something_else_is_a_name(name: str) -> None:
    everything = EVERYTHING | {
        "fullnameOverride": name,
        "priorityClassName": name,
        "serviceAccount": {"name": name},
        "options": {"namespace": name, "controller-configmap": f"{name}/{name}", "services": True},
        "podMonitor": {},
        "serviceMonitor": {"enabled": True},
        "scc": {},
    }
    done = helm("template", name, str(CHART), "--namespace", name, values=everything)
    made = objects(done.stdout)
    assert {name} == {found["metadata"]["namespace"] for found in made.values()}
    for found in made.values():
        assert found["metadata"]["labels"]["app.kubernetes.io/instance"] == name
        assert found["metadata"]["name"].startswith(name)
        assert all(subject["name"] == subject["namespace"] == name for subject in found.get("subjects", []))
    spec = made["DaemonSet", name]["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == (name, name)
    assert made["Role", f"{name}-controller-configmap"]["rules"][0]["resourceNames"] == [name]


def test_a_release_with_a_dot_in_its_name() -> None:
    """A Service must not have one."""
    made = objects(rendered({"serviceMonitor": {"enabled": True}}, release="v1.2"))
    assert {kind for kind, name in made if name == "v1-2-enricher"} >= {"DaemonSet", "Service", "ServiceMonitor"}


def test_options_that_are_all_commented_out_are_none() -> None:
    assert objects(rendered({"options": None})) == objects(rendered())


def test_options_become_variables_and_what_is_not_given_becomes_none() -> None:
    assert environment(EVERYTHING) == {
        "ENRICHER_LOG_DIR": "/var/log/pods",
        "ENRICHER_PROFILE": "ingress-nginx",
        "ENRICHER_SELECT": "*/*ingress-nginx-controller*/controller envoy:gateways/*/envoy",
        "ENRICHER_CONTROLLER_CONFIGMAP": "edge/ingress-nginx-controller",
        "ENRICHER_FROM": "end",
        "ENRICHER_OUTPUT": "none",
        "ENRICHER_NAMESPACE": "shop",
        "ENRICHER_SERVICES": "true",
        "ENRICHER_PODS": "true",
        "ENRICHER_EXTRA_ENDPOINTS": "/etc/enricher/extra-endpoints.yaml",
        "ENRICHER_POD_VARIABLE": "upstream_http_x_pod_name",
        "ENRICHER_HISTORY": "1200.5",
        "ENRICHER_MAX_SERIES": "2000000",
        "ENRICHER_LISTEN": ":9500",
    }
    nothing = {"profile": "", "select": [], "services": False, "namespace": None, "log-format": ""}
    assert environment({"options": nothing}) == {}
    assert environment({"options": {"history": 0}}) == {"ENRICHER_HISTORY": "0"}


def test_the_daemon_understands_the_variables() -> None:
    variables = environment(EVERYTHING)
    assert unknown_variables(variables) == []
    settings = resolve_settings(RUN, {}, variables)
    assert settings.logs.controller_configmap == ("edge", "ingress-nginx-controller")
    assert [selector.text for selector in settings.logs.select] == [
        "*/*ingress-nginx-controller*/controller",
        "gateways/*/envoy",
    ]
    assert (settings.server.listen.port, settings.server.max_series, settings.cluster.retention) == (
        9500,
        2_000_000,
        1200.5,
    )


def test_a_log_format_arrives_as_it_was_written() -> None:
    log_format = "$remote_addr \"$request\" {{ 'x' }} \\x22 %REQ(:PATH)%\n$status"
    assert environment({"options": {"log-format": log_format}}) == {"ENRICHER_LOG_FORMAT": log_format}


def test_the_other_values_arrive_where_they_belong() -> None:
    found = daemonset(EVERYTHING)["spec"]
    assert found["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    template = found["template"]
    assert template["metadata"]["labels"]["example.com/team"] == "edge"
    assert template["metadata"]["annotations"]["example.com/who"] == "us"
    spec = template["spec"]
    assert {c["image"] for c in (*spec["containers"], *spec["initContainers"])} == {
        f"registry.example.com/enricher:{EVERYTHING['image']['tag']}"
    }
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["affinity"] == {"podAntiAffinity": {}}
    [container] = spec["containers"]
    assert container["ports"] == [{"name": "metrics", "containerPort": 9500}]
    docker = {"name": "docker", "mountPath": "/var/lib/docker/containers", "readOnly": True}
    assert docker in container["volumeMounts"]
    assert {"name": "docker", "hostPath": {"path": "/var/lib/docker/containers"}} in spec["volumes"]


def test_a_value_takes_the_place_of_the_default() -> None:
    found = pod({
        "resources": {"limits": {"cpu": None, "memory": "512Mi"}},
        "tolerations": [],
        "nodeSelector": {"role": "edge"},
        "hostPaths": {"logs": "/data/log", "state": "/data/enricher"},
        "podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0},
        "updateStrategy": {"type": "OnDelete"},
    })  # fmt: skip
    [container] = found["containers"]
    assert container["resources"]["limits"] == {"memory": "512Mi"}
    assert "tolerations" not in found
    assert found["nodeSelector"] == {"kubernetes.io/os": "linux", "role": "edge"}
    assert {v["name"]: v["hostPath"]["path"] for v in found["volumes"]} == {
        "logs": "/data/log",
        "state": "/data/enricher",
    }
    assert {m["name"]: m["mountPath"] for m in container["volumeMounts"]} == {
        "logs": "/data/log",
        "state": "/var/lib/enricher",
    }
    assert (found["securityContext"]["runAsNonRoot"], found["securityContext"]["runAsUser"]) == (False, 0)
    assert daemonset({"updateStrategy": {"type": "OnDelete"}})["spec"]["updateStrategy"] == {"type": "OnDelete"}


@pytest.mark.parametrize(
    ("option", "value", "file"),
    [
        ("services", True, "services/role.yaml"),
        ("pods", True, "pods/role.yaml"),
        ("controller-configmap", "ingress-nginx/ingress-nginx-controller", "controller-configmap/role.yaml"),
    ],
)
def test_an_option_that_reads_more_brings_just_the_right_of_the_plain_manifest(
    option: str, value: Any, file: str
) -> None:
    extra = objects((DEPLOY / file).read_text())
    made = without_helm(objects(rendered({"options": {option: value}})))
    assert {name: o for name, o in made.items() if name not in objects(rendered())} == extra


def test_a_watch_of_one_namespace_needs_no_right_beyond_it() -> None:
    made = objects(rendered({"options": {"namespace": "shop", "services": True, "pods": True}}))
    assert not [kind for kind, _ in made if kind.startswith("ClusterRole")]
    for name in ("enricher", "enricher-services", "enricher-pods"):
        role, binding = made["Role", name], made["RoleBinding", name]
        assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "shop"
        assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    assert made["Role", "enricher"]["rules"] == PLAIN["ClusterRole", "enricher"]["rules"]


def test_accounts_and_rights_may_be_somebody_else_s() -> None:
    made = objects(rendered({"serviceAccount": {"create": False, "name": "theirs"}, "rbac": {"create": False}}))
    assert made.keys() == {("DaemonSet", "enricher")}
    assert made["DaemonSet", "enricher"]["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"
    bound = objects(rendered({"serviceAccount": {"create": False, "name": "theirs"}}))
    [subject] = bound["ClusterRoleBinding", "enricher"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "theirs", "namespace": "enricher"}


ENDPOINT = {
    "port": "metrics",
    "path": "/metrics",
    "honorLabels": True,
    "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
    "metricRelabelings": [
        {"sourceLabels": ["__name__"], "regex": "(ingress|enricher)_.+_created", "action": "drop"},
    ],
}


@pytest.mark.parametrize(
    ("value", "kind", "endpoints"),
    [("podMonitor", "PodMonitor", "podMetricsEndpoints"), ("serviceMonitor", "ServiceMonitor", "endpoints")],
)
def test_a_monitor_honours_the_daemon_s_labels_and_finds_it(value: str, kind: str, endpoints: str) -> None:
    made = objects(rendered({value: {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"}}))
    monitor, found = made[kind, "enricher"], made["DaemonSet", "enricher"]["spec"]["template"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"] == {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": made["DaemonSet", "enricher"]["spec"]["selector"]["matchLabels"]},
        endpoints: [ENDPOINT | {"interval": "30s"}],
    }
    # A job that scrapes annotated pods must not count everything once more.
    assert not [name for name in found["metadata"]["annotations"] if name.startswith("prometheus.io/")]
    if kind == "ServiceMonitor":
        service = made["Service", "enricher"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["spec"]["selector"].items() <= found["metadata"]["labels"].items()
        assert service["spec"]["ports"] == [{"name": "metrics", "port": 9464, "targetPort": "metrics"}]
        assert service["spec"]["publishNotReadyAddresses"] is True


def test_rules_and_dashboards_are_those_of_the_project() -> None:
    made = objects(rendered({"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}))
    found = {o["kind"]: o.get("spec") or o.get("data") for name, o in made.items() if name not in objects(rendered())}
    expected: dict[str, Any] = {}
    for rules in DEPLOY.glob("prometheus/rules.yaml"):
        expected["PrometheusRule"] = yaml.safe_load(rules.read_text())
    if dashboards := {p.name: p.read_text() for p in DEPLOY.glob("grafana/*.json")}:
        expected["ConfigMap"] = dashboards
        assert made["ConfigMap", "enricher-dashboards"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found == expected


def test_the_network_policy_lets_through_scrapes_and_the_api_server() -> None:
    policy = objects(rendered({"networkPolicy": {"enabled": True}}))["NetworkPolicy", "enricher"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "metrics", "protocol": "TCP"}]}]
    assert policy["egress"] == [{"ports": [{"port": port, "protocol": "TCP"} for port in (443, 6443)]}]
    narrow = objects(rendered(EVERYTHING))["NetworkPolicy", "enricher"]["spec"]
    *given, test = narrow["ingress"][0]["from"]
    assert given == EVERYTHING["networkPolicy"]["metricsFrom"]
    assert test["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "enricher-test"
    assert narrow["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 6443, "protocol": "TCP"}]}
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=x", "digest"),
        ("options.profil=envoy", "profil"),
        ("options.profile=caddy", "/options/profile"),
        ("options.services=on", "/options/services"),
        ("options.pods=on", "/options/pods"),
        ("options.max-series=many", "/options/max-series"),
        ("options.controller-configmap=ingress-nginx", "/options/controller-configmap"),
        ("hostPaths.logs=var/log", "/hostPaths/logs"),
        ("port=99999", "/port"),
        ("updateStrategy.maxUnavailable=0", "/updateStrategy/maxUnavailable"),
        ("updateStrategy.maxUnavailable=110%", "/updateStrategy/maxUnavailable"),
        ("podMonitor.interval=often", "/podMonitor/interval"),
        ("nodeselector.role=edge", "nodeselector"),
        ("options.select[0]=controller", "/options/select/0"),
        ("options.controller-configmap=-/-", "/options/controller-configmap"),
        ("fullnameOverride=" + "a" * 64, "/fullnameOverride"),
        ("image=null", "'image'"),
        ("rbac=null", "'rbac'"),
        ("updateStrategy=null", "'updateStrategy'"),
        ("networkPolicy.enabled=true,networkPolicy.apiServer.ports=null", "'ports'"),
        ("podMonitor.enabled=true,serviceMonitor.enabled=true", "podMonitor.enabled and serviceMonitor.enabled"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(given: str, named: str) -> None:
    done = helm("template", "enricher", str(CHART), "--set", given)
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr


def test_addresses_outside_the_cluster_are_in_a_configmap_that_the_option_names(tmp_path: Path) -> None:
    values = {"extraEndpoints": {"10.20.0.5:8080": "vm-1", "[fd00::5]:80": {"pod": "vm-2", "service": "billing"}}}
    (data,) = objects(rendered(values))["ConfigMap", "enricher-extra-endpoints"]["data"].items()
    (mount,) = [m for m in pod(values)["containers"][0]["volumeMounts"] if m["name"] == "extra-endpoints"]
    assert environment(values)["ENRICHER_EXTRA_ENDPOINTS"] == f"{mount['mountPath']}/{data[0]}"
    (volume,) = [v for v in pod(values)["volumes"] if v["name"] == "extra-endpoints"]
    assert volume["configMap"] == {"name": "enricher-extra-endpoints"}
    (path := tmp_path / data[0]).write_text(data[1])
    assert {(t.ip, t.owner.pod) for t in load_fixed([str(path)]).tenures()} == {
        ("10.20.0.5", "vm-1"),
        ("fd00::5", "vm-2"),
    }
    assert not any(kind == "ConfigMap" for kind, _ in objects(rendered()))
