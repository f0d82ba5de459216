"""The pages in a real browser, where one is installed."""

import shutil
from dataclasses import replace

import pytest

from tests.lab.recorded import pairs
from tests.report.answers import ANSWER
from thinned.lab.records import Contents
from thinned.report import gather, index, write

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FACTS = replace(
    gather(Contents(tuple(pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))), ())), answer=ANSWER, study="by-hand"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")


@pytest.fixture(scope="module")
def browser():
    """One browser for all, without a sandbox, so that it starts as root too."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as api:
        running = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study's page, and an index above it."""
    above = tmp_path_factory.mktemp("pages")
    index.write([(write(FACTS, above / "by-hand" / "report.html"), FACTS)], above)
    return above


@pytest.fixture(scope="module")
def desk(browser, folder):
    """The page on a desk, with what it said on the console and what it asked for."""
    yield from opened(browser, folder / "by-hand" / "report.html", "light", 1200)


def opened(browser, path, scheme, width):
    """A tab with every picture drawn."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(path.as_uri())
    count = "document.querySelectorAll('.plot').length"
    tab.wait_for_function(f"document.querySelectorAll('.plot .main-svg').length >= {count}")
    yield tab, said, [url for url in asked if not url.startswith("data:")]
    tab.close()


class TestOpened:
    """Light and dark, on a phone and on a desk."""

    @pytest.mark.parametrize(
        ("scheme", "width"), [("light", 360), ("dark", 1200)], ids=["phone", "dark desk"]
    )
    @pytest.mark.parametrize("page", ["by-hand/report.html", "index.html"], ids=["study", "index"])
    def test_it_draws_and_says_nothing(self, browser, folder, page, scheme, width):
        """No error, no warning, no request but the page, nothing wider than the window, no markup of a name."""
        for tab, said, asked in opened(browser, folder / page, scheme, width):
            assert ([], [tab.url]) == (said, asked)
            assert width == tab.evaluate("document.documentElement.scrollWidth")
            assert 0 == tab.locator("img, main b, svg script").count()

    def test_it_follows_the_colour_scheme(self, desk):
        """Texts and pictures are painted again when it changes, and text stands out from the page in both."""
        tab, _, _ = desk
        colour = "document.querySelector('#picture-0 .xtick text').style.fill"
        ground = "getComputedStyle(document.body).backgroundColor"
        found = []
        for scheme in ("dark", "light"):
            tab.emulate_media(color_scheme=scheme)
            tab.wait_for_timeout(200)
            found.append((tab.evaluate(colour), tab.evaluate(ground)))

        assert [
            ("rgb(163, 173, 184)", "rgb(21, 24, 28)"),
            ("rgb(87, 96, 106)", "rgb(255, 255, 255)"),
        ] == found

    def test_it_is_white_and_narrow_on_paper(self, desk):
        """Whatever the screen is."""
        tab, _, _ = desk
        tab.emulate_media(color_scheme="dark")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.wait_for_timeout(200)
        found = tab.evaluate(
            "[getComputedStyle(document.body).backgroundColor, "
            "Math.max(...[...document.querySelectorAll('.main-svg')].map(e => e.getBoundingClientRect().right))]"
        )
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        tab.emulate_media(color_scheme="light")

        assert "rgb(255, 255, 255)" == found[0]
        assert found[1] <= 44 * 16  # a sheet of A4 between its margins is 688 pixels wide


class TestTooltips:
    """What the mouse finds."""

    def test_a_dot_tells_its_estimate_and_its_runs(self, desk):
        """With the interval."""
        tab, _, _ = desk
        dots = tab.locator("#picture-0 .scatterlayer .trace").nth(1).locator(".points path")
        dots.first.scroll_into_view_if_needed()
        dots.first.hover(force=True)
        told = tab.locator("#picture-0 .hoverlayer .hovertext").first
        told.wait_for(timeout=5000)

        assert "Dropout: 0.40 (0.12 to 0.68)" in told.text_content()
        assert "5 runs: 0.1, 0.3, 0.4, 0.5, 0.7" in told.text_content()


class TestTables:
    """Sorted by whoever reads them."""

    def column(self, tab, number):
        """What a column of the first table of the answer has, from above."""
        return tab.locator(
            f"section[aria-labelledby=tables] tbody tr > :nth-child({number})"
        ).all_text_contents()

    def test_a_click_sorts_by_number(self, desk):
        """9.5 before 10.2, then the other way round; what is missing comes last."""
        tab, _, _ = desk
        head = tab.locator("section[aria-labelledby=tables] th[scope=col]").nth(2)
        head.locator("button").click()

        assert ("ascending", ["9.50 (9 to 10)", "10.20 (9 to 11)", ""]) == (
            head.get_attribute("aria-sort"), self.column(tab, 3)
        )  # fmt: skip
        head.locator("button").click()
        assert "descending" == head.get_attribute("aria-sort")
        assert ["10.20 (9 to 11)", "9.50 (9 to 10)", ""] == self.column(tab, 3)

    def test_a_keyboard_sorts(self, desk):
        """By the names; one column at a time is the sorted one."""
        tab, _, _ = desk
        heads = tab.locator("section[aria-labelledby=tables] th[scope=col]")
        heads.nth(0).locator("button").focus()
        tab.keyboard.press("Enter")

        assert ["ascending", "none", "none"] == [heads.nth(k).get_attribute("aria-sort") for k in range(3)]
        assert ["dropout", "none"] == self.column(tab, 1)[1:]
