"""What a quarter of an hour does to the logs of a busy node, in 85 seconds: a proxy that writes 4,000 lines a second,
the kubelet that rotates at 1 MiB, and a daemon that is replaced meanwhile. Each line has a number.

A proxy of 1,000 requests a second fills the usual 10 MiB in half a minute: 27 rotations in a quarter of an hour.
LONG_CHURN_LINES is how many lines are written, 12,500 for each rotation.
"""

import json
import os
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.node.output import LOGS, Output
from tests.integration.node.proxy import NAMESPACE, PORT
from tests.support.kube import Kube, Pod, eventually, first_process

pytestmark = [pytest.mark.node, pytest.mark.timeout(500)]

LINES, PER_SECOND = int(os.environ.get("LONG_CHURN_LINES", "340000")), 4_000
ROTATIONS = LINES // 12_500
REPLACED_AT = (LINES // 4, LINES // 2, LINES * 3 // 4)
"""After so many lines the daemon's pod is replaced."""
NAME = "ingress-nginx-controller-writer"
SCRIPT = """
import sys, time
begin, line = time.monotonic(), (
    '192.0.2.7 - - [%%s] "GET /a/path?of=usual&length=%%s HTTP/1.1" 200 512 "-" '
    '"Mozilla/5.0 (X11; Linux x86_64)" 128 0.001 [default-backend-service-10000] [] %s 512 0.001 200 numbered-%%d\\n'
)
for n in range(0, %d, 200):
    now = time.strftime('%%d/%%b/%%Y:%%H:%%M:%%S +0000', time.gmtime())
    sys.stdout.write(''.join(line %% (now, 'x' * (n %% 97), m) for m in range(n, n + 200)))
    sys.stdout.flush()
    time.sleep(max(0, begin + (n + 200) / %d - time.monotonic()))
time.sleep(600)
"""
PIECE = re.compile(rb"^\S+ stdout (?:P (.*)|F ([^{\n].*))$", re.MULTILINE)
"""A piece of a line of JSON: containerd cuts a line where it is told to go on in a new file."""


class Tally(Output):
    """How often each number came out; the lines themselves are not kept."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = array("H", bytes(2 * LINES))
        self.pods: set[bytes] = set()
        self.others: list[bytes] = []
        """Lines with numbers that were not read as requests."""
        self._pieces: dict[tuple[Path, bool], list[bytes]] = defaultdict(list)
        """By the container, the begins and the rests of lines for which there is no other piece yet."""

    def collect(self) -> None:
        self._open_new_files()
        for key, file in self._files.items():
            data = self._texts[key] + file.read()
            end = data.rfind(b"\n") + 1
            self._texts[key] = data[end:]
            for begin, rest in PIECE.findall(data[:end]):
                self._pieces[key[0], bool(begin)].append(begin or rest)
            self._take(PIECE.sub(b"", data[:end]))
            begins, rests = (self._pieces[key[0], is_begin] for is_begin in (True, False))
            while begins and rests:
                self._take(begins.pop(0) + rests.pop(0))

    def _take(self, lines: bytes) -> None:
        for number, pod in re.findall(rb'"req_id":"numbered-(\d+)".*?"pod":"([^"]*)"', lines):
            self.counts[int(number)] += 1
            self.pods.add(pod)
        self.others += [line for line in lines.split(b"\n") if b"numbered-" in line and b'"req_id"' not in line]

    def missing(self) -> list[int]:
        """Return the first numbers that did not come out."""
        return [number for number, count in enumerate(self.counts) if not count][:3]

    @property
    def arrived(self) -> int:
        return LINES - self.counts.count(0)


@pytest.fixture
def writer(kube: Kube, backends: list[Pod], tmp_path: Path) -> Iterator[str]:
    """The name of a pod that writes as an ingress controller's does."""
    script = SCRIPT % (f"{backends[0].ip}:{PORT}", LINES, PER_SECOND)
    container = {"name": "controller", "image": "backend:0.1.0", "command": ["python", "-c", script]}
    spec = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec}
    (manifest := tmp_path / "writer.json").write_text(json.dumps(pod))
    kube("apply", "-f", str(manifest))
    yield NAME
    kube("delete", "pod", "-n", NAMESPACE, NAME, "--wait")


def rotated() -> set[str]:
    """The names, with the second in them, of the writer's rotated files that are there now."""
    paths = LOGS.glob(f"{NAMESPACE}_{NAME}_*/controller/*.log.*")
    return {path.name.removesuffix(".tmp").removesuffix(".gz") for path in paths}


def test_many_rotations(kube: Kube, writer: str, backends: list[Pod], daemon: Pod) -> None:
    tally, rotations, peak = Tally(), set[str](), 0.0
    due, current = list(REPLACED_AT), daemon

    def done() -> None:
        nonlocal peak, current
        tally.collect()
        rotations.update(rotated())
        if due and tally.arrived > due[0]:
            due.pop(0)
            kube("delete", "pod", "-n", current.namespace, current.name, "--wait=false")
            current = eventually(lambda: successor(kube, current, tally), 60, every=0.3)
        peak = max(peak, memory(current))
        assert tally.arrived == LINES, f"missing: {tally.missing()}; otherwise: {tally.others[-3:]}"

    eventually(done, 400, every=0.3)
    tally.collect()
    doubled = sum(count - 1 for count in tally.counts if count > 1)
    print(
        f"{LINES} lines written, {LINES - tally.arrived} lost, {doubled} doubled; {len(rotations)} rotations, "
        f"the daemon replaced {len(REPLACED_AT)} times, its peak memory {peak:.0f} MiB, "
        f"{descriptors(current)} descriptors at the end"
    )
    assert doubled == 0
    assert len(rotations) >= ROTATIONS // 2  # the kubelet is late where the machine is busy
    assert tally.pods == {backends[0].name.encode()}
    assert descriptors(current) < 40


def successor(kube: Kube, before: Pod, tally: Tally) -> Pod:
    tally.collect()  # the kubelet keeps a few files only
    [pod] = kube.pods(before.namespace, "app.kubernetes.io/name=enricher")
    assert pod.name != before.name
    assert pod.ready
    return pod


def memory(pod: Pod) -> float:
    """MiB at the most; 0 while it is on its way out."""
    try:
        text = Path(f"/proc/{first_process(pod)}/status").read_text()
    except (AssertionError, FileNotFoundError):
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+)", text)
    return int(found[1]) / 1024 if found else 0.0


def descriptors(pod: Pod) -> int:
    return len(os.listdir(f"/proc/{first_process(pod)}/fd"))
