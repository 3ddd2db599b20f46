"""`python -m demo.picture docs/top.svg`: what `enricher top` shows of the recorded incident, as a picture."""

import asyncio
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from enricher.cli.feed import FileFeed
from enricher.cli.top import Top
from enricher.config.settings import Settings
from enricher.endpoints.files import load_endpoints
from enricher.report.pod_stats import PodStats

SIZE = (132, 28)
"""Columns and lines."""


async def picture(size: tuple[int, int] = SIZE) -> str:
    """An SVG that asks no other server for a font."""
    data = files("demo").joinpath("data")
    with tempfile.TemporaryDirectory(prefix="enricher-picture-") as folder:
        log, watch = (Path(folder) / name for name in ("controller.log.gz", "watch.jsonl.gz"))
        for path in (log, watch):
            path.write_bytes(data.joinpath(path.name).read_bytes())
        known = load_endpoints([str(watch)])
        ranking = PodStats(None)
        app = Top(ranking, FileFeed(Settings(), [str(log)], known), lambda: ranking.newest)
        async with app.run_test(size=size) as pilot:
            await app.workers.wait_for_complete()
            app.look()
            await pilot.pause()
            svg = app.export_screenshot(title="enricher top controller.log")
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> int:
    Path(sys.argv[1]).write_text(asyncio.run(picture()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
