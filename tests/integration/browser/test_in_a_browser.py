"""The status page in a real browser: what it loads and complains about, how it is walked through, and for whom."""

import asyncio
from dataclasses import replace

import pytest

from enricher.config.settings import ListenAddress
from enricher.daemon.http import serve
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from tests.integration.browser.browsing import browsing
from tests.support.controller_logs import access, recent
from tests.support.daemons import Node, until
from tests.support.statuses import FAILING, OUT_OF_SYNC, POD, QUIET

pytestmark = pytest.mark.browser

HOSTILE = "<img src=//evil.example/x onerror=document.title='x'><script>document.title='x'</script>"
STATUSES = {
    "quiet": QUIET,
    "nothing yet": replace(QUIET, sources=0, followed=(), lines={}),
    "failing": FAILING,
    "out of sync": OUT_OF_SYNC,
    "many": replace(OUT_OF_SYNC, failing=(POD,) * 100, followed=OUT_OF_SYNC.followed * 100, sources=200),
    "hostile": replace(
        OUT_OF_SYNC,
        problem=HOSTILE,
        failing=(replace(POD, pod=HOSTILE, service=HOSTILE, node=HOSTILE, failures={HOSTILE: 1}),),
        followed=(replace(QUIET.followed[0], path=HOSTILE, pod="", formats=(HOSTILE,)),),
    ),
}


@pytest.fixture(scope="module")
def browser():
    with browsing() as found:
        yield found


async def look(status, looking):
    """Serves the status, and has it looked at by `looking`, which is given the page's address."""
    metrics = Collector(Metrics(), Gauges)
    async with serve(ListenAddress("127.0.0.1", 0), metrics, lambda: None, status=lambda: status) as port:
        return await asyncio.to_thread(looking, f"http://127.0.0.1:{port}/")


def test_the_daemons_page_has_the_pod_that_fails(browser, tmp_path):
    endpoints = tmp_path / "endpoints.yaml"
    endpoints.write_text("10.0.0.1:80: {pod: <b>web-1</b>, namespace: shop, service: web, node: node-1}\n")
    node = Node(tmp_path, endpoints)
    node.write(*(recent(access(n, status="503")) for n in range(42)))
    daemon = node.start()
    try:
        assert until(lambda: len(daemon.out) == 42)
        address = f"http://127.0.0.1:{daemon.port}/"
        browser.open(address)
        assert "<b>web-1</b>" in browser.text()
        assert "503 × 42" in browser.text()
        assert browser.script("return document.title") == "1 pod fails – Enricher"
        assert browser.complaints() == []
        assert {url for url in browser.requests() if not url.startswith("data:")} == {address}
    finally:
        daemon.kill()


@pytest.mark.parametrize("name", STATUSES)
async def test_nothing_is_loaded_run_or_complained_about(browser, name):
    def looking(address):
        browser.open(address)
        title = browser.script("return document.title")
        assert title.endswith("Enricher on node-1")
        assert browser.script("return document.scripts.length + document.images.length") == 0
        assert browser.complaints() == []
        assert {url for url in browser.requests() if not url.startswith("data:")} == {address}

    await look(STATUSES[name], looking)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", STATUSES)
async def test_axe_finds_nothing(browser, name, scheme):
    def looking(address):
        browser.open(address, scheme)
        browser.script("for (const it of document.querySelectorAll('details')) it.open = true")
        assert browser.violations() == {}

    await look(STATUSES[name], looking)


async def test_light_and_dark(browser):
    def looking(address):
        grounds = {}
        for scheme in ("light", "dark"):
            browser.open(address, scheme)
            grounds[scheme] = browser.script("return getComputedStyle(document.body).backgroundColor")
        assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}

    await look(FAILING, looking)


async def test_the_way_of_the_tab_key(browser):
    def looking(address):
        browser.open(address)
        walked = [browser.tab() for _ in range(10)]
        assert [(tag, name) for tag, name, *_ in walked] == [
            ("A", "Skip to the failing pods"),
            ("A", "Refresh now"),
            ("A", "Refresh every 30 seconds"),
            ("A", "The same as JSON"),
            ("A", "All metrics"),
            ("DIV", "failing"),
            ("DIV", "causes"),
            ("DIV", "untried"),
            ("DIV", "followed"),
            ("SUMMARY", "Format of b"),
        ]
        assert all(outline == "solid" and on_screen for _, _, outline, on_screen in walked)

    await look(FAILING, looking)


async def test_the_first_link_leads_past_the_others(browser):
    def looking(address):
        browser.open(address)
        browser.tab()
        browser.script("document.activeElement.click()")
        assert browser.script("return document.activeElement.id") == "failing"
        assert browser.tab()[:2] == ["DIV", "failing"]

    await look(FAILING, looking)


async def test_a_page_reloads_if_asked_to_and_stops_if_asked_to(browser):
    def looking(address):
        browser.open(address)
        browser.script("document.querySelector('nav li:nth-child(2) a').click()")
        until(lambda: browser.script("return location.search") == "?refresh=30")
        assert browser.script("return document.querySelector('meta[http-equiv=refresh]').content") == "30"
        browser.script("document.querySelector('nav li:nth-child(2) a').click()")
        until(lambda: browser.script("return location.search") == "")
        assert browser.script("return document.querySelector('meta[http-equiv=refresh]')") is None

    await look(FAILING, looking)


async def test_on_a_narrow_screen_only_the_tables_scroll_sideways(browser):
    def looking(address):
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        )
        try:
            browser.open(address)
            assert browser.script("return document.querySelector('.wide').scrollWidth") > 360
            assert browser.script("return document.documentElement.scrollWidth") <= 360
            assert browser.violations() == {}
        finally:
            browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    await look(OUT_OF_SYNC, looking)


async def test_the_policy_stops_what_should_not_be_there(browser):
    """What the other tests rely on: if something got into the page, the browser would say so."""

    def looking(address):
        browser.open(address)
        browser.script("document.body.append(Object.assign(new Image(), {src: '//evil.example/x'}))")
        assert until(lambda: [it for it in browser.complaints() if "Content Security Policy" in it])
        browser.script(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
        )
        assert until(lambda: [it for it in browser.complaints() if "inline script" in it])
        assert browser.script("return document.title") != "1"

    await look(FAILING, looking)
