"""The page in a real browser, where one is installed."""

import shutil

import pytest

from tests.lab.recorded import pairs
from thinned.lab.records import Contents
from thinned.report import gather, write

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")


@pytest.fixture(scope="module")
def browser():
    """One browser for all, without a sandbox, so that it starts as root too."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as api:
        running = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield running
        running.close()


@pytest.fixture(params=[("light", 390), ("dark", 390), ("light", 1200)], ids=["phone", "dark phone", "desk"])
def opened(request, browser, tmp_path):
    """The page, what it said on the console, and what it asked for."""
    scheme, width = request.param
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(write(gather(Contents(tuple(RUNS), ())), tmp_path / "report.html").as_uri())
    tab.wait_for_function("document.querySelectorAll('.main-svg').length >= 7")
    yield tab, said, asked, width
    tab.close()


class TestBrowser:
    """Light and dark, on a phone and on a desk."""

    def test_it_draws_every_picture_and_says_nothing(self, opened):
        """No error, no warning, no request but the page itself, nothing wider than the window."""
        tab, said, asked, width = opened

        assert 7 == tab.locator(".js-plotly-plot").count()
        assert ([], [tab.url]) == (said, asked)
        assert width == tab.evaluate("document.documentElement.scrollWidth")

    def test_it_follows_the_colour_scheme(self, opened):
        """The pictures are painted again when it changes."""
        tab, _, _, _ = opened
        colour = "document.querySelector('#curve-test_loss .xtick text').style.fill"
        found = []
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            tab.wait_for_timeout(300)
            found.append(tab.evaluate(colour))

        assert ["rgb(87, 96, 106)", "rgb(163, 173, 184)"] == found
