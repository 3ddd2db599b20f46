"""A real nginx and a real Envoy in front of the same services. Both hear of the endpoints as controllers do: a watch of
the EndpointSlices, and a moment until what it reported is in use.
"""

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.integration.node.load import Answer, Load, running_load
from tests.integration.node.proxy import PORT, Proxy, forget_neighbours
from tests.integration.node.services import NAMESPACE
from tests.integration.proxies.envoy import TYPES, program, socket_address
from tests.support.kube import Kube, Pod, eventually, first_process, get_text

LATE = 1.0
"""Seconds after which both proxies use what a watch has reported.

ingress-nginx syncs once in 3.3 s at most, and Envoy's control planes gather changes for 0.1 s to 1 s.
"""
NGINX, ENVOY = "nginx", "envoy"
"""The names of the proxies, in the ids of requests, too."""
ADMIN = 9901

Backends = Mapping[str, Sequence[str]]
"""The addresses of the ready endpoints, by service."""


class Endpoints:
    """The addresses of the ready endpoints of each service, followed by a watch."""

    def __init__(self, kube: Kube, services: Sequence[str]) -> None:
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices?watch=1"
        self._kube = kube
        self._slices: dict[str, tuple[str, list[str]]] = {}
        self._services = services
        self.changes: queue.SimpleQueue[tuple[float, Backends]] = queue.SimpleQueue()
        """When a change was reported, by the monotonic clock, and all addresses as of then."""
        self._stopped = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(self._follow)
            try:
                yield
            finally:
                self._stopped.set()
                while not following.done():
                    self._process.terminate()
                    wait([following], timeout=0.1)
            following.result()

    def _follow(self) -> None:
        """Watch, and begin anew where the API server ends the watch: after its start it has been seen to do so."""
        while not self._stopped.is_set():
            command = self._kube.command("get", "--raw", self._path)
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            with self._process:
                assert self._process.stdout
                for event in map(orjson.loads, self._process.stdout):
                    if event["type"] == "ERROR":
                        print("the watch of the proxies' endpoints ended:", event["object"])
                        break
                    self._take(event["type"], event["object"])
                    self.changes.put((time.monotonic(), self._addresses()))
                self._process.terminate()

    def _take(self, type_: str, slice_: dict[str, Any]) -> None:
        name, labels = slice_["metadata"]["name"], slice_["metadata"]["labels"]
        ready = [e["addresses"][0] for e in slice_.get("endpoints") or () if e["conditions"].get("ready")]
        self._slices[name] = labels["kubernetes.io/service-name"], [] if type_ == "DELETED" else ready

    def _addresses(self) -> Backends:
        found: dict[str, list[str]] = {service: [] for service in self._services}
        for service, addresses in self._slices.values():
            found.setdefault(service, []).extend(addresses)
        return {service: sorted(addresses) for service, addresses in found.items()}


