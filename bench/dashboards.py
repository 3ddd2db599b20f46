"""Draws docs/dashboards.png: the panels of deploy/grafana/pods.json, by their own queries.

A Prometheus scrapes the daemon while the demo replays its incident at its own pace, half a minute. Needs `prometheus`
(Debian's package) and matplotlib.
"""

import asyncio
import io
import math
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "commands")]

from watching.incident import configuration  # noqa: E402
from watching.prometheus import Prometheus, running  # noqa: E402
from watching.queries import DASHBOARDS, filled  # noqa: E402

from demo.__main__ import Demo  # noqa: E402

WINDOW = {"__rate_interval": "3s", "__rate_interval_ms": "3000", "__range": "1m"}
"""Shorter than Grafana's would be: the incident is."""
STEP = 0.5


class Awaited(Demo):
    """The incident begins when the daemon has been scraped for a while, as on a node: Prometheus takes some seconds."""

    replayed_at = 0.0

    async def _replay(self, *what: Any) -> None:
        await asyncio.sleep(10)
        self.replayed_at = time.time()
        await super()._replay(*what)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (home := Path(folder) / "demo").mkdir()
        demo = Awaited(home, Console(file=io.StringIO()))
        with running(configuration([demo]), Path(folder)) as prometheus:
            asyncio.run(demo.run())
            draw(found(prometheus, demo.replayed_at, time.time()))


def found(prometheus: Prometheus, since: float, until: float) -> dict[str, tuple[str, dict[str, Any]]]:
    """By title: the unit, and the lines by legend, for panels that have some."""
    dashboard, panels = DASHBOARDS["pods.json"], {}
    for panel in dashboard["panels"]:
        lines: dict[str, Any] = {}
        for target in panel["targets"] if panel["type"] == "timeseries" else ():
            expression = filled(target["expr"], dashboard, WINDOW)
            answer = prometheus.get("query_range", query=expression, start=since, end=until, step=STEP)
            for series in answer["result"]:
                points = [(float(at) - since, float(value)) for at, value in series["values"]]
                if any(value > 0 for _, value in points if math.isfinite(value)):
                    lines[legend(target["legendFormat"], series["metric"])] = points
        if lines:
            panels[panel["title"]] = (panel["fieldConfig"]["defaults"]["unit"], lines)
    return panels


def legend(form: str, labels: dict[str, str]) -> str:
    text = re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), form)
    return text.replace("/", "").strip() and text


def draw(panels: dict[str, tuple[str, dict[str, Any]]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415

    rows = -(-len(panels) // 2)
    figure, axes = pyplot.subplots(rows, 2, figsize=(14, 2.7 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (title, (unit, lines)) in zip(axes.flat, panels.items(), strict=False):
        for name, points in lines.items():
            axis.plot(*zip(*points, strict=True), label=name or "(no name)", linewidth=1)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set(
            ylabel={"reqps": "per second", "percentunit": "share", "s": "seconds"}[unit], xlim=(0, None), ylim=(0, None)
        )
        axis.grid(visible=True, alpha=0.3)
        axis.legend(fontsize=6, loc="upper center")
    figure.supxlabel("seconds of the recorded incident; drawn by bench/dashboards.py, not by Grafana", fontsize=9)
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "dashboards.png", dpi=90)


if __name__ == "__main__":
    main()
