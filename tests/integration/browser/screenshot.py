"""Makes docs/status-page.png: the page after the demo's recorded incident, light and dark side by side.

`python -m tests.integration.browser.screenshot` makes it, with `.[browser]`, chromium and chromium-driver installed.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console

from demo.__main__ import Demo
from tests.integration.browser.browsing import browsing

HERE = Path(__file__).parent
PICTURE = HERE.parents[2] / "docs" / "status-page.png"
WIDTH = 1260
BOTH = '<!doctype html><body style="margin:0;display:flex;align-items:start"><img src="light.png"><img src="dark.png">'


class Shown(Demo):
    """The daemon is looked at when all that happened is counted."""

    async def _scrape(self):
        await asyncio.to_thread(self._look)
        return await super()._scrape()

    def _look(self):
        with browsing() as browser:
            for scheme in ("light", "dark"):
                browser.open(f"http://127.0.0.1:{self.port}/", scheme)
                browser.screenshot(self.folder / f"{scheme}.png", WIDTH)
            beside = self.folder / "both.html"
            beside.write_text(BOTH)
            browser.open(beside.as_uri())
            browser.screenshot(PICTURE, 2 * WIDTH)
        Image.open(PICTURE).quantize(128, Image.Quantize.FASTOCTREE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    os.environ["NODE_NAME"] = "ing"  # where that happened
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(Shown(Path(folder), Console()).run())
