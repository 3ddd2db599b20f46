"""The demo's running commentary: one line for what is worth a look, the rest goes by in silence."""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

DEEDS = {
    "kill9": "kill -9 in pod {pod}",
    "delete": "kubectl delete pod {pod}",
    "delete-force": "kubectl delete pod {pod} --force",
}


class Narrator:
    """`clock` gives the seconds since the beginning."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._states: dict[str, str] = {}
        self._slices: dict[tuple[str, str], set[str]] = {}

    def say(self, mark: str, style: str, text: str) -> None:
        line = Text(f"{self._clock():5.1f} s  ").append(f"{mark:<8}", style).append(text)
        self._console.print(line, soft_wrap=True)

    def action(self, action: dict[str, Any]) -> None:
        self.say("deed", "bold magenta", f"{DEEDS[action['action']].format(**action)}  ({action['ip']})")

    def event(self, event: dict[str, Any]) -> None:
        """What a watch event changes about a pod; the first sight of a pod that is ready is no news."""
        found = event["object"]
        key = (found["metadata"]["namespace"], found["metadata"]["name"])
        states = dict(_states(found))
        gone = self._slices.get(key, set()) - states.keys()
        self._slices[key] = set(states)
        for pod, state in [*states.items(), *((pod, "gone") for pod in sorted(gone))]:
            before = self._states.get(pod)
            self._states[pod] = state
            if state != before and not (before is None and event["type"] == "ADDED"):
                self.say("cluster", "cyan", f"{pod} is {state}")

    def record(self, record: dict[str, Any]) -> None:
        """An output record of the daemon: told if an attempt failed."""
        attempts = record.get("attempts") or []
        failed = [attempt for attempt in attempts if (attempt["status"] or 0) >= 500]
        if not failed:
            return
        hidden = (record["status"] or 0) < 500
        tries = ", then ".join(_told(attempt) for attempt in attempts)
        self.say(*(("hidden", "yellow") if hidden else ("error", "bold red")), f"{record['request']}: {tries}")


def _told(attempt: dict[str, Any]) -> str:
    grade = "" if attempt["attribution"] == "exact" else f" ({attempt['attribution']})"
    return f"{attempt['status']} from {attempt.get('pod') or attempt['addr']}{grade}"


def _states(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for endpoint in found["endpoints"] or ():
        if target := endpoint.get("targetRef"):
            conditions = endpoint["conditions"]
            ready = "ready" if conditions.get("ready") else "not ready"
            yield target["name"], "terminating" if conditions.get("terminating") else ready
