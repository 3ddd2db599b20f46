"""What the daemon wrote: its lines, from the files in which the node keeps its stdout, and its counters."""

import gzip
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, RLock
from typing import Any, BinaryIO

import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.node.load import Answer
from tests.support.kube import Pod, eventually, get_text

LOGS = Path("/var/log/pods")
ID_IN_PATH = "?id="
"""What stands before the id of a request whose proxy does not log its headers, or gives it another id."""
Record = dict[str, Any]
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Output:
    """The stdout of all daemon pods so far.

    Files stay open, so that neither a rotation nor the deletion of the pod takes away what was not read yet. That helps
    only if each was opened in time: within collecting(), somebody does. All that is collected is parsed by each read(),
    so nothing is to be collected while some other test makes the daemon write very much.
    """

    def __init__(self, pods: str = "enricher_enricher-*") -> None:
        """`pods` are the directories of the daemon's, as a pattern of the shell's."""
        self._pods = pods
        self._files: dict[tuple[Path, int], BinaryIO] = {}
        self._texts: dict[tuple[Path, int], bytes] = {}
        self._lock = RLock()

    @contextmanager
    def collecting(self) -> Iterator["Output"]:
        """Collect twice a second: the kubelet compresses a file two rotations, 6 s, after its first line."""
        stopped = Event()

        def collect_until_stopped() -> None:
            while not stopped.wait(0.5):
                self.collect()

        with ThreadPoolExecutor(1) as pool:
            collector = pool.submit(collect_until_stopped)
            try:
                yield self
            finally:
                stopped.set()
            collector.result()

    def read(self) -> list[Record]:
        """One record per line, in order within one container."""
        with self._lock:
            self.collect()
            containers = list(self._containers())
        return [orjson.loads(line) for container in containers for line in stdout_lines(container)]

    def collect(self) -> None:
        """What was written since the last time, before rotations and deletions take it away."""
        with self._lock:
            self._open_new_files()
            for key, file in self._files.items():
                self._texts[key] += file.read()

    def _open_new_files(self) -> None:
        # The files of one container in the order of their writing. A file found later is a later one.
        for path in sorted(LOGS.glob(f"{self._pods}/enricher/*.log*"), key=age):
            if path.suffix in (".gz", ".tmp"):
                continue
            try:
                file = path.open("rb")
            except FileNotFoundError:  # just renamed or removed; where it was renamed, it is open already
                continue
            # Of what is open: by now the name may be another file's.
            key = (path.parent, os.fstat(file.fileno()).st_ino)
            if key in self._files:
                file.close()
            else:
                self._files[key], self._texts[key] = file, b""

    def _containers(self) -> Iterator[bytes]:
        for directory in dict.fromkeys(parent for parent, _ in self._texts):
            yield b"".join(text for (parent, _), text in self._texts.items() if parent == directory)

    def _where(self, request_ids: list[str]) -> str:
        """How often the first and the last of them stand in each of the files."""
        first, last = request_ids[0].encode(), request_ids[-1].encode()
        files = [(self._files[key].name, text.count(first), text.count(last)) for key, text in self._texts.items()]
        return f"the first is {first!r}, the last {last!r}; counts in {files}"

    def of(self, answers: Iterable[Answer], timeout: float = 60) -> dict[str, Record]:
        """The one line of each request, by its id, once all are there. Fails where a request has two."""
        wanted = {answer.request_id for answer in answers}

        def all_there() -> list[Record]:
            # Lines of attempts have the id of their request, which has a line of its own.
            requests = (record for record in self.read() if record["kind"] != "try")
            found = [record for record in requests if request_id_of(record) in wanted]
            missing = wanted - set(map(request_id_of, found))
            assert not missing, f"{len(missing)} of {len(wanted)} requests have no line, such as {sorted(missing)[:3]}"
            return found

        found = eventually(all_there, timeout, every=0.5)
        doubled = [request_id for request_id, count in Counter(map(request_id_of, found)).items() if count > 1]
        assert not doubled, f"{len(doubled)} requests have more than one line: {self._where(doubled)}"
        return {request_id_of(record): record for record in found}


def request_id_of(record: Record) -> str:
    """Return the id that the client sent: at the end of the path, under ingress-nginx's name or under Envoy's."""
    _, mark, in_path = str(record.get("request_uri", "")).rpartition(ID_IN_PATH)
    if mark:
        return in_path
    return str(record.get("req_id") or record.get("http_x_request_id") or "")


def age(path: Path) -> tuple[int, str]:
    """Sorts `<restarts>.log.<time of rotation>` from old to new; the live file has no time yet."""
    restarts, _, rotated = path.name.partition(".log")
    return int(restarts), rotated or "~"


def stdout_lines(text: bytes) -> Iterator[bytes]:
    """The lines of stdout in a CRI log, their fragments joined; a line that is not complete yet is left out."""
    fragments = b""
    for line in text.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        _, stream, tag, content = line[:-1].split(b" ", 3)
        if stream != b"stdout":
            continue
        fragments += content
        if tag.startswith(b"F"):
            yield fragments
            fragments = b""


def last_words() -> str:
    """The end of what the daemon said on stderr, of all its pods that still have a log."""
    paths = sorted(LOGS.glob("enricher_enricher-*/enricher/*.log*"), key=lambda path: (path.parent, age(path)))
    said = [line for path in paths for line in text_of(path).splitlines() if " stderr " in line[:60]]
    return "\n".join(said[-40:])


def text_of(path: Path) -> str:
    """Of a log, rotated or not; empty where the kubelet has just taken it away."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")
    except (OSError, EOFError):
        return ""


def scrape(pod: Pod) -> Samples:
    text = get_text(f"http://{pod.ip}:9464/metrics")
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum over all samples that carry these labels."""
    return sum(value for (n, have), value in samples.items() if n == name and labels.items() <= dict(have).items())
