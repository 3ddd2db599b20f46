"""Objects of kinds that not every cluster has, and the pod of `helm test`."""

from typing import Any

import pytest

from tests.packaging.manifests.helm_chart import CHART, helm, objects, rendered

pytestmark = pytest.mark.helm


def pod(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = objects(rendered(values))["DaemonSet", "enricher"]["spec"]["template"]["spec"]
    return found


def test_openshift_lets_the_account_have_just_what_the_pod_needs() -> None:
    values = {"scc": {"create": True}, "serviceAccount": {"name": "reader"}, "namespaceOverride": "edge"}
    constraints = objects(rendered(values))["SecurityContextConstraints", "enricher"]
    assert constraints["users"] == ["system:serviceaccount:edge:reader"]
    assert "namespace" not in constraints["metadata"]
    granted = {name for name, value in constraints.items() if name.startswith("allow") and value}
    assert granted == {"allowHostDirVolumePlugin"}
    assert constraints["requiredDropCapabilities"] == ["ALL"]
    everything: dict[str, Any] = {"extraEndpoints": {"10.0.0.1": "a"}, "config": {"history": 5}}
    volumes = pod(values | everything)["volumes"]
    assert {kind for volume in volumes for kind in volume.keys() - {"name"}} <= set(constraints["volumes"])


def test_on_openshift_the_pods_may_read_the_node_s_logs() -> None:
    values: dict[str, Any] = {"scc": {"create": True}}
    plain = pod({})["securityContext"]
    assert pod(values)["securityContext"] == plain | {"seLinuxOptions": {"type": "spc_t"}}
    own = {"podSecurityContext": {"seLinuxOptions": {"type": "own_t"}}}
    assert pod(values | own)["securityContext"]["seLinuxOptions"] == {"type": "own_t"}
    assert pod(values | {"podSecurityContext": None})["securityContext"] == {"seLinuxOptions": {"type": "spc_t"}}


def test_the_autoscaler_changes_the_requests_of_the_daemon_and_no_limit() -> None:
    values = {"vpa": {"enabled": True, "minAllowed": {"memory": "96Mi"}}}
    made = objects(rendered(values))
    found = made["VerticalPodAutoscaler", "enricher"]["spec"]
    target = made["DaemonSet", "enricher"]
    assert found["targetRef"] == {"apiVersion": target["apiVersion"], "kind": "DaemonSet", "name": "enricher"}
    [policy] = found["resourcePolicy"]["containerPolicies"]
    assert policy["containerName"] == target["spec"]["template"]["spec"]["containers"][0]["name"]
    assert (policy["controlledValues"], policy["minAllowed"]) == ("RequestsOnly", {"memory": "96Mi"})
    assert "updatePolicy" not in found
    given = objects(rendered({"vpa": {"enabled": True, "updateMode": "Off"}}))["VerticalPodAutoscaler", "enricher"]
    assert given["spec"]["updatePolicy"] == {"updateMode": "Off"}


def test_the_pod_of_helm_test_is_no_daemon_and_finds_the_daemons() -> None:
    values = {"port": 9500, "imagePullSecrets": ["s"], "networkPolicy": {"enabled": True, "metricsFrom": [{}]}}
    done = helm("template", "enricher", str(CHART), "--namespace", "enricher", values=values)
    made = objects(done.stdout)
    test, service = made["Pod", "enricher-test"], made["Service", "enricher-test"]
    daemon = made["DaemonSet", "enricher"]["spec"]
    labels = test["metadata"]["labels"].items()
    assert not daemon["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= daemon["template"]["metadata"]["labels"].items()
    [container], [ours] = test["spec"]["containers"], daemon["template"]["spec"]["containers"]
    assert container["image"] == ours["image"]
    assert container["args"][1:] == ["enricher-test.enricher", "9500"]
    assert test["spec"]["imagePullSecrets"] == [{"name": "s"}]
    assert test["spec"]["automountServiceAccountToken"] is False
    allowed = made["NetworkPolicy", "enricher"]["spec"]["ingress"][0]["from"][-1]
    assert allowed["podSelector"]["matchLabels"].items() <= labels


def test_a_kubernetes_that_is_too_old_is_refused() -> None:
    done = helm("template", "enricher", str(CHART), "--kube-version", "1.20.0")
    assert done.returncode == 1
    assert "kubeVersion" in done.stderr
