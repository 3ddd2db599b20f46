"""The nginx pod in front of the backends: its upstreams, and requests through it."""

import http.client
import itertools
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.integration.node.load import Answer, Load, running_load
from tests.support.kube import Kube, Pod, eventually, first_process

NAMESPACE, LABEL = "ingress-nginx", "app=ingress-nginx-controller"
PORT = 10000


class Proxy:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        [self.pod] = kube.ready_pods(NAMESPACE, LABEL, 1)
        self._process = first_process(self.pod)
        self._versions = itertools.count(1)

    def use(self, pods: Sequence[Pod]) -> None:
        """From the return on, new requests go to these pods; without any, the proxy answers 503 by itself."""
        self.forget_neighbours()
        version = f"{time.time_ns()}-{next(self._versions)}"
        # max_fails=0: nginx keeps trying an address that failed, as ingress-nginx's balancer does.
        servers = "".join(f"server {pod.ip}:{PORT} max_fails=0; " for pod in pods)
        text = f"upstream backends {{ {servers or 'server 127.0.0.1:1;'} }}\n"
        text += f'map "" $upstreams_version {{ default "{version}"; }}\n'
        text += f'map "" $nobody {{ default "{"" if pods else 1}"; }}\n'
        command = ("sh", "-c", "cat >/etc/nginx/upstreams.conf && nginx -s reload")
        self._kube("exec", "-i", "-n", NAMESPACE, self.pod.name, "--", *command, stdin=text)
        eventually(lambda: self.serves(version))

    def forget_neighbours(self) -> None:
        forget_neighbours(self._process)

    def serves(self, version: str) -> None:
        """Assert that the configuration of this version is in use."""
        # Old and new workers accept side by side for a moment: one answer proves little.
        for _ in range(20):
            assert self.fetch("/upstreams-version", "")[1] == version

    def fetch(self, path: str, request_id: str, method: str = "GET", agent: str = "e2e") -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.pod.ip, 80, timeout=20)
        headers = {"Host": "wilsonchai.com", "X-Request-ID": request_id, "User-Agent": agent, "Connection": "close"}
        try:
            connection.request(method, path, body=b"a=1" if method == "POST" else None, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ask(self, request_id: str, path: str = "/", method: str = "GET", agent: str = "e2e") -> Answer:
        status, body = self.fetch(path, request_id, method, agent)
        named = re.fullmatch(r"i am backend in (\S+)", body)
        return Answer(request_id, status, named[1] if named else None)

    def ask_all(self, requests: Sequence[tuple[str, str, str]]) -> list[Answer]:
        """Each request is an id, a path and a method."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda request: self.ask(*request), requests))

    @contextmanager
    def load(self, name: str, *paths: str, agent: str = "e2e", workers: int = 4, pause: float = 0.02) -> Iterator[Load]:
        """Each worker waits for `pause` seconds between its requests."""

        def ask(number: int) -> Answer:
            return self.ask(f"{name}-{number:06d}", paths[number % len(paths)] if paths else "/", agent=agent)

        with running_load([ask] * workers, pause) as load:
            yield load


def forget_neighbours(process: int) -> None:
    """Let the node, and the pod of a process, ask anew who has an address.

    A new pod at an address has a new hardware address. Where addresses come back within a second, the node and a proxy
    would send to the old one for half a minute: none of the new pods would ever be heard of.
    """
    # Of an address that is being asked for, requests wait: they would be refused.
    known = (word for state in ("reachable", "stale", "delay", "probe") for word in ("nud", state))
    flush = ("ip", "neigh", "flush", "all", *known)
    subprocess.run(flush, check=False, capture_output=True)
    subprocess.run(("nsenter", "-t", str(process), "-n", *flush), check=False, capture_output=True)
