"""Draw docs/dashboards.png: the panels of deploy/grafana/pods.json, by their own queries.

A Prometheus scrapes the daemon while the demo replays its incident at its own pace, which takes half a minute. This
needs `prometheus` (Debian's package) and matplotlib.
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
sys.path.append(str(ROOT))

from demo.__main__ import Demo  # noqa: E402
from enricher.enrich.cause_counter import HINDSIGHT  # noqa: E402
from enricher.timestamps import SECOND  # noqa: E402
from tests.integration.prometheus.incident import configuration  # noqa: E402
from tests.integration.prometheus.queries import DASHBOARDS, filled  # noqa: E402
from tests.support.prometheus import Prometheus, running  # noqa: E402

WINDOW = {"__rate_interval": "3s", "__rate_interval_ms": "3000", "__range": "1m"}
"""Grafana's variables, with shorter times than its own, since the incident is short."""
STEP = 0.5
"""Seconds between the points of a line."""


class DelayedDemo(Demo):
    """A demo whose incident begins once the daemon has been scraped for a while, as on a node.

    The daemon ends once all causes are counted.
    """

    replayed_at = ended_at = 0.0

    async def _replay(self, *arguments: Any) -> None:
        await asyncio.sleep(10)
        self.replayed_at = time.time()
        await super()._replay(*arguments)

    async def _scrape(self) -> list[str]:
        await asyncio.sleep(HINDSIGHT / SECOND + 2)
        self.ended_at = time.time()
        return await super()._scrape()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (home := Path(folder) / "demo").mkdir()
        demo = DelayedDemo(home, Console(file=io.StringIO()))
        with running(configuration([demo]), Path(folder)) as prometheus:
            asyncio.run(demo.run())
            draw(query_panels(prometheus, demo.replayed_at, demo.ended_at))


def query_panels(prometheus: Prometheus, since: float, until: float) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the unit and the lines by legend of each panel that has any, by its title."""
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
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), form)
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
