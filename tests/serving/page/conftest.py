"""A browser, a server of two adapters, and pages that ask nobody else and say nothing wrong."""

import importlib.util
import shutil
from dataclasses import replace

import pytest

from tests.serving import served
from tests.serving.page.in_browser import DESKTOP, PLAIN

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def address():
    both = dict(served.abstaining_models(0.05))
    both[PLAIN] = replace(both[served.ADAPTER], name=PLAIN, abstain=None)
    with served.running(both) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM or not importlib.util.find_spec("playwright"):
        pytest.skip("the page in a browser: needs playwright and Chromium (apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as program:
        browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Open the page; afterwards nothing else was asked for, and nothing is on the console."""
    contexts, elsewhere, lines = [], [], []

    def open_page(at=address, viewport=DESKTOP, wrong=False, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: elsewhere.append(request.url)
                if not request.url.startswith((at, "blob:")) else None)  # fmt: skip
        page.on("pageerror", lambda error: lines.append(str(error)))
        if not wrong:
            page.on("console", lambda line: lines.append(line.text))
        page.goto(at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert (elsewhere, lines) == ([], [])
