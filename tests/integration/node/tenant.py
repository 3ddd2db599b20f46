"""A hostile tenant: what one with `edit` in a namespace of its own, and the right to write EndpointSlices, can do.

All of it goes through the API with the tenant's own credentials, or from a pod in the tenant's namespace.
"""

import base64
import http.client
import itertools
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.integration.node.lies import Written, slice_of
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod

NAMESPACE = "hostile"
POD = "attacker"
SLICES = 200
"""EndpointSlices that the tenant writes before it begins to change them."""
CHANGES = 20
"""EndpointSlices that change each second."""
CPU = "500m"
"""What the tenant's pod may use of the machine's two cores, which the daemon, the proxy and the API server share."""
PAUSE = 1.0
"""Seconds from one round of changes to the next."""
SLICES_API = "/apis/discovery.k8s.io/v1"


class Tenant:
    """The tenant's account and its attacks upon somebody else's pods.

    Slices claim the address of the first one. Requests fail at a port of the last one where nothing listens.
    """

    def __init__(self, kube: Kube, proxy: Proxy, victims: Sequence[Pod]) -> None:
        self._kube, self._proxy = kube, proxy
        self.victims = victims
        self.answers: Counter[int] = Counter()
        self._turns = itertools.count()
        self._stopped = threading.Event()
        cluster = json.loads(kube("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=authority))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
        self._server = cluster["server"]
        self._token = kube("create", "token", "-n", NAMESPACE, "mallory", "--duration=2h").strip()

    @contextmanager
    def attacking(self, daemon: Pod, seconds: float) -> Iterator[None]:
        """Attack from the first slice on until the block ends; the pod does for so many seconds."""
        targets = {"PROXY": self._proxy.pod.ip, "DAEMON": daemon.ip}
        account = f"--as=system:serviceaccount:{NAMESPACE}:mallory"
        self._kube("create", account, "-f", "-", stdin=json.dumps(pod(targets, seconds)))
        self._kube("wait", "-n", NAMESPACE, "--for=condition=Ready", f"pod/{POD}", "--timeout=60s")
        self._own = self._kube.get("pod", "-n", NAMESPACE, POD)["status"]["podIP"]
        self._request("POST", "/api/v1", "services", service(80))
        for number in range(SLICES):
            self._request("POST", SLICES_API, "endpointslices", self._slice(number))
        thread = threading.Thread(target=self._change)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self._kube("delete", "pod", "-n", NAMESPACE, POD, "--wait")

    def _change(self) -> None:
        numbers = itertools.cycle(range(SLICES))
        while not self._stopped.is_set():
            for number in itertools.islice(numbers, CHANGES):
                self._request("PUT", SLICES_API, f"endpointslices/claim-{number}", self._slice(number))
            self._request("PUT", "/api/v1", "services/web", service(next(self._turns) % 60000 + 1))
            self._ask_a_dead_port()
            self._stopped.wait(PAUSE)

    def _ask_a_dead_port(self) -> None:
        """Let the tenant's Ingress fail at the address of somebody else's pod."""
        headers = {"Host": "hostile.example", "X-Upstream": f"{self.victims[-1].ip}:1"}
        connection = http.client.HTTPConnection(self._proxy.pod.ip, 80, timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/dead-port", headers=headers)
            connection.getresponse().read()

    def _request(self, method: str, api: str, path: str, body: Written) -> None:
        request = urllib.request.Request(
            f"{self._server}{api}/namespaces/{NAMESPACE}/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=10) as response:
                self.answers[response.status] += 1
        except urllib.error.HTTPError as error:
            self.answers[error.code] += 1
        except OSError:
            self.answers[0] += 1

    def _slice(self, number: int) -> Written:
        return slice_of(number, next(self._turns), NAMESPACE, self.victims[0], self._own)


@contextmanager
def namespace(kube: Kube) -> Iterator[None]:
    """The tenant's namespace, and its account with its rights."""
    rights = ["--verb=create,update,delete,get,list", "--resource=endpointslices"]
    kube("create", "namespace", NAMESPACE)
    kube("create", "serviceaccount", "-n", NAMESPACE, "mallory")
    kube("create", "role", "-n", NAMESPACE, "slices", *rights)
    for name, role in (("edit", "--clusterrole=edit"), ("slices", "--role=slices")):
        account = f"--serviceaccount={NAMESPACE}:mallory"
        kube("create", "rolebinding", "-n", NAMESPACE, name, role, account)
    try:
        yield
    finally:
        kube("delete", "namespace", NAMESPACE, "--wait=false")
        kube("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=120s", timeout=150)


def service(target_port: int) -> Written:
    port = {"name": "http", "port": 80, "targetPort": target_port}
    spec = {"selector": {"app": POD}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def pod(targets: dict[str, str], seconds: float) -> Written:
    own = {"name": "OWN", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    variables = [{"name": name, "value": value} for name, value in (targets | {"SECONDS": str(seconds)}).items()]
    container = {
        "name": "attacker",
        "image": "backend:0.1.0",
        "command": ["python", "-c", (Path(__file__).parent / "attacker.py").read_text()],
        "env": [own, *variables],
        "resources": {"limits": {"cpu": CPU, "memory": "256Mi"}},
    }
    spec = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": NAMESPACE, "labels": {"app": POD}},
        "spec": spec,
    }
