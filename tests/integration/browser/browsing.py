"""A browser of our own, that says what it asked for and what it complained about.

What drives it is imported late: only who looks with it needs it (`pip install .[browser]`).
"""

import json
from contextlib import contextmanager
from importlib import resources
from tempfile import TemporaryDirectory

TAB = "\ue004"
"""How WebDriver spells the key."""
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)


class Browser:
    def __init__(self, driver):
        self.driver = driver

    def open(self, url, scheme="light"):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        for name in ("browser", "performance"):
            self.driver.get_log(name)  # what came before is forgotten
        self.driver.get(url)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def text(self):
        return self.driver.find_element("tag name", "body").text

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [it["params"]["request"]["url"] for it in events if it["method"] == "Network.requestWillBeSent"]

    def tab(self):
        """Presses the key; what has the focus then: its tag, name, its outline's style, and whether it is on screen."""
        self.driver.switch_to.active_element.send_keys(TAB)
        return self.script(
            "const it = document.activeElement, box = it.getBoundingClientRect();"
            "const name = it.getAttribute('aria-labelledby') || it.textContent;"
            "return [it.tagName, name, getComputedStyle(it).outlineStyle, box.right > 0 && box.bottom > 0]"
        )

    def violations(self):
        """What axe finds, by rule."""
        self.script(resources.files("axe_core_python").joinpath("axe.min.js").read_text())
        found = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        assert len(found["passes"]) > 20, "axe looked at little"
        return {it["id"]: [node["html"] for node in it["nodes"]] for it in found["violations"]}

    def screenshot(self, path, width=1280):
        """The whole page, as high as it is."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 100, "deviceScaleFactor": 1, "mobile": False},
        )
        height = self.script("return document.documentElement.scrollHeight")
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        self.driver.save_screenshot(str(path))


@contextmanager
def browsing():
    from selenium import webdriver  # noqa: PLC0415
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with TemporaryDirectory() as profile:
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        # axe takes seconds for the largest page, and a multiple of them on a busy machine.
        driver.set_script_timeout(100)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
