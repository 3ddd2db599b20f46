"""The Helm chart, as the tests render it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "enricher"
KUBERNETES = "1.33.0"
"""The version that the chart is rendered for."""


def helm(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs helm; `values` take the place of a values file."""
    program = shutil.which("helm") or pytest.fail("helm is not on the PATH")
    if (
        arguments[0] in ("lint", "template") and "--kube-version" not in arguments
    ):  # a helm that `go install` made believes in a Kubernetes of 2020
        arguments = (*arguments, "--kube-version", KUBERNETES)
    command = [program, *arguments, *(["--values", "-"] if values else [])]
    given = yaml.safe_dump(values) if values else ""
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def rendered(values: dict[str, Any] | None = None, release: str = "enricher") -> str:
    """Return what `helm install` applies: without the pod of `helm test`."""
    done = helm("template", release, str(CHART), "--namespace", "enricher", "--skip-tests", values=values)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is twice in a map, as Kustomize does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        assert len(mapping) == len(node.value), f"a key is twice in {sorted(mapping)}"
        return mapping


def objects(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    found = [document for document in yaml.load_all(text, _StrictLoader) if document]
    by_name = {(o["kind"], o["metadata"]["name"]): o for o in found}
    assert len(by_name) == len(found)
    return by_name


OF_OTHERS = ("monitoring.coreos.com/", "autoscaling.k8s.io/", "security.openshift.io/")
"""Of kinds that are no part of Kubernetes: those of the operators of Prometheus and the VPA, and of OpenShift."""
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/enricher", "tag": "0.1.0@sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "options": {
        "log-dir": "/var/log/pods",
        "profile": "ingress-nginx",
        "select": ["*/*ingress-nginx-controller*/controller", "envoy:gateways/*/envoy"],
        "controller-configmap": "edge/ingress-nginx-controller",
        "from": "end",
        "output": "none",
        "namespace": "shop",
        "services": True,
        "pods": True,
        "pod-variable": "upstream_http_x_pod_name",
        "history": 1200.5,
        "max-series": 2_000_000,
    },
    "port": 9500,
    "extraEndpoints": {"10.20.0.5:8080": "vm-1", "fd00::5": {"pod": "vm-2", "service": "billing"}},
    "hostPaths": {"docker": "/var/lib/docker/containers"},
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-node-critical",
    "updateStrategy": {"type": "RollingUpdate", "maxUnavailable": 1},
    "podAnnotations": {"example.com/who": "us"},
    "podLabels": {"example.com/team": "edge"},
    "serviceAccount": {"annotations": {"example.com/role": "reader"}},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
    },
    "scc": {"create": True},
    "vpa": {"enabled": True, "updateMode": "Initial", "maxAllowed": {"memory": "512Mi"}},
}
"""Every value that can be given together; all but `log-format`, which excludes the ConfigMap, and a ServiceMonitor."""

IMAGE = '{{ include "enricher.image" . }}'
SLEEP = "trap exit TERM; sleep infinity & wait"
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

GROUPS: dict[str, dict[str, Any]] = {
    "none": {},
    "image and names": {
        "image": {"registry": "docker.io/library", "pullPolicy": "Never"},
        "imagePullSecrets": ["own"],
        "global": {"imagePullSecrets": [{"name": "of-all"}]},
        "nameOverride": "pods",
        "commonLabels": {"example.com/team": "edge"},
        "commonAnnotations": {"example.com/who": "us"},
        "podLabels": {"example.com/pod": "a"},
        "podAnnotations": {"example.com/pod": "b"},
        "serviceAccount": {"name": "reader", "annotations": {"example.com/role": "reader"}},
    },
    "configuration": {
        "options": {"profile": "ingress-nginx", "select": ["*/*controller*/controller"], "status-page": "off"},
        "config": {"max-series": 5000, "history": 1200},
        "port": 9500,
        "extraEndpoints": {"10.20.0.5:8080": "vm-1", "10.20.0.6": {"pod": "vm-2", "service": "billing"}},
    },
    "pod and rights": {
        "options": {"services": True, "pods": True, "controller-configmap": "default/nginx", "namespace": "default"},
        "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "200Mi"}},
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "system-node-critical",
        "updateStrategy": {"type": "RollingUpdate", "maxUnavailable": 1},
        "podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0},
        "livenessProbe": {"initialDelaySeconds": 1},
        "terminationGracePeriodSeconds": 20,
        "revisionHistoryLimit": 2,
        "dnsPolicy": "Default",
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    },
    "additions": {
        "extraArgs": ["--from", "end"],
        "extraEnv": [{"name": "ENRICHER_HISTORY", "value": "600"}],
        "extraEnvFrom": [{"configMapRef": {"name": "{{ .Release.Name }}-added", "optional": True}}],
        "extraVolumes": [{"name": "added", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "added", "mountPath": "/added"}],
        "extraContainers": [
            {"name": "beside", "image": IMAGE, "command": ["sh", "-c", SLEEP], "securityContext": CONFINED}
        ],
        "extraInitContainers": [{"name": "first", "image": IMAGE, "command": ["true"], "securityContext": CONFINED}],
        "extraManifests": [
            "{apiVersion: v1, kind: ConfigMap, data: {A: b}, "
            "metadata: {name: '{{ .Release.Name }}-added', namespace: '{{ .Release.Namespace }}'}}"
        ],
    },
    "monitoring": {
        "podMonitor": {"enabled": True, "interval": "30s", "relabelings": [{"targetLabel": "a", "replacement": "b"}]},
        "prometheusRule": {
            "enabled": True,
            "disabled": ["EnricherAbsent"],
            "thresholds": {"UpstreamPodFailing": 0.1},
            "runbookUrl": "https://git.example.com",
            "slo": {"enabled": True, "objective": 99.5},
        },
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Edge"}},
        "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
    },
    "operators": {
        "serviceMonitor": {"enabled": True, "scrapeTimeout": "5s"},
        "vpa": {"enabled": True, "updateMode": "Off", "maxAllowed": {"memory": "512Mi"}},
        "scc": {"create": True},
    },
}
"""Values that go together; each group can be installed on a node that has the image enricher:0.1.0."""
