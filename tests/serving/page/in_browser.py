"""What a person does on the page, for tests in a browser."""

import io

import pytest
from pyarrow import csv

from tests.serving import served

PLAIN = "says-all"
"""The adapter once more, which does not abstain."""
QUESTION = "What is the person doing?"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def walk(name="walk.csv", content=None):
    return {"name": name, "mimeType": "text/csv", "buffer": content or served.csv_bytes()}


def choose(page, file=None):
    """Choose a file, and wait until its first window is shown."""
    page.set_input_files("#file", file or walk())
    page.wait_for_selector("#facts li")


def answer(page) -> str:
    """Give the newest answer, once it is whole."""
    page.wait_for_selector("#answers li:first-child .from:not(:empty)")
    return page.inner_text("#answers li:first-child .said")


def downloaded(page) -> list[dict]:
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "walk_labels.csv"
    return csv.read_csv(io.BytesIO(download.value.path().read_bytes())).to_pylist()


def tab_to(page, name):
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    pytest.fail(f"Tab does not lead to {name}")
