"""What users add to the chart or change in it: each value is where Kubernetes reads it, and nothing else changes."""

import re
from typing import Any

import pytest
import yaml

from enricher.config import file as config_file
from tests.packaging.manifests.helm_chart import CHART, EVERYTHING, helm, objects, rendered

pytestmark = pytest.mark.helm

DIGEST = "sha256:" + "0" * 64
MONITORS = {"podMonitor": "PodMonitor", "serviceMonitor": "ServiceMonitor"}


def daemonset(values: dict[str, Any]) -> dict[str, Any]:
    [found] = (o for (kind, _), o in objects(rendered(values)).items() if kind == "DaemonSet")
    return found


def pod(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = daemonset(values)["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"image": {"registry": "r.example.com/"}}, "r.example.com/enricher:0.1.0"),
        ({"image": {"digest": DIGEST}}, f"enricher:0.1.0@{DIGEST}"),
        ({"image": {"registry": "own"}, "global": {"imageRegistry": "all"}}, "all/enricher:0.1.0"),
        ({"global": {"imageRegistry": None}}, "enricher:0.1.0"),
    ],
)
def test_the_image(values: dict[str, Any], expected: str) -> None:
    found = pod(values)
    assert {container["image"] for container in (*found["initContainers"], *found["containers"])} == {expected}


def test_pull_secrets_by_name_and_as_objects() -> None:
    values = {"imagePullSecrets": ["a", {"name": "b"}], "global": {"imagePullSecrets": ["c", {"name": "d"}]}}
    assert pod(values)["imagePullSecrets"] == [{"name": name} for name in "cdab"]


def test_another_name_in_place_of_the_chart_s() -> None:
    made = objects(rendered({"nameOverride": "pods"}, release="edge"))
    assert {name for _, name in made} == {"edge-pods"}
    labels = made["DaemonSet", "edge-pods"]["spec"]["selector"]["matchLabels"]
    assert labels == {"app.kubernetes.io/name": "enricher", "app.kubernetes.io/instance": "edge"}
    long = objects(rendered({"nameOverride": "n" * 63}, release="r" * 53))
    assert all(len(name) <= 63 for _, name in long)


def test_another_namespace_for_all_objects_and_subjects() -> None:
    values = EVERYTHING | {"namespaceOverride": "edge", "options": {}}
    made = objects(rendered(values))
    everywhere = {"ClusterRole", "ClusterRoleBinding", "SecurityContextConstraints"}
    assert {o["metadata"]["namespace"] for (kind, _), o in made.items() if kind not in everywhere} == {"edge"}
    assert {subject["namespace"] for o in made.values() for subject in o.get("subjects", [])} == {"edge"}


def test_labels_and_annotations_of_all_objects() -> None:
    values = EVERYTHING | {"commonLabels": {"a": "1"}, "commonAnnotations": {"b": "2"}, "config": {"history": 5}}
    made = objects(rendered(values))
    for found in made.values():
        assert (found["metadata"]["labels"]["a"], found["metadata"]["annotations"]["b"]) == ("1", "2")
    found = made["DaemonSet", "enricher"]["spec"]
    assert (found["template"]["metadata"]["labels"]["a"], found["template"]["metadata"]["annotations"]["b"]) == (
        "1",
        "2",
    )
    assert "a" not in found["selector"]["matchLabels"]  # which can't be changed later
    assert made["ServiceAccount", "enricher"]["metadata"]["annotations"]["example.com/role"] == "reader"


