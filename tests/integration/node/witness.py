"""Who held which address when, as the test itself saw it: every pod that the API server told of, and when."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from tests.support.kube import Kube, eventually


@dataclass
class Holding:
    """One pod's holding of one address; seconds since the epoch, as the news of it came in."""

    pod: str
    ip: str
    seen: float
    gone: float = float("inf")


class Witness:
    """Follows all pods. An address is a pod's from the first status that shows it until the pod is gone."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._holdings: dict[str, Holding] = {}

    @contextmanager
    def watching(self) -> Iterator["Witness"]:
        command = self._kube.command("get", "pods", "-A", "-o", "json", "--watch", "--output-watch-events")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        thread = threading.Thread(target=self._follow, args=(process,))
        thread.start()
        try:
            eventually(self._has_begun)
            yield self
        finally:
            process.terminate()
            thread.join()
            process.wait()

    def _has_begun(self) -> None:
        assert self._holdings

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        with process.stdout:
            text, decoder = "", json.JSONDecoder()
            for line in process.stdout:
                text += line
                # kubectl indents what is within an event.
                if line == "}\n" or line.startswith('{"'):
                    event, _ = decoder.raw_decode(text)
                    self._note(event["type"], event["object"], time.time())
                    text = ""

    def _note(self, type_: str, pod: dict[str, dict[str, str]], at: float) -> None:
        uid, ip = pod["metadata"]["uid"], pod["status"].get("podIP")
        if ip and uid not in self._holdings:
            self._holdings[uid] = Holding(pod["metadata"]["name"], ip, at)
        over = type_ == "DELETED" or pod["status"].get("phase") in ("Failed", "Succeeded")
        if over and uid in self._holdings:
            self._holdings[uid].gone = min(self._holdings[uid].gone, at)

    def of_ip(self, ip: str) -> list[Holding]:
        return sorted((h for h in self._holdings.values() if h.ip == ip), key=lambda holding: holding.seen)

    def holders(self, ip: str, start: float, end: float, slack: float, *, left_too: bool) -> set[str]:
        """The pods that may have held an address at some time in between, news being late by `slack` seconds at most;
        with `left_too` also who had left before, if nobody had come since.
        """
        holdings = self.of_ip(ip)
        nexts = [holding.seen for holding in holdings[1:]] + [float("inf")]
        return {
            holding.pod
            for holding, next_seen in zip(holdings, nexts, strict=True)
            if holding.seen - slack <= end
            and start <= next_seen + slack
            and (left_too or start <= holding.gone + slack)
        }

    def holder_at(self, ip: str, at: float) -> str | None:
        """Who a cache of the pods of that moment would name."""
        return next((h.pod for h in reversed(self.of_ip(ip)) if h.seen <= at < h.gone), None)

    def hand_overs(self, start: float, end: float) -> list[float]:
        """For each time that an address passed from one pod to another: how many seconds nobody had held it."""
        found = []
        for ip in {holding.ip for holding in self._holdings.values()}:
            holdings = self.of_ip(ip)
            found += [b.seen - a.gone for a, b in pairwise(holdings) if start <= b.seen <= end]
        return sorted(found)
