"""Measure what a real API server sends to one daemon: `KUBECONFIG=… python bench/watched.py` prints a table.

It fills the cluster with EndpointSlices (in a namespace that it creates and deletes: use a cluster for tests only),
starts the daemon, and then replaces 1,000 pods, each with two updates of its slice, as a rolling update does. Bytes are
counted between the daemon and `kubectl proxy`, which removes TLS and leaves the rest as it is, including compression.
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

from endpoints import rolling_update, slices
from measure import API_PORT, KUBECONFIG
from scale import SIZES, run_daemon, write_log

PROXY_PORT = 18_001
NAMESPACE = "shop"
PATH = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
POST_THREADS = 4
REPLACED_PODS = 1_000
SILENT_SECONDS = 2.0
"""Seconds without a byte after which everything is considered sent."""


class ByteCounter:
    """A TCP proxy that counts the bytes from the API server."""

    def __init__(self) -> None:
        self.bytes = 0
        self.last = time.monotonic()
        threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()

    def bytes_when_silent(self) -> int:
        """Return the number of bytes once nothing has been sent for SILENT_SECONDS."""
        while time.monotonic() - self.last < SILENT_SECONDS:
            time.sleep(0.1)
        return self.bytes

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, "127.0.0.1", API_PORT)
        await server.serve_forever()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", PROXY_PORT)
        await asyncio.gather(self._copy(reader, server_writer), self._copy(server_reader, writer, counted=True))

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


class SliceClient:
    """Writes EndpointSlices to the cluster."""

    def __init__(self) -> None:
        self._local = threading.local()

    def send(self, method: str, path: str, body: object = None) -> None:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", PROXY_PORT, timeout=60)
        headers = {"Content-Type": "application/json"}
        self._local.connection.request(method, path, body and json.dumps(body), headers)
        with self._local.connection.getresponse() as response:
            text = response.read()
            if response.status >= 300 and response.status != 404:
                sys.exit(f"{method} {path}: {response.status} {text.decode()[:500]}")

    def fill(self, endpoints: int, size: int) -> None:
        self.send("DELETE", PATH)
        with ThreadPoolExecutor(POST_THREADS) as pool:
            list(pool.map(lambda obj: self.send("POST", PATH, complete_slice(obj)), slices(endpoints, size=size)))

    def list_size(self) -> int:
        """Return the size in bytes of a list of all slices of the cluster, without compression."""
        url = f"http://127.0.0.1:{PROXY_PORT}/apis/discovery.k8s.io/v1/endpointslices?resourceVersion=0"
        with urllib.request.urlopen(url) as answer:
            return len(answer.read())

    def roll(self, endpoints: int, size: int) -> None:
        for _, obj in rolling_update(endpoints, size=size, first=0, count=REPLACED_PODS):
            self.send("PUT", f"{PATH}/{obj['metadata']['name']}", complete_slice(obj))


def complete_slice(obj: dict) -> dict:
    """Return a slice as the API accepts it; with the controller as its manager, the controller would delete it."""
    metadata = obj["metadata"] | {
        "labels": obj["metadata"]["labels"] | {"endpointslice.kubernetes.io/managed-by": "bench"}
    }
    return obj | {"apiVersion": "discovery.k8s.io/v1", "metadata": metadata, "addressType": "IPv4"}


def main() -> None:
    kubectl = shutil.which("kubectl") or sys.exit("kubectl is not on the PATH")
    if "KUBECONFIG" not in os.environ:
        sys.exit("KUBECONFIG is not set: it must name a cluster that is used for tests only")
    subprocess.run([kubectl, "create", "namespace", NAMESPACE], check=True, stdout=subprocess.DEVNULL)
    proxy = subprocess.Popen([kubectl, "proxy", "--port", str(PROXY_PORT)], stdout=subprocess.DEVNULL)
    try:
        table()
    finally:
        proxy.terminate()
        subprocess.run([kubectl, "delete", "namespace", NAMESPACE], check=True, stdout=subprocess.DEVNULL)


def table() -> None:
    time.sleep(1)
    counter, cluster = ByteCounter(), SliceClient()
    heads = f"{'endpoints':>10} {'a slice':>8} {'list MB':>8} {'sent MB':>8} {'ready s':>8}"
    print(f"{heads} {'memory MiB':>11} {'peak MiB':>9} {'roll MB':>8}")
    for endpoints, size in SIZES:
        cluster.fill(endpoints, size)
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary)
            kubeconfig = directory / "kubeconfig"
            kubeconfig.write_text(KUBECONFIG)
            before = counter.bytes
            environ = os.environ | {"KUBECONFIG": str(kubeconfig)}
            with run_daemon(["-m", "enricher"], write_log(directory, 1000), environ) as daemon:
                seconds = daemon.wait_until_ready()
                start_bytes = counter.bytes_when_silent() - before
                present, _ = daemon.memory()
                before = counter.bytes
                cluster.roll(endpoints, size)
                update_bytes = counter.bytes_when_silent() - before
                _, peak = daemon.memory()
        figures = (
            f"{cluster.list_size() / 1e6:8.2f} {start_bytes / 1e6:8.2f} {seconds:8.2f} {present:11.1f} {peak:9.1f}"
        )
        print(f"{endpoints:10,} {size:8} {figures} {update_bytes / 1e6:8.2f}", flush=True)


if __name__ == "__main__":
    main()