def test_labels_and_annotations_in_place_of_the_chart_s() -> None:
    """Those by which the daemon's pods are found stay: the API server refuses a DaemonSet that cannot find them."""
    ours = {"app.kubernetes.io/name": "x", "app.kubernetes.io/instance": "x", "app.kubernetes.io/part-of": "edge"}
    values = {
        "commonLabels": ours | {"a": "common"},
        "podLabels": {"app.kubernetes.io/instance": "z", "app.kubernetes.io/version": "2", "a": "own"},
        "podAnnotations": {"prometheus.io/scrape": "false"},
        "podMonitor": {"enabled": True, "labels": {"a": "own"}},
    }
    done = helm("template", "enricher", str(CHART), "--namespace", "enricher", values=values)
    made = objects(done.stdout)
    found = made["DaemonSet", "enricher"]["spec"]
    labels = found["template"]["metadata"]["labels"]
    assert labels.items() >= found["selector"]["matchLabels"].items()
    names = ("app.kubernetes.io/part-of", "app.kubernetes.io/version", "a")
    assert [labels[name] for name in names] == ["edge", "2", "own"]
    assert made["PodMonitor", "enricher"]["metadata"]["labels"]["a"] == "own"
    test_pod = made["Pod", "enricher-test"]["metadata"]["labels"]
    assert test_pod["app.kubernetes.io/name"] == "enricher-test"
    annotations = daemonset({"podAnnotations": values["podAnnotations"]})["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "false"


def test_the_configuration_file(tmp_path: Any) -> None:
    """It is what the daemon reads, and a change of it replaces the pods."""
    settings = {"max-series": 500, "log-format": 'a: "$remote_addr" {x}', "select": ["*/*envoy*/envoy"]}
    made = objects(rendered({"config": settings}))
    path = tmp_path / "config.yaml"
    path.write_text(made["ConfigMap", "enricher-config"]["data"]["config.yaml"])
    assert yaml.safe_load(path.read_text()) == settings
    assert {entry.key for entry in config_file.read(str(path))} == settings.keys()
    spec = made["DaemonSet", "enricher"]["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert {"name": "ENRICHER_CONFIG", "value": "/etc/enricher-config/config.yaml"} in container["env"]
    assert {"name": "config", "mountPath": "/etc/enricher-config", "readOnly": True} in container["volumeMounts"]
    assert {"name": "config", "configMap": {"name": "enricher-config"}} in spec["volumes"]
    sums = {checksum({"config": settings | {"max-series": number}}) for number in (1, 1, 2)}
    assert len(sums) == 2


def checksum(values: dict[str, Any]) -> str:
    found: str = daemonset(values)["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
    return found


ADDITIONS: dict[str, tuple[list[Any], str]] = {
    "extraEnv": ([{"name": "A", "value": "b"}], "env"),
    "extraEnvFrom": ([{"secretRef": {"name": "s"}}], "envFrom"),
    "extraVolumeMounts": ([{"name": "formats", "mountPath": "/formats"}], "volumeMounts"),
    "extraArgs": (["--from", "end"], "args"),
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_what_is_added_to_the_container_comes_last(name: str) -> None:
    given, place = ADDITIONS[name]
    [before], [after] = pod({})["containers"], pod({name: given})["containers"]
    assert after.pop(place) == [*before.pop(place, []), *given]
    assert before == after


@pytest.mark.parametrize(
    ("name", "place"),
    [("extraVolumes", "volumes"), ("extraContainers", "containers"), ("extraInitContainers", "initContainers")],
)
def test_what_is_added_to_the_pod_comes_last(name: str, place: str) -> None:
    given = [{"name": "{{ .Release.Name }}-x", "image": "x"}]
    before, after = pod({}), pod({name: given})
    assert after.pop(place) == [*before.pop(place), {"name": "enricher-x", "image": "x"}]
    assert before == after


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("terminationGracePeriodSeconds", 60),
        ("dnsPolicy", "Default"),
        ("dnsConfig", {"nameservers": ["10.0.0.10"]}),
    ],
)
def test_settings_of_the_pod(name: str, value: Any) -> None:
    assert pod({name: value})[name] == value


@pytest.mark.parametrize("name", ["securityContext", "livenessProbe", "readinessProbe"])
def test_settings_of_the_container_are_merged(name: str) -> None:
    [before], [after] = pod({})["containers"], pod({name: {"added": 1}})["containers"]
    assert after[name] == before[name] | {"added": 1}


@pytest.mark.parametrize("value", [0, 3])
def test_how_many_revisions_are_kept(value: int) -> None:
    assert daemonset({"revisionHistoryLimit": value})["spec"]["revisionHistoryLimit"] == value
    assert "revisionHistoryLimit" not in daemonset({})["spec"]


@pytest.mark.parametrize("name", MONITORS)
def test_a_monitor_elsewhere(name: str) -> None:
    relabeling = {"targetLabel": "cluster", "replacement": "edge"}
    monitor = {
        "enabled": True,
        "namespace": "monitoring",
        "scrapeTimeout": "8s",
        "relabelings": [relabeling],
        "metricRelabelings": [{"action": "drop"}],
    }
    made = objects(rendered({name: monitor}))[MONITORS[name], "enricher"]
    assert made["metadata"]["namespace"] == "monitoring"
    assert made["spec"]["namespaceSelector"] == {"matchNames": ["enricher"]}
    [endpoint] = made["spec"].get("endpoints") or made["spec"]["podMetricsEndpoints"]
    assert endpoint["scrapeTimeout"] == "8s"
    assert endpoint["relabelings"][1:] == [relabeling]
    assert endpoint["metricRelabelings"][1:] == [{"action": "drop"}]
    dropped = re.compile(endpoint["metricRelabelings"][0]["regex"])
    assert dropped.fullmatch("ingress_upstream_errors_created")
    assert not dropped.fullmatch("ingress_upstream_errors_total")
    near = objects(rendered({name: {"enabled": True}}))[MONITORS[name], "enricher"]
    assert "namespaceSelector" not in near["spec"]


THRESHOLD = re.compile(r"([\d.]+)(?=\)?  # threshold)")


def rules(**settings: Any) -> dict[str, dict[str, Any]]:
    """Return all rules by name."""
    made = objects(rendered({"prometheusRule": {"enabled": True, **settings}}))["PrometheusRule", "enricher"]
    return {rule.get("alert") or rule["record"]: rule for group in made["spec"]["groups"] for rule in group["rules"]}


def test_rules_that_are_left_out() -> None:
    every = rules()
    names = [*every][:2] + [*every][-1:]
    assert rules(disabled=names) == {name: rule for name, rule in every.items() if name not in names}


def test_thresholds_in_place_of_those_in_the_rules() -> None:
    """Each alert that docs/dashboards.md does not describe as firing at the first sign has one, and no other number."""
    every = rules()
    having = {name: float(found[1]) for name, rule in every.items() if (found := THRESHOLD.search(rule["expr"]))}
    assert having.keys() >= {"UpstreamPodFailing", "UpstreamServiceSlow", "EnricherLags"}
    changed = rules(thresholds={name: number * 2 for name, number in having.items()})
    for name, number in having.items():
        assert float(THRESHOLD.search(changed[name]["expr"])[1]) == number * 2
        assert THRESHOLD.sub("", changed[name].pop("expr")) == THRESHOLD.sub("", every[name].pop("expr"))
    assert changed == every
    assert rules(thresholds=having).keys() == every.keys()


@pytest.mark.parametrize("name", ["EnricherAbsent", "UpstreamPodFailin", "namespace_service_pod:x"])
def test_a_threshold_that_no_alert_has_is_refused(name: str) -> None:
    values = {"prometheusRule": {"enabled": True, "thresholds": {name: 1}}}
    done = helm("template", "enricher", str(CHART), values=values)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"prometheusRule.thresholds has {name}" in done.stderr


def test_a_rule_to_leave_out_that_is_none_is_refused() -> None:
    values = {"prometheusRule": {"enabled": True, "disabled": ["EnricherAbsent", "UpstreamPodFailin"]}}
    done = helm("template", "enricher", str(CHART), values=values)
    assert (done.returncode, done.stdout) == (1, "")
    assert "prometheusRule.disabled has UpstreamPodFailin, which is no rule" in done.stderr


def test_runbooks_as_links() -> None:
    every, linked = rules(), rules(runbookUrl="https://git.example.com/enricher/")
    for name, rule in every.items():
        if path := rule.get("annotations", {}).get("runbook_url"):
            rule["annotations"]["runbook_url"] = f"https://git.example.com/enricher/{path}"
        assert linked[name] == rule
    assert any("annotations" in rule for rule in every.values())


def test_the_objective_is_in_every_rule_that_has_one() -> None:
    written = (CHART / "files" / "slo-rules.yaml").read_text()
    for objective in (99.9, 99.95, 90):
        made = rules(slo={"enabled": True, "objective": objective})
        groups = yaml.safe_load(written.replace("99.9", str(objective)))["groups"]
        expected = {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}
        assert made == rules() | expected
        assert sum(f"{objective} / 100" in rule["expr"] for rule in expected.values()) == 4


def test_dashboards_in_a_folder_elsewhere() -> None:
    values = {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Edge"}, "namespace": "grafana"}}
    made = objects(rendered(values))["ConfigMap", "enricher-dashboards"]["metadata"]
    assert (made["annotations"], made["namespace"]) == ({"grafana_folder": "Edge"}, "grafana")


def test_whole_objects_beside_the_chart_s() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-b'}"
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    made = objects(rendered({"extraManifests": [extra, text]}))
    assert made.keys() - objects(rendered()).keys() == {("ConfigMap", "a"), ("ConfigMap", "enricher-b")}


@pytest.mark.parametrize(
    "values",
    [
        {"image": {"digest": "latest"}},
        {"extraArgs": [1]},
        {"dnsPolicy": "Cluster"},
        {"config": "max-series: 5"},
        {"prometheusRule": {"disabled": "X"}},
        {"prometheusRule": {"enabled": True, "slo": None}},
        {"fullnameOverride": "n" * 59},  # a Service has it with -test after it
        {"podMonitor": {"scrapeTimeout": "soon"}},
        {"scc": {"create": "yes"}},
        {"vpa": {"updateMode": "Sometimes"}},
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, Any]) -> None:
    done = helm("template", "enricher", str(CHART), values=values)
    assert done.returncode != 0
    assert next(iter(values)) in done.stderr
