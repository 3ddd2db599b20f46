"""The ways of a daemon's lines into VictoriaLogs, as the guide sets them up."""

import json
import subprocess
import urllib.parse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.integration.shippers.collector import collector
from tests.integration.shippers.pods_logs import ENRICHER, Pods, framed, nanoseconds, until
from tests.integration.shippers.stores.controller_log import flat, stamp
from tests.integration.shippers.stores.guide import address, block, parameter
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.integration.shippers.test_configurations import keys
from tests.integration.shippers.test_rsyslog import rsyslog
from tests.support.kubelet import Container

FILE = 'action(type="omfile" file="/var/log/enriched.jsonl" template="enriched")'
RULESET = 'ruleset(name="pods" queue.type="LinkedList" queue.workerThreads="1") {'
"""In the guide's file for rsyslog."""
LABELS = keys("labels") | {"job", "stream"}
"""Of what config.alloy sends."""
METADATA = keys("structured_metadata")


def by_collector(store: VictoriaLogs, directory: Path, lines: list[bytes]) -> None:
    """Have the Collector read the lines from the log of the daemon's container, and return when it has sent them."""
    write(directory, lines)
    (directory / "victoria-logs.yaml").write_text(block("VL-Msg-Field"))
    options = ("--config", str(directory / "victoria-logs.yaml"))
    with collector(directory, directory / "pods", f"{store.url}/insert/opentelemetry", *options) as process:
        until(lambda: store.count() >= len(lines), process)


def by_rsyslog(store: VictoriaLogs, directory: Path, lines: list[bytes]) -> None:
    """Have rsyslog read the lines from the log of the daemon's container, and return when it has sent them."""
    times = {nanoseconds(json.loads(line)["time"]) for line in lines}
    with rsyslog_to(store.url, directory, lines) as process:
        until(lambda: {nanoseconds(row["_time"]) for row in store.query("*")} >= times, process)


def rsyslog_to(url: str, directory: Path, lines: list[bytes]) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Return a running rsyslog that reads the lines from the log of the daemon's container."""
    container = write(directory, lines)
    before, _, within = block("omelasticsearch").partition("\n\n")
    changes = ((FILE, within.replace("http://victorialogs:9428", url)), (RULESET, f"{before}\n{RULESET}"))
    return rsyslog(directory, Pods(directory / "pods", [], container.live, container.live), *changes)


def write(directory: Path, lines: list[bytes]) -> Container:
    container = Container(directory / "pods" / ENRICHER)
    for number, line in enumerate(lines):
        container.write_raw(framed(line, stamp=stamp(number)))
    return container


def as_alloy(store: VictoriaLogs, _: Path, lines: list[bytes]) -> None:
    """Send what Alloy sends, as JSON: each line with the labels and the structured metadata of config.alloy."""
    streams = []
    for line, row in zip(lines, map(json.loads, lines), strict=True):
        fields = flat(row) | {"job": "enricher", "stream": "stdout", "logged_by_node": row["logged_by"]["node"]}
        metadata = {name: fields[name] for name in sorted(METADATA & fields.keys())}
        values = [[str(nanoseconds(row["time"])), line.decode(), metadata]]
        streams.append({"stream": {name: fields[name] for name in sorted(LABELS)}, "values": values})
    store.insert(address("loki/api/v1/push"), json.dumps({"streams": streams}).encode())


def as_vector(store: VictoriaLogs, _: Path, lines: list[bytes]) -> None:
    """Send what Vector and Filebeat send: each line below `ingress`, with a time of milliseconds."""
    rows: list[dict[str, Any]] = list(map(json.loads, lines))
    documents = [{"@timestamp": f"{row['time'][:23]}Z", "ingress": row} for row in rows]
    names = ("_msg_field", "_time_field", "_stream_fields")
    parameters = urllib.parse.urlencode({name: parameter(name) for name in names})
    body = b"".join(b'{"create":{}}\n' + json.dumps(document).encode() + b"\n" for document in documents)
    assert not json.loads(store.insert(f"elasticsearch/_bulk?{parameters}", body))["errors"]
