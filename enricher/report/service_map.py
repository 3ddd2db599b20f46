"""A map of which service calls which, added up from output records (docs/output.md), for `enricher enrich --map`."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from enricher.fair_share import OVERFLOW, FairTable
from enricher.report.record_view import OutputRecord, error_code
from enricher.text import printable

OUTSIDE = "outside"
"""The caller of requests whose client is not a pod."""
UNKNOWN = "unknown service"
"""The callee of requests that failed before a pod was tried, if the line names no service that is known."""
MAX_CALLS = 10_000
"""Largest number of callers with their callees, in fair shares of the callees' namespaces; others are one more."""
_MERMAID_SPECIALS = re.compile(r"[^\w ./,:;()\[\]+-]|:(?=fa-)")
"""Characters that may mean something in a quoted text of Mermaid's: its end, HTML, Markdown, a formula, a line break, a
directive to the renderer, or an icon (`fa:fa-car`).
"""


@dataclass(slots=True)
class Calls:
    """The numbers of requests of one caller to one callee, and of those that failed."""

    requests: int = 0
    errors: int = 0
    """Those whose last attempt failed, or that failed without one."""
    untried: Counter[str] = field(default_factory=Counter)
    """Those that failed without an attempt, by reason: one of two words."""

    def add(self, other: "Calls") -> None:
        """Add the numbers of other calls."""
        self.requests += other.requests
        self.errors += other.errors
        self.untried.update(other.untried)

    @property
    def label(self) -> str:
        """Return the numbers as `5, 3 failed (2 no_endpoints)`."""
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(self.untried.items()))
        failed = f", {self.errors} failed" if self.errors else ""
        return f"{self.requests}{failed}" + (f" ({reasons})" if reasons else "")


class ServiceMap:
    """Adds up output records, by caller and callee."""

    def __init__(self) -> None:
        self._others = Calls()
        """All calls that have no place."""
        self._calls = FairTable[tuple[str, str], Calls](MAX_CALLS, self._others.add)
        self.left_out = 0
        """Requests that the proxy answered by itself, without an error: they are not calls."""

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed. One without an upstream is not a call, unless it should have had one."""
        attempts, reason = record.get("attempts"), record.get("reason")
        if record["kind"] != "access":
            return
        if not attempts and not reason:
            self.left_out += 1
            return
        address = str(attempts[-1]["addr"]) if attempts else UNKNOWN
        key = printable(_node_name(record, "client_") or OUTSIDE), printable(_node_name(record, "") or address)
        calls = self._calls.find(key, str(record.get("namespace") or ""), Calls) or self._others
        calls.requests += 1
        calls.errors += bool(error_code(attempts[-1])) if attempts else 1
        if not attempts:
            calls.untried[printable(reason)] += 1

    @property
    def calls(self) -> dict[tuple[str, str], Calls]:
        """Return the calls by caller and callee; those without a place are `overflow`."""
        calls = dict(self._calls.items())
        return calls | {(OVERFLOW, OVERFLOW): self._others} if self._others.requests else calls

    def _edges(self) -> Iterator[tuple[str, str, str, bool]]:
        """Yield caller, callee, label and whether calls failed, in the order of the names."""
        for (caller, callee), calls in sorted(self.calls.items()):
            yield caller, callee, calls.label, calls.errors > 0

    def _note(self, comment: str) -> Iterator[str]:
        """Yield a comment about what is left out, if something is."""
        if self.left_out:
            yield f"  {comment} answered by the proxy itself, and left out: {self.left_out}"

    def dot(self) -> Iterator[str]:
        """Yield the lines of a drawing in Graphviz's language."""
        yield "digraph services {"
        yield "  rankdir=LR; node [shape=box];"
        for caller, callee, label, has_errors in self._edges():
            colour = ", color=red" if has_errors else ""
            yield f"  {_dot_string(caller)} -> {_dot_string(callee)} [label={_dot_string(label)}{colour}];"
        yield from self._note("//")
        yield "}"

    def mermaid(self) -> Iterator[str]:
        """Yield the lines of a drawing in Mermaid's language, which many Markdown renderers know."""
        yield "flowchart LR"
        ids: dict[str, str] = {}
        edges_with_errors = []
        for number, (caller, callee, label, has_errors) in enumerate(self._edges()):
            nodes = []
            for name in (caller, callee):
                node_id = ids.setdefault(name, f"n{len(ids)}")
                nodes.append(f"{node_id}[{_mermaid_string(name)}]")
            yield f"  {nodes[0]} -->|{_mermaid_string(label)}| {nodes[1]}"
            if has_errors:
                edges_with_errors.append(str(number))
        if edges_with_errors:
            yield f"  linkStyle {','.join(edges_with_errors)} stroke:red"
        yield from self._note("%%")


MAPS: dict[str, Callable[[ServiceMap], Iterator[str]]] = {"dot": ServiceMap.dot, "mermaid": ServiceMap.mermaid}
"""The drawings by their names in `--map`."""


def _node_name(record: OutputRecord, prefix: str) -> str:
    """Return the namespace with the service, or else the pod, from the fields with a prefix; empty without either."""
    name = record.get(f"{prefix}service") or record.get(f"{prefix}pod")
    return "/".join(filter(None, (record.get(f"{prefix}namespace"), name))) if name else ""


def _dot_string(text: str) -> str:
    r"""Return a text in quotes. Graphviz replaces `\N` and the like in it, and HTML's `&…;`."""
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid_string(text: str) -> str:
    """Return a text in quotes, with Mermaid's own escapes."""
    return '"' + _MERMAID_SPECIALS.sub(lambda match: f"#{ord(match[0])};", text) + '"'
