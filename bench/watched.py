"""What a real API server sends to one daemon: `KUBECONFIG=… python bench/watched.py` prints a table.

It fills the cluster with EndpointSlices (in a namespace that it makes and deletes: take a cluster nobody needs), starts
the daemon, and then replaces 1,000 pods, each with two updates of its slice, as a rolling update does. Bytes are
counted on the way: between the daemon and `kubectl proxy`, which takes TLS off and leaves the rest as it is,
compression too.
"""

import asyncio
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compare import API_PORT, KUBECONFIG
from generate import replaced, slices
from scale import WATCHED, one_log, running

PROXY_PORT = 18_001
NAMESPACE = "shop"
PATH = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
POSTING = 4
PODS = 1_000
QUIET = 2.0
"""Seconds without a byte after which everything is taken to have been sent."""


class Counting:
    """Passes bytes on, and counts those from the API server."""

    def __init__(self) -> None:
        self.bytes = 0
        self.last = time.monotonic()
        threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()

    def settled(self) -> int:
        while time.monotonic() - self.last < QUIET:
            time.sleep(0.1)
        return self.bytes

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, "127.0.0.1", API_PORT)
        await server.serve_forever()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection("127.0.0.1", PROXY_PORT)
        await asyncio.gather(self._copy(reader, onward), self._copy(there, writer, counted=True))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool = False) -> None:
        try:
            while data := await source.read(1 << 18):
                if counted:
                    self.bytes += len(data)
                    self.last = time.monotonic()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


class Slices:
    """The cluster's, by the API."""

    def __init__(self) -> None:
        self._local = threading.local()

    def send(self, method: str, path: str, body: object = None) -> None:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", PROXY_PORT, timeout=60)
        headers = {"Content-Type": "application/json"}
        self._local.connection.request(method, path, body and json.dumps(body), headers)
        with self._local.connection.getresponse() as response:
            said = response.read()
            if response.status >= 300 and response.status != 404:
                sys.exit(f"{method} {path}: {response.status} {said.decode()[:500]}")

    def fill(self, endpoints: int, size: int) -> None:
        self.send("DELETE", PATH)
        with ThreadPoolExecutor(POSTING) as pool:
            list(pool.map(lambda obj: self.send("POST", PATH, whole(obj)), slices(endpoints, size=size)))

    def listed(self) -> int:
        """Bytes of all slices of the cluster, not compressed."""
        url = f"http://127.0.0.1:{PROXY_PORT}/apis/discovery.k8s.io/v1/endpointslices?resourceVersion=0"
        with urllib.request.urlopen(url) as answer:
            return len(answer.read())

    def roll(self, endpoints: int, size: int) -> None:
        for _, obj in replaced(endpoints, size=size, first=0, count=PODS):
            self.send("PUT", f"{PATH}/{obj['metadata']['name']}", whole(obj))


def whole(obj: dict) -> dict:
    """As the API takes it; of another manager than the controller that would delete it."""
    metadata = obj["metadata"] | {
        "labels": obj["metadata"]["labels"] | {"endpointslice.kubernetes.io/managed-by": "bench"}
    }
    return obj | {"apiVersion": "discovery.k8s.io/v1", "metadata": metadata, "addressType": "IPv4"}


def main() -> None:
    kubectl = shutil.which("kubectl") or sys.exit("kubectl is not on the PATH")
    if "KUBECONFIG" not in os.environ:
        sys.exit("KUBECONFIG must name a cluster that nobody needs")
    subprocess.run([kubectl, "create", "namespace", NAMESPACE], check=True, stdout=subprocess.DEVNULL)
    proxy = subprocess.Popen([kubectl, "proxy", "--port", str(PROXY_PORT)], stdout=subprocess.DEVNULL)
    try:
        table()
    finally:
        proxy.terminate()
        subprocess.run([kubectl, "delete", "namespace", NAMESPACE], check=True, stdout=subprocess.DEVNULL)


def table() -> None:
    time.sleep(1)
    counting, cluster = Counting(), Slices()
    heads = f"{'endpoints':>10} {'a slice':>8} {'list MB':>8} {'sent MB':>8} {'ready s':>8}"
    print(f"{heads} {'memory MiB':>11} {'peak MiB':>9} {'roll MB':>8}")
    for endpoints, size in WATCHED:
        cluster.fill(endpoints, size)
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary)
            kubeconfig = directory / "kubeconfig"
            kubeconfig.write_text(KUBECONFIG)
            before = counting.bytes
            environ = os.environ | {"KUBECONFIG": str(kubeconfig)}
            with running(["-m", "enricher"], one_log(directory, 1000), environ) as one:
                ready = one.ready()
                sent = counting.settled() - before
                now, _ = one.memory()
                before = counting.bytes
                cluster.roll(endpoints, size)
                rolled = counting.settled() - before
                _, most = one.memory()
        figures = f"{cluster.listed() / 1e6:8.2f} {sent / 1e6:8.2f} {ready:8.2f} {now:11.1f} {most:9.1f}"
        print(f"{endpoints:10,} {size:8} {figures} {rolled / 1e6:8.2f}", flush=True)


if __name__ == "__main__":
    main()
