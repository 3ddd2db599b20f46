"""The demo's running commentary: a line for each action, each change of a pod's state and each failed request."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from enricher.report.console import one_line
from enricher.report.record_view import OutputRecord, error_code, is_failure, outcome_text, pod_text, request_text

ACTION_TEXTS = {
    "kill9": "kill -9 in pod {pod}",
    "delete": "kubectl delete pod {pod}",
    "delete-force": "kubectl delete pod {pod} --force",
}


class Narrator:
    """Prints the commentary; `clock` returns the seconds since the replay began."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._states: dict[str, str] = {}
        """The last printed state of each pod."""
        self._pods: dict[tuple[str, str], set[str]] = {}
        """The pods of each EndpointSlice, by its namespace and name."""

    def _print(self, mark: str, style: str, text: str) -> None:
        line = one_line(f"{self._clock():5.1f} s  ", (f"{mark:<8}", style), text)
        self._console.print(line, soft_wrap=True)

    def print_action(self, action: dict[str, Any]) -> None:
        self._print("action", "bold magenta", f"{ACTION_TEXTS[action['action']].format(**action)}  ({action['ip']})")

    def print_event(self, event: dict[str, Any]) -> None:
        """Print what a watch event changes about a pod. A pod that appears with its slice is not a change."""
        endpoint_slice = event["object"]
        key = (endpoint_slice["metadata"]["namespace"], endpoint_slice["metadata"]["name"])
        states = dict(_pod_states(endpoint_slice))
        gone = self._pods.get(key, set()) - states.keys()
        self._pods[key] = set(states)
        for pod, state in [*states.items(), *((pod, "gone") for pod in sorted(gone))]:
            before = self._states.get(pod)
            self._states[pod] = state
            if state != before and not (before is None and event["type"] == "ADDED"):
                self._print("cluster", "cyan", f"{pod} is {state}")

    def print_record(self, record: OutputRecord) -> None:
        """Print an output record of the daemon if the request failed, in the end or before it was tried again."""
        if not is_failure(record):
            return
        attempts = record.get("attempts") or []
        was_retried = any(map(error_code, attempts[:-1])) and not error_code(attempts[-1])
        mark, style = ("retried", "yellow") if was_retried else ("error", "bold red")
        outcomes = [f"{outcome_text(attempt)} from {pod_text(attempt)}" for attempt in attempts]
        self._print(mark, style, f"{request_text(record)}: {', then '.join(outcomes) or 'no attempt'}")


def finding_lines(findings: Iterable[dict[str, Any]]) -> Iterator[Text]:
    """Yield what happened, to whom, and what to do about it, for each finding of `enricher diagnose -o json`."""
    for number, finding in enumerate(findings, 1):
        pods = ", ".join(finding["pods"])
        cause = " ".join(filter(None, (finding["grade"], finding["cause"])))
        style = "bold yellow" if finding["hidden"] == finding["failures"] else "bold red"
        yield one_line(f"{number}. ", (finding["headline"], style))
        yield one_line(f"   {finding['failures']} failures on {pods}: {cause}")
        spared = finding["spared"]
        result = "" if spared is None else f" Would have spared {spared} of {finding['failures']}."
        yield one_line(f"   {finding['advice']['text']}{result}")


def _pod_states(endpoint_slice: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for endpoint in endpoint_slice["endpoints"] or ():
        if target := endpoint.get("targetRef"):
            conditions = endpoint["conditions"]
            ready = "ready" if conditions.get("ready") else "not ready"
            yield target["name"], "terminating" if conditions.get("terminating") else ready
