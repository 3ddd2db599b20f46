"""A log that grows by many lines at once, so that the daemon works at its full speed, and what came of each line.

The lines lie in the log directory of a real pod, which the kubelet leaves in peace; one file after the other, as of a
container that restarts.
"""

import os
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.integration.node.output import LOGS, Output, Record
from tests.integration.node.proxy import NAMESPACE, PORT
from tests.support.kube import Kube, Pod, first_process

LINES = 40_000
"""Lines in a burst: half a second's work, of which the two hundredths that a measurement is coarse are little."""
NAME = "ingress-nginx-controller-bursts"
FAILED = 10
"""One line in so many is a failed request: more than the alerts let pass."""
TICKS = os.sysconf("SC_CLK_TCK")
LINE = (
    '%s stdout F %s - - [%s] "GET /a/path?of=usual&length=%d HTTP/1.1" %d 512 "-" "Mozilla/5.0 (X11; Linux x86_64)" '
    "128 0.001 [default-backend-service-10000] [] %s 512 0.001 %d %s-%06d\n"
)


@dataclass
class Burst:
    """The lines of one burst: which pod made the attempt of each, and what the daemon said of it."""

    name: str
    pods: list[str]
    statuses: list[int]
    counts: "array[int]" = field(default_factory=lambda: array("H", bytes(2 * LINES)))
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By the pod that made the attempt, and the grade."""
    wrong: list[Record] = field(default_factory=list)
    nameless: int = 0
    cpu: float = 0.0
    """Seconds of the daemon's CPU, from the file's appearance until the last line was out, or until the time was up."""
    seconds: float = 0.0
    out: int = 0
    """Lines that were out by then."""
    finished: bool = False

    def add(self, number: int, line: Record) -> None:
        self.counts[number] += 1
        self.grades[self.pods[number], line["attribution"]] += 1
        if line.get("pod") is None:
            self.nameless += 1
        elif (line["pod"], line["namespace"]) != (self.pods[number], "default"):
            self.wrong.append(line)


class Ledger(Output):
    """The daemon's lines: those of bursts are judged at once, those of requests with the prefix `good-` are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.bursts: dict[str, Burst] = {}
        self.requests: dict[str, list[Record]] = {}
        self.others: Counter[str] = Counter()
        """All other lines, by the namespace to which they are attributed, the grade and the status."""
        self._chunks: dict[Any, list[bytes]] = {}
        self._fragments: dict[Path, bytes] = {}

    def gather(self, marker: bytes = b"\0") -> bool:
        """Read what is new, and return whether the marker stands in it. Little is done here: a clock is running."""
        self._open_new_files()
        seen = False
        for key, file in self._files.items():
            chunks = self._chunks.setdefault(key, [])
            if new := file.read():
                seen = seen or marker in (chunks[-1][-len(marker) :] if chunks else b"") + new
                chunks.append(new)
        return seen

    def collect(self) -> None:
        """Read what is new, and judge all whole lines."""
        self.gather()
        for key, chunks in self._chunks.items():
            data = b"".join(chunks)
            end = data.rfind(b"\n") + 1
            chunks[:] = [data[end:]]
            for line in data[:end].splitlines():
                self._take(key[0], line)

    def _take(self, directory: Path, framed: bytes) -> None:
        _, stream, tag, content = framed.split(b" ", 3)
        if stream != b"stdout":
            return
        content = self._fragments.pop(directory, b"") + content
        if tag.startswith(b"P"):
            self._fragments[directory] = content
            return
        line = orjson.loads(content)
        request_id = line.get("req_id") or ""
        if request_id.startswith("good-"):
            self.requests.setdefault(request_id, []).append(line)
        elif burst := self.bursts.get(request_id[:-7]):
            burst.add(int(request_id[-6:]), line)
        else:
            self.others[f"{line.get('namespace')} {line.get('attribution')} {str(line.get('status'))[:1]}xx"] += 1


class BurstLog:
    """The files of the bursts."""

    def __init__(self, kube: Kube, ledger: Ledger) -> None:
        uid = kube.get("pod", "-n", NAMESPACE, NAME)["metadata"]["uid"]
        self._directory = LOGS / f"{NAMESPACE}_{NAME}_{uid}" / "controller"
        self._directory.mkdir(exist_ok=True)
        self._ledger = ledger
        self._number = 0

    def write(self, name: str, backends: Sequence[Pod], daemon: Pod, timeout: float) -> Burst:
        """Make the lines appear at once; wait until they are out, for `timeout` seconds at most, and take the time."""
        self._number += 1
        burst = new_burst(f"burst-{name}-{self._number}", backends)
        self._ledger.bursts[burst.name] = burst
        made = self._directory / "new"
        made.write_text(text_of(burst, backends))
        process = first_process(daemon)
        cpu, began = cpu_seconds(process), time.monotonic()
        made.rename(self._directory / f"{self._number}.log")
        marker = f'"{burst.name}-{LINES - 1:06d}"'.encode()
        while not burst.finished and time.monotonic() < began + timeout:
            time.sleep(0.01)
            burst.finished = self._ledger.gather(marker)
        # 0 where the process was replaced meanwhile.
        burst.cpu, burst.seconds = max(cpu_seconds(process) - cpu, 0.0), time.monotonic() - began
        self._ledger.collect()
        burst.out = LINES - burst.counts.count(0)
        # All but the last two of a container's files go, as the kubelet has it.
        (self._directory / f"{self._number - 2}.log").unlink(missing_ok=True)
        return burst


@contextmanager
def burst_log(kube: Kube, ledger: Ledger) -> Iterator[BurstLog]:
    idle = {"name": "idle", "image": "backend:0.1.0", "command": ["sleep", "100000"]}
    spec = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [idle]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec}
    kube("apply", "-f", "-", stdin=orjson.dumps(manifest).decode())
    try:
        kube("wait", "-n", NAMESPACE, "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
        yield BurstLog(kube, ledger)
    finally:
        kube("delete", "pod", "-n", NAMESPACE, NAME, "--wait")


def new_burst(name: str, backends: Sequence[Pod]) -> Burst:
    names = [pod.name for pod in backends]
    pods = [names[number % len(names)] for number in range(LINES)]
    # The place of the failure within each ten lines changes, so that each of the pods fails.
    return Burst(name, pods, [503 if number % FAILED == number // FAILED % FAILED else 200 for number in range(LINES)])


def text_of(burst: Burst, backends: Sequence[Pod]) -> str:
    """Return the lines, stamped with the present, a microsecond apart."""
    now = time.time_ns() - LINES * 1000
    addresses = {pod.name: f"{pod.ip}:{PORT}" for pod in backends}
    # Half of the callers are pods themselves.
    callers = ["192.0.2.7", *(pod.ip for pod in backends)]
    lines = []
    for number, (pod, status) in enumerate(zip(burst.pods, burst.statuses, strict=True)):
        seconds, rest = divmod(now + 1000 * number, 10**9)
        at = time.gmtime(seconds)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', at)}.{rest:09d}Z"
        caller, local = callers[number % len(callers)], time.strftime("%d/%b/%Y:%H:%M:%S +0000", at)
        lines.append(LINE % (stamp, caller, local, number % 97, status, addresses[pod], status, burst.name, number))
    return "".join(lines)


def cpu_seconds(process: int) -> float:
    """Seconds of CPU that the process has used; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS
