"""The page in a browser, as a person sees it: on a desk and on a phone, by day and by night.

Contrast is WCAG's for text (4.5); what is measured is in looks.js. Each test leaves a screenshot in its folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.ops.report import sample

pytestmark = pytest.mark.built

CHROMIUM = "/usr/bin/chromium"
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MEASURE = (Path(__file__).parent / "looks.js").read_text()
HEIGHT = 900
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own chromium, with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    written = {}
    for name, text in sample.pages(root).items():
        written[name] = root / f"{name}.html"
        written[name].write_text(text)
    return written


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1024, 390])
@pytest.mark.parametrize("name", ["well", "troubled", "large"])
def test_all_of_the_page_can_be_read_and_nothing_is_fetched_for_it(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width: int, scheme: Scheme
) -> None:
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    view = context.new_page()
    fetched: list[str] = []
    said: list[str] = []
    view.on("request", lambda request: fetched.append(request.url))
    view.on("console", lambda message: said.append(message.text))
    view.goto(pages[name].as_uri())
    view.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    # What lies behind a text can be asked of what is within the window only.
    view.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    view.set_viewport_size({"width": width, "height": view.evaluate("document.documentElement.scrollHeight")})
    seen = view.evaluate(MEASURE)
    context.close()
    assert seen["faults"] == []
    assert seen["texts"] > 50
    assert seen["drawings"] == (2 if name == "large" else 3), "each drawing is shown once"
    assert (seen["ground"] > 0.5) == (scheme == "light")
    assert fetched == [pages[name].as_uri()]
    assert said == []


def test_a_phone_shows_what_is_not_well_before_anything_else(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    view = context.new_page()
    view.goto(pages["troubled"].as_uri())
    place = view.locator(".verdict").bounding_box()
    context.close()
    assert place is not None
    assert place["y"] + place["height"] < 844
