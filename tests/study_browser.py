"""A browser, the study page in it, and what one sees of it; for the tests of the page."""

import os
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAPTOP, PHONE, DESK = (1366, 657), (360, 800), (1920, 1080)
USUAL = {"locale": "en-US", "reduced_motion": "reduce"}


@pytest.fixture(scope="module")
def browser():
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        hint = "no Chromium on this machine; to get it: apt-get install chromium"
        pytest.fail(hint) if os.environ.get("HANDGRAD_REQUIRE_BROWSER") else pytest.skip(hint)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(browser, tmp_path_factory):
    """Built by the command, as users build it: once for all workers, and only where there is a browser."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    built = folder / "study-page.html"
    if not built.exists():
        own = tmp_path_factory.mktemp("study")
        command = [sys.executable, "-c", "from handgrad.cli.main import main; main()", "study", "--out", own]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"{own / 'index.html'}\n"
        os.replace(own / "index.html", built)
    return built


@pytest.fixture(scope="module")
def tab(browser):
    """A page for all visits with the usual settings: to open a new one takes as long as to load the page."""
    return browser.new_page(**USUAL)


@pytest.fixture
def visit(browser, page_file, tab):
    """Opens the page; at the end nothing may have gone wrong, and nothing may have been fetched."""
    pages, faults, address = [], [], page_file.as_uri()
    heard = {
        "console": lambda message: faults.append(message.text),
        "pageerror": lambda error: faults.append(str(error)),
        "request": lambda request: request.url.startswith(("data:", address)) or faults.append(request.url),
    }

    def visit(query="", size=(1280, 900), **options):
        page = browser.new_page(**USUAL | options) if options else tab
        assert page not in pages
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for event, listener in heard.items():
            page.on(event, listener)
        page.goto(address + query)
        return page

    yield visit
    for page in pages:
        if page is not tab:
            page.close()
            continue
        for event, listener in heard.items():
            page.remove_listener(event, listener)
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")
        page.emulate_media(media="null")
        page.mouse.move(0, 0)
    assert faults == []


def visible(page, selector):
    return page.eval_on_selector_all(
        selector, "all => all.filter(each => each.getClientRects().length).length"
    )


def in_view(page, selector):
    """The number of pixels of an element's height that are visible below the sticky header."""
    return page.evaluate(
        """selector => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
        }""",
        selector,
    )
