"""docs/attribution.md shows what we answer, and what a cache of current pods would have: here both are computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from enricher.endpoints.attribution import Attribution
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary

LAGS = (0, 5, 30)
DOCS = Path(__file__).parents[3] / "docs" / "attribution.md"


@dataclass
class RecordedTimeline(Timeline):
    """A timeline that also records its events for the cache of current pods."""

    recorded: list[tuple[float, dict]] = field(default_factory=list)

    def __init__(self) -> None:
        super().__init__()
        self.recorded = []

    def put(self, at: float, obj: dict) -> None:
        super().put(at, obj)
        self.recorded.append((at, obj))

    def delete(self, at: float, name: str) -> None:
        super().delete(at, name)
        self.recorded.append((at, slice_(name)))

    def cached(self, ip: str, at: float) -> str:
        """Return the pod that a cache of the endpoints in the slices names at a time."""
        slices = {obj["metadata"]["name"]: obj for when, obj in self.recorded if when <= at}
        names = [
            endpoint["targetRef"]["name"]
            for obj in slices.values()
            for endpoint in obj["endpoints"]
            if ip in endpoint["addresses"]
        ]
        return names[-1] if names else "nobody"


def replaced(*, gap: float) -> RecordedTimeline:
    t = RecordedTimeline()
    t.put(0, slice_("s", pod("10.0.0.1", "old")))
    t.put(100, slice_("s"))
    t.put(100 + gap, slice_("s", pod("10.0.0.1", "new")))
    return t


def late_delete() -> RecordedTimeline:
    t = RecordedTimeline()
    t.put(0, slice_("b", pod("10.0.0.1", "old", terminating=True)))
    t.put(100, slice_("a", pod("10.0.0.1", "new")))
    t.delete(103, "b")
    return t


def moved() -> RecordedTimeline:
    t = RecordedTimeline()
    t.put(0, slice_("a", pod("10.0.0.1", "p")))
    t.put(100, slice_("a"))
    t.put(100.5, slice_("b", pod("10.0.0.1", "p")))
    return t


def host_network() -> RecordedTimeline:
    t = RecordedTimeline()
    t.put(0, slice_("a", pod("10.0.0.1", "dns"), service="dns", port=53))
    t.put(0, slice_("b", pod("10.0.0.1", "web"), service="web", port=8080))
    return t


def new_pod() -> RecordedTimeline:
    t = RecordedTimeline()
    t.put(100, slice_("s", pod("10.0.0.1", "new")))
    return t


CASES: list[tuple[str, str, RecordedTimeline, float, Callable[[RecordedTimeline], Attribution]]] = [
    ("answered by a pod that stays", "old", replaced(gap=200), 60, lambda t: t.answered(60)),
    ("answered 1 s before its pod left", "old", replaced(gap=200), 99, lambda t: t.answered(99)),
    ("answered 1 s after its pod left (forced delete)", "old", replaced(gap=200), 101, lambda t: t.answered(101)),
    ("answered 1 s before the address is reused at once", "old", replaced(gap=0.001), 99, lambda t: t.answered(99)),
    ("answered after the reuse, sent before it", "new", replaced(gap=0.4), 103, lambda t: t.answered(103, took=4)),
    ("refused by a pod that leaves later", "old", replaced(gap=200), 98, lambda t: t.failed(97.999, 98)),
    ("failed while the address changed hands", "old or new", replaced(gap=0.4), 102, lambda t: t.failed(99, 102)),
    ("refused 20 s after its pod left, nobody followed", "old", replaced(gap=200), 120, lambda t: t.failed(120, 120)),
    ("answered by a new pod, the old one's slice is late", "new", late_delete(), 101, lambda t: t.answered(101)),
    ("answered while its pod moves between slices", "p", moved(), 100.2, lambda t: t.answered(100.2)),
    ("two pods on the host's network, by port", "dns", host_network(), 50, lambda t: t.answered(50, "10.0.0.1:53")),
    ("the same, a port of neither", "dns or web", host_network(), 50, lambda t: t.answered(50, "10.0.0.1:9")),
    ("answered by a pod 0.3 s before the watch reports it", "new", new_pod(), 99.7, lambda t: t.answered(99.7)),
]


def table() -> list[str]:
    rows = [
        "| attempt | truth | Enricher, at any lag | cache, 0 s late | 5 s | 30 s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for what, truth, timeline, at, ask in CASES:
        grade, *names = summary(ask(timeline))
        ours = f"{grade}: {' or '.join(sorted(names, reverse=False))}"
        caches = []
        for lag in LAGS:
            name = timeline.cached("10.0.0.1", at + lag)
            caches.append(name if name in truth.split(" or ") and " or " not in truth else f"**{name}**")
        rows.append(f"| {what} | {truth} | {ours} | {' | '.join(caches)} |")
    return rows


def test_the_table_says_what_is_computed() -> None:
    rows = table()
    print("\n".join(rows))
    assert "\n".join(rows) in DOCS.read_text()


def test_we_are_never_wrong_in_it() -> None:
    for what, truth, timeline, _, ask in CASES:
        _, *names = summary(ask(timeline))
        assert sorted(names) == sorted(truth.split(" or ")), what
