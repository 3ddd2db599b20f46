"""The cluster as the tests see it: kubectl, pods, a pod's processes, and waiting for changes."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float = 30, every: float = 0.2) -> T:
    """Return the result of `check` once it asserts, connects and unpacks (`[pod] = pods`) without an error.

    Raise its error after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return check()
        except (AssertionError, OSError, ValueError):
            if time.monotonic() > deadline:
                raise
        threading.Event().wait(every)


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    ip: str
    container_id: str
    ready: bool
    restarts: int


class Kube:
    """A runner of kubectl as the administrator whose KUBECONFIG is in the environment."""

    def __init__(self) -> None:
        assert os.environ.get("KUBECONFIG"), "KUBECONFIG must name a cluster whose node is this machine"
        self._program = shutil.which("kubectl")
        assert self._program, "kubectl is not on the PATH"

    def __call__(self, *arguments: str, stdin: str = "", check: bool = True, timeout: float = 90) -> str:
        command = self.command(*arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        return [str(self._program), *arguments]

    def get(self, *arguments: str) -> Any:
        return json.loads(self("get", *arguments, "-o", "json"))

    def pods(self, namespace: str, label: str) -> list[Pod]:
        """Return the pods that are not being deleted, by name."""
        items = self.get("pods", "-n", namespace, "-l", label)["items"]
        return sorted(map(pod_of, (i for i in items if "deletionTimestamp" not in i["metadata"])), key=lambda p: p.name)

    def ready_pods(self, namespace: str, label: str, count: int, timeout: float = 60) -> list[Pod]:
        def check() -> list[Pod]:
            pods = self.pods(namespace, label)
            assert [pod.ready for pod in pods] == [True] * count, f"{label}: {pods}"
            return pods

        return eventually(check, timeout)


def pod_of(item: dict[str, Any]) -> Pod:
    status = item["status"]
    container = (status.get("containerStatuses") or [{}])[0]
    return Pod(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        ip=status.get("podIP", ""),
        container_id=container.get("containerID", "").removeprefix("containerd://"),
        ready=container.get("ready", False),
        restarts=container.get("restartCount", 0),
    )


def processes(pod: Pod) -> list[int]:
    """Return the ids that the processes of the pod's container have on the node."""
    assert pod.container_id
    pids = [
        int(entry.parent.name) for entry in Path("/proc").glob("[0-9]*/cgroup") if in_group(entry, pod.container_id)
    ]
    assert pids, f"no process of {pod}"
    return pids


def first_process(pod: Pod) -> int:
    """Return the id that the first process of the pod's container has on the node.

    It lives as long as the container does; nginx's workers, and what `kubectl exec` started, come and go.
    """
    for pid in processes(pod):
        with suppress(OSError):
            # proc_pid_status(5): NSpid is the process's id in each of its PID namespaces, its own last.
            status = Path(f"/proc/{pid}/status").read_text()
            if re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                return pid
    raise AssertionError(f"no first process of {pod}")


def in_group(cgroup: Path, container_id: str) -> bool:
    try:
        return container_id in cgroup.read_text()
    except OSError:
        return False


def signal_pod(pod: Pod, number: int) -> None:
    """Signal from outside: within its own container a first process is immune to SIGKILL and SIGSTOP."""
    for pid in processes(pod):
        # SIGKILL to the first process ends the others.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def get_text(url: str) -> str:
    """Return a text directly from the pod or the loopback, without a proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        return str(response.read(), "utf-8")
