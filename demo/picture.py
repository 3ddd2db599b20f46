"""`python -m demo.picture docs/top.svg`: a picture of `enricher top` with the recorded incident."""

import asyncio
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from textual.pilot import Pilot

from enricher.cli.feed import FileFeed
from enricher.cli.top import TopApp
from enricher.config.settings import Settings
from enricher.endpoints.files import load_endpoints
from enricher.report.pod_stats import PodStats

SIZE = (132, 28)
"""Columns and lines."""
MESSAGE_HOPS = 10
"""More than a message's way through the widgets has stations: a key goes to the app, the focused widget, the screen and
the app again, and what it changes is announced on the same way.
"""


async def settle(pilot: Pilot[None]) -> None:
    """Wait until the app has handled all its messages, those that they cause included, and has laid out the screen.

    Textual's own `Pilot.pause` waits until the process uses little CPU time, which a busy machine takes for idleness.
    """
    for _ in range(MESSAGE_HOPS):
        await pilot._wait_for_screen()
        pilot.app.screen._on_timer_update()


async def draw_top(size: tuple[int, int] = SIZE) -> str:
    """Return an SVG that asks no other server for a font."""
    data = files("demo").joinpath("data")
    with tempfile.TemporaryDirectory(prefix="enricher-picture-") as folder:
        log, watch = (Path(folder) / name for name in ("controller.log.gz", "watch.jsonl.gz"))
        for path in (log, watch):
            path.write_bytes(data.joinpath(path.name).read_bytes())
        stats = PodStats(None)
        feed = FileFeed(Settings(), [str(log)], load_endpoints([str(watch)]))
        app = TopApp(stats, feed, lambda: stats.newest, refresh_seconds=None)
        async with app.run_test(size=size) as pilot:
            await app.workers.wait_for_complete()
            app.update_view()
            await settle(pilot)
            svg = app.export_screenshot(title="enricher top controller.log")
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> int:
    Path(sys.argv[1]).write_text(asyncio.run(draw_top()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
