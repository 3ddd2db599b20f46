"""Services that fail in one way each: a Deployment of the backend and a Service, in a namespace of their own."""

from dataclasses import dataclass
from typing import Any

import orjson

from tests.integration.node.proxy import PORT
from tests.support.kube import Kube, Pod, eventually

NAMESPACE = "proof"


@dataclass(frozen=True)
class Service:
    name: str
    replicas: int = 2
    arguments: tuple[str, ...] = ()
    """Arguments of `python -m backend`."""
    starts_after: int = 0
    """Seconds for which the container does nothing before the backend starts and listens."""
    probed: bool = True
    """Whether there is a readiness probe; a pod without one is ready as soon as its container runs."""
    pre_stop: int = 0
    """Seconds for which the pod goes on as if nothing was, once it is deleted."""

    @property
    def label(self) -> tuple[str, str]:
        return NAMESPACE, f"app={self.name}"

    @property
    def deployment(self) -> str:
        return f"deployment/{self.name}"

    def manifest(self) -> str:
        labels = {"app": self.name}
        template = {"metadata": {"labels": labels}, "spec": self._pod()}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"replicas": self.replicas, "selector": {"matchLabels": labels}, "template": template},
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": PORT}]},
        }
        return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, service]}).decode()

    def _pod(self) -> dict[str, Any]:
        backend = " ".join(("exec python -m backend", *self.arguments))
        container: dict[str, Any] = {
            "name": "backend",
            "image": "backend:0.1.0",
            "command": ["sh", "-c", f"sleep {self.starts_after}; {backend}"],
            "resources": {"limits": {"memory": "96Mi"}},
        }
        if self.probed:
            container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1}
        if self.pre_stop:
            container["lifecycle"] = {"preStop": {"sleep": {"seconds": self.pre_stop}}}
        return {"automountServiceAccountToken": False, "containers": [container]}

    def deploy(self, kube: Kube) -> None:
        """What was patched into it stays, if it is there already."""
        kube("apply", "-f", "-", stdin=self.manifest())

    def ready(self, kube: Kube) -> list[Pod]:
        return kube.ready_pods(*self.label, count=self.replicas)

    def rolled_out(self, kube: Kube) -> None:
        kube("rollout", "status", "-n", NAMESPACE, self.deployment, "--timeout=60s")

    def settled(self, kube: Kube, before: list[Pod]) -> list[Pod]:
        """Wait until none of the pods before is left, and return the pods that took over."""

        def check() -> None:
            names = {
                item["metadata"]["name"] for item in kube.get("pods", "-n", NAMESPACE, "-l", self.label[1])["items"]
            }
            assert not names & {pod.name for pod in before}

        eventually(check, 60)
        return self.ready(kube)

    def delete(self, kube: Kube) -> None:
        names = (f"deployment/{self.name}", f"service/{self.name}")
        kube("delete", "-n", NAMESPACE, "--wait=false", "--ignore-not-found", *names)
