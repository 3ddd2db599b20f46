"""`python -m demo.picture docs`: draw `enricher top` with the recorded incident, in terminals of two widths."""

import asyncio
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from textual.pilot import Pilot

from enricher.cli.file_feed import FileFeed
from enricher.cli.live_view import LiveView
from enricher.cli.top_app import TopApp
from enricher.cli.upstreams import ALL
from enricher.config.settings import ClusterSettings, Settings
from enricher.report.pod_stats import PodStats

SIZES = {"top.svg": (140, 28), "top-80.svg": (80, 24)}
"""Columns and lines of the terminals, by the names of the pictures."""
MESSAGE_HOPS = 30
"""Rounds of message handling, more than any message needs: a key passes through the app, the focused widget, the screen
and the app again, and the messages that it causes take the same path.
"""


async def wait_until_idle(pilot: Pilot[None]) -> None:
    """Wait until the app has handled all its messages, including those that they cause, and has laid out the screen.

    Textual's own `Pilot.pause` waits until the process uses little CPU time, which a busy machine takes for idleness.
    """
    for _ in range(MESSAGE_HOPS):
        await pilot._wait_for_screen()
        pilot.app.screen._on_timer_update()


async def draw_top(size: tuple[int, int]) -> str:
    """Return an SVG that loads no font from another server."""
    data = files("demo").joinpath("data")
    with tempfile.TemporaryDirectory(prefix="enricher-picture-") as folder:
        log, watch = (Path(folder) / name for name in ("controller.log.gz", "watch.jsonl.gz"))
        for path in (log, watch):
            path.write_bytes(data.joinpath(path.name).read_bytes())
        stats = PodStats(None)
        feed = FileFeed(Settings(cluster=ClusterSettings(endpoints=(str(watch),))), [str(log)], ALL)
        app = TopApp(LiveView(stats, feed, lambda: stats.newest), refresh_seconds=None)
        async with app.run_test(size=size) as pilot:
            await app.workers.wait_for_complete()
            app.update_view()
            # A busy machine may lay the table out later than the hops above allow for: draw until nothing changes.
            pictures: list[str] = []
            while len(pictures) < 3 or len(set(pictures[-3:])) > 1:
                await wait_until_idle(pilot)
                pictures.append(app.export_screenshot(title="enricher top controller.log"))
            svg = pictures[-1]
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> int:
    for name, size in SIZES.items():
        (Path(sys.argv[1]) / name).write_text(asyncio.run(draw_top(size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
