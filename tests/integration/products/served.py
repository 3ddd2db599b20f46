"""What the backends say of the requests that reached them: the lines of their own logs."""

import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tests.integration.node.output import ID_IN_PATH, LOGS

LINE = re.compile(rf"(\d{{3}}) GET \S*?{re.escape(ID_IN_PATH)}(\S+) \(\S+\) ([\d.]+)ms$", re.MULTILINE)


class Served(NamedTuple):
    request_id: str
    pod: str
    status: int
    seconds: float


class ServedRequests:
    """The logs of all backends so far. Files stay open: the log of a pod that is deleted goes with it."""

    def __init__(self) -> None:
        self._files: dict[Path, BinaryIO] = {}
        self._texts: dict[Path, bytes] = {}

    def collect(self) -> None:
        for path in LOGS.glob("default_backend-*/backend/*.log"):
            if path not in self._files:
                self._files[path], self._texts[path] = path.open("rb"), b""
        for path, file in self._files.items():
            self._texts[path] += file.read()

    def read(self) -> list[Served]:
        self.collect()
        return [
            Served(request_id, path.parents[1].name.split("_")[1], int(status), float(milliseconds) / 1000)
            for path, text in self._texts.items()
            for status, request_id, milliseconds in LINE.findall(text.decode())
        ]
