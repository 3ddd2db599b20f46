"""Who calls whom: output records added up to a map of services, for `enricher enrich --map`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from enricher.report.record_view import error_code

OUTSIDE = "outside"
"""Who asks and is no pod."""


@dataclass(slots=True)
class Calls:
    """Requests of one caller to one callee, and those of them that failed in the end."""

    requests: int = 0
    errors: int = 0


class ServiceMap:
    """Adds up output records (as documented in docs/output.md)."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], Calls] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """One output line, parsed; one without an upstream is no call."""
        if not record.get("attempts"):
            return
        last = record["attempts"][-1]
        key = _name(record, "client_") or OUTSIDE, _name(record, "") or str(last["addr"])
        calls = self.calls.setdefault(key, Calls())
        calls.requests += 1
        calls.errors += bool(error_code(last))

    def _edges(self) -> Iterator[tuple[str, str, str, bool]]:
        for (caller, callee), calls in sorted(self.calls.items()):
            failed = f", {calls.errors} failed" if calls.errors else ""
            yield caller, callee, f"{calls.requests}{failed}", calls.errors > 0

    def dot(self) -> Iterator[str]:
        """Lines for Graphviz."""
        yield "digraph services {"
        yield "  rankdir=LR; node [shape=box];"
        for caller, callee, label, is_bad in self._edges():
            colour = ", color=red" if is_bad else ""
            yield f"  {_quoted(caller)} -> {_quoted(callee)} [label={_quoted(label)}{colour}];"
        yield "}"

    def mermaid(self) -> Iterator[str]:
        """Lines for Mermaid, which Markdown renderers draw."""
        yield "flowchart LR"
        ids: dict[str, str] = {}
        bad = []
        for n, (caller, callee, label, is_bad) in enumerate(self._edges()):
            nodes = []
            for name in (caller, callee):
                known = ids.setdefault(name, f"n{len(ids)}")
                nodes.append(f"{known}[{_mermaid(name)}]")
            yield f"  {nodes[0]} -->|{_mermaid(label)}| {nodes[1]}"
            bad += [str(n)] * is_bad
        if bad:
            yield f"  linkStyle {','.join(bad)} stroke:red"


_MERMAIDS = re.compile(r'["#&<>\x00-\x1f]')
MAPS: dict[str, Callable[[ServiceMap], Iterator[str]]] = {"dot": ServiceMap.dot, "mermaid": ServiceMap.mermaid}


def _name(record: Mapping[str, Any], prefix: str) -> str:
    """A service, else a pod, with its namespace; empty where neither is known."""
    name = record.get(f"{prefix}service") or record.get(f"{prefix}pod")
    return "/".join(filter(None, (record.get(f"{prefix}namespace"), name))) if name else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(text: str) -> str:
    """Mermaid's own way to write what could end a text, or be taken for HTML, within quotes."""
    return '"' + _MERMAIDS.sub(lambda found: f"#{ord(found[0])};", text) + '"'
