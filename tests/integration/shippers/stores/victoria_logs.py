"""A real VictoriaLogs on this machine."""

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.kube import eventually, get_text
from tests.support.prometheus import free_port


@dataclass
class VictoriaLogs:
    """`fields` in what it returns are texts by their flat names, as VictoriaLogs keeps them."""

    url: str

    def query(self, logsql: str) -> list[dict[str, str]]:
        """Return the rows of a query over all times, after what was inserted last has been made visible.

        Rows and the index of their streams become visible at different times.
        """
        get_text(f"{self.url}/internal/force_flush")
        answer = get_text(f"{self.url}/select/logsql/query?{urllib.parse.urlencode({'query': logsql})}")
        return [json.loads(line) for line in answer.splitlines()]

    def count(self, logsql: str = "*") -> int:
        [row] = self.query(f"{logsql} | count() as n")
        return int(row["n"])

    def streams(self) -> set[str]:
        """Return the labels of all streams."""
        return {row["_stream"] for row in self.query("* | uniq by (_stream)")}

    def insert(self, path: str, body: bytes, content_type: str = "application/json") -> Any:
        """Send a request to an endpoint below /insert and return the body of the response."""
        request = urllib.request.Request(f"{self.url}/insert/{path}", body, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read()


@contextmanager
def running(directory: Path, *flags: str) -> Iterator[VictoriaLogs]:
    """Run VictoriaLogs with its storage in `directory`."""
    program = os.environ.get("VICTORIA_LOGS") or shutil.which("victoria-logs")
    assert program, "there is no victoria-logs: stores/build.sh makes one, VICTORIA_LOGS names it"
    address = f"127.0.0.1:{free_port()}"
    # The lines of the tests have fixed times, so none may be too old.
    command = [
        program,
        f"-storageDataPath={directory}/data",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
        *flags,
    ]
    log = directory / "victoria-logs.log"
    with log.open("wb") as to, subprocess.Popen(command, stdout=to, stderr=to) as process:
        try:
            eventually(lambda: get_text(f"http://{address}/health"))
            yield VictoriaLogs(f"http://{address}")
        finally:
            process.terminate()
            print(log.read_text()[-2000:] if process.wait(20) else "")