@dataclass
class TwoProxies:
    kube: Kube
    nginx: Proxy
    services: Sequence[str]
    directory: Path
    """Of Envoy's configuration."""
    envoy: Pod = field(init=False)
    applied: Backends = field(default_factory=dict)
    """What both proxies were told last."""
    version: str = ""
    """The version of nginx's configuration that says so."""
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["TwoProxies"]:
        """Both serve all services while the context lasts; nginx has its usual configuration only afterwards."""
        endpoints = Endpoints(self.kube, self.services)
        self._configure_envoy()
        self.kube("apply", "-f", "-", stdin=orjson.dumps(self._envoy_pod()).decode())
        try:
            [self.envoy] = self.kube.ready_pods(NAMESPACE, f"app={ENVOY}", 1)
            with endpoints.watching(), ThreadPoolExecutor(1) as pool:
                following = pool.submit(self._follow, endpoints)
                try:
                    yield self
                finally:
                    self._stopped.set()
                following.result()
        finally:
            self.kube("delete", "pod", "-n", NAMESPACE, ENVOY, "--wait=false")

    def _follow(self, endpoints: Endpoints) -> None:
        while not self._stopped.is_set():
            for pod in (self.nginx.pod, self.envoy):
                forget_neighbours(first_process(pod))
            try:
                at, backends = endpoints.changes.get(timeout=0.5)
            except queue.Empty:
                continue
            self._stopped.wait(at + LATE - time.monotonic())
            if backends != self.applied:
                self._tell_envoy(backends)
                self._tell_nginx(backends)
                self.applied = backends

    def serve(self, service: str, pods: Sequence[Pod]) -> None:
        """Wait until both proxies use just these pods. No request fails on the way."""

        def check() -> None:
            for pod in pods:
                get_text(f"http://{pod.ip}:{PORT}/healthz")
            assert self.applied.get(service) == sorted(pod.ip for pod in pods)
            self.nginx.serves(self.version)
            for proxy in (NGINX, ENVOY):
                answers = [self.ask(proxy, service, "", "/") for _ in range(8)]
                assert {answer.pod for answer in answers} <= {pod.name for pod in pods}

        eventually(check, 60)

    def ask(self, proxy: str, service: str, request_id: str, path: str = "/", method: str = "GET") -> Answer:
        host, port = (self.nginx.pod.ip, 80) if proxy == NGINX else (self.envoy.ip, 80)
        connection = http.client.HTTPConnection(host, port, timeout=20)
        headers = {"Host": f"{service}.{NAMESPACE}", "X-Request-ID": request_id, "Connection": "close"}
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            named = re.fullmatch(r"i am backend in (\S+)", response.read().decode())
            return Answer(request_id, response.status, named[1] if named else None)
        finally:
            connection.close()

    @contextmanager
    def load(self, service: str, *paths: str, workers: int = 4, pause: float = 0.15) -> Iterator[Load]:
        """Some 25 requests per second through each of the two."""

        def ask_of(proxy: str) -> Callable[[int], Answer]:
            def ask(number: int) -> Answer:
                path = paths[number % len(paths)] if paths else "/"
                return self.ask(proxy, service, f"{service}-{proxy}-{number:06d}", path)

            return ask

        with running_load([ask_of(NGINX), ask_of(ENVOY)] * workers, pause) as load:
            yield load

    # --- nginx -------------------------------------------------------------------------------------------------------

    def _tell_nginx(self, backends: Backends) -> None:
        # Not `kubectl exec`, which takes half a second of these two cores each time.
        master = first_process(self.nginx.pod)
        path = Path(f"/proc/{master}/root/etc/nginx/upstreams.conf")
        self.version = str(time.time_ns())
        path.write_text(nginx_configuration(backends, self.version))
        os.kill(master, signal.SIGHUP)

    # --- Envoy -------------------------------------------------------------------------------------------------------

    def _tell_envoy(self, backends: Backends) -> None:
        for service, addresses in backends.items():
            endpoints = [{"endpoint": {"address": socket_address(f"{address}:{PORT}")}} for address in addresses]
            assignment = {
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": service,
                "endpoints": [{"lb_endpoints": endpoints}],
            }
            # Envoy reads the file when another takes its place.
            new = self.directory / "new"
            new.write_text(json.dumps({"version_info": str(time.time_ns()), "resources": [assignment]}))
            new.rename(self.directory / f"{service}.json")

    def _configure_envoy(self) -> None:
        self._tell_envoy(dict.fromkeys(self.services, ()))
        log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout"}
        router = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
        manager = {
            "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "web",
            "preserve_external_request_id": True,
            "route_config": {"virtual_hosts": [virtual_host(service) for service in self.services]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
            "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        }
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        listener = {"address": socket_address("0.0.0.0:80"), "filter_chains": [{"filters": filters}]}
        resources = {"listeners": [listener], "clusters": [cluster(service) for service in self.services]}
        node = {"id": ENVOY, "cluster": ENVOY}
        admin = {"address": socket_address(f"0.0.0.0:{ADMIN}")}
        (self.directory / "envoy.json").write_text(
            json.dumps({"node": node, "admin": admin, "static_resources": resources})
        )

    def _envoy_pod(self) -> dict[str, Any]:
        mounts = {"program": Path(program()).parent, "configuration": self.directory}
        command = [f"/program/{Path(program()).name}", "--config-path", "/configuration/envoy.json"]
        command += ["--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "100"]
        container = {
            "name": "envoy",
            "image": "backend:0.1.0",
            "command": [*command, "--log-level", "error"],
            # To open the pipe that is its stdout.
            "securityContext": {"runAsUser": 0},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": ADMIN}, "periodSeconds": 1},
            "volumeMounts": [{"name": name, "mountPath": f"/{name}", "readOnly": True} for name in mounts],
        }
        volumes = [{"name": name, "hostPath": {"path": str(path)}} for name, path in mounts.items()]
        metadata = {"name": ENVOY, "namespace": NAMESPACE, "labels": {"app": ENVOY}}
        spec = {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": volumes,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def nginx_configuration(backends: Backends, version: str) -> str:
    """A server for each service, beside the usual one, with connections that are kept, as ingress-nginx has them."""
    text = 'upstream backends { server 127.0.0.1:1; }\nmap "" $nobody { default ""; }\n'
    text += f'map "" $upstreams_version {{ default "{version}"; }}\n'
    for service, addresses in backends.items():
        answer = f"proxy_pass http://{service};" if addresses else "return 503;"
        servers = " ".join(f"server {address}:{PORT} max_fails=0;" for address in addresses) or "server 127.0.0.1:1;"
        text += f"""
            upstream {service} {{ {servers} keepalive 64; }}
            server {{
                listen 80;
                server_name {service}.{NAMESPACE};
                set $proxy_upstream_name "{NAMESPACE}-{service}-{PORT}";
                set $proxy_alternative_upstream_name "";
                proxy_set_header X-Request-ID $req_id;
                proxy_set_header Connection "";
                location / {{ {answer} }}
            }}
        """
    return text


def virtual_host(service: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": service, "timeout": "2s"}}
    return {"name": service, "domains": [f"{service}.{NAMESPACE}"], "routes": [route]}


def cluster(service: str) -> dict[str, Any]:
    source = {"path_config_source": {"path": f"/configuration/{service}.json"}, "resource_api_version": "V3"}
    return {
        "name": service,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": source},
    }
