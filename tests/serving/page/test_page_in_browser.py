"""The page in Chromium: drop, click, ask, error, offline, reload; by mouse, by keyboard alone."""

import pytest

from tests.serving import served
from tests.serving.page.in_browser import (
    DESKTOP,
    PHONE,
    PLAIN,
    QUESTION,
    answer,
    choose,
    downloaded,
    tab_to,
    walk,
)

DROP = """(files) => {
  const data = new DataTransfer();
  for (let i = 0; i < files.length; i += 2) data.items.add(new File([files[i + 1]], files[i]));
  const how = {dataTransfer: data, bubbles: true, cancelable: true};
  for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, how));
}"""
MOVE = """(count) => {
  for (let step = 0; step < count; step++) {
    const swing = Math.sin(step / 4), at = {x: 0.3 * swing, y: swing, z: swing};
    const event = new DeviceMotionEvent("devicemotion", {
      acceleration: at, accelerationIncludingGravity: {...at, x: 9.8 + at.x},
      rotationRate: {alpha: 20 * swing, beta: 9 * swing, gamma: 5}, interval: 20,
    });
    Object.defineProperty(event, "timeStamp", {value: 1000 + 20 * step});
    dispatchEvent(event);
  }
}"""


def test_the_first_answer_is_three_clicks_away_and_a_reload_forgets(open_page, address):
    responses, page = [], open_page()

    def files():
        return page.request.get(f"{address}/v1/files").json()["data"]

    before = len(files())
    page.select_option("#adapter", PLAIN)
    with page.expect_file_chooser() as chooser:
        page.click("text=Choose a file")
    chooser.value.set_files(walk())
    page.click(f"#suggestions >> text={QUESTION}")
    reference = served.pipeline().ask(served.recording(), QUESTION)
    assert answer(page) == reference.said
    assert "scored by the adapter from this window · 100 %" in page.inner_text("#answers")
    assert len(files()) == before + 1
    page.on("response", lambda response: responses.append(response))
    page.reload()
    page.wait_for_selector("#start")
    for part in ("#result", "#detail", "#answers", "#error"):
        assert not page.is_visible(part)
    assert page.input_value("#adapter") == served.ADAPTER
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert len(files()) == before
    assert len(responses) > 10
    assert sum(len(response.body()) for response in responses) < 1.5e6


def test_a_dropped_file_is_labelled_and_its_table_downloaded(open_page):
    page = open_page()
    page.wait_for_selector("#start")
    page.evaluate(DROP, ["walk.csv", served.csv_bytes().decode()])
    page.wait_for_selector("#facts li")
    assert page.inner_text("#result-title") == "walk.csv: 9 windows"
    assert page.inner_text("#legend").split("\n") == ["unknown 2", "walking 3", "lying 4"]
    notes = page.inner_text("#notes")
    assert "2 of 9 windows are unlike what the adapter learned from" in notes
    assert "rows: 48 of 1200 left out (after the last whole window)" in notes
    rows = downloaded(page)
    table = served.pipeline().classify(served.recording(), abstain=0.05)
    expected = table.to_dict("records") if hasattr(table, "attrs") else table.to_pylist()
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    assert [row["unlike"] or "" for row in rows] == [row["unlike"] for row in expected]
    shares = [row["p_lying"] for row in rows]
    assert shares == pytest.approx([row["p_lying"] for row in expected], abs=1e-4)
    page.click("text=All windows as a table")
    assert page.locator("#table-content tbody tr").count() == 9


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_a_window_that_is_clicked_is_shown_and_asked_about(open_page, viewport):
    page = open_page(viewport=viewport)
    choose(page)
    assert page.is_visible("#unlike")
    plot = page.locator("#signals .u-over").last
    box = plot.bounding_box()
    plot.click(position={"x": 0.85 * box["width"], "y": 20})
    page.wait_for_selector("#window-title:has-text('Window 8: 17.92 s to 20.48 s: lying, 100 %')")
    assert page.get_attribute("#timeline", "aria-valuenow") == "8"
    assert not page.is_visible("#unlike")
    page.wait_for_selector("#facts >> text=gravity lies along +y")
    page.click("#numbers summary")
    cell = page.locator("#numbers-content table").nth(2).locator("tbody td").first
    expected = served.recording()["total_acc.total_acc_x"][7 * 128]
    assert float(cell.inner_text()) == pytest.approx(expected, rel=1e-5)
    page.fill("#question", "isn't he lying?")
    page.click("#ask button")
    assert answer(page) == "Yes: lying (1.00)."
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    for _ in range(3):
        page.click("#zoom-in")
    assert page.get_attribute("#timeline", "aria-valuenow") == "8"


def test_everything_is_done_by_keyboard(open_page):
    page = open_page()
    page.wait_for_selector("#start")
    tab_to(page, "file")
    with page.expect_file_chooser() as chooser:
        page.locator("#file").press("Space")
    chooser.value.set_files(walk())
    page.wait_for_selector("#result-title:focus")
    tab_to(page, "timeline")
    texts = []
    for key in ("ArrowRight", "End", "ArrowLeft", "+", "PageDown", "Home", "ArrowRight"):
        page.keyboard.press(key)
        texts.append(int(page.get_attribute("#timeline", "aria-valuenow")))
    assert texts == [2, 9, 8, 8, 1, 1, 2]
    text = page.get_attribute("#timeline", "aria-valuetext")
    assert text == "2 of 9, 2.56 s to 5.12 s: walking, 100 %"
    page.keyboard.press("Enter")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    assert answer(page) == "walking (1.00)."
    page.keyboard.press("Enter")
    assert page.locator("#answers li").count() == 1


def test_windows_of_before_are_compared_with(open_page):
    page = open_page()
    choose(page)
    for presses, question in ((1, QUESTION), (6, "Are both windows the same activity?")):
        page.focus("#timeline")
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
        page.fill("#question", question)
        page.click("#ask button")
        text = answer(page)
    assert text == "first: walking, second: lying, so no."


NAME = "<img src=x onerror=alert(1)>.csv"


BAD_FILES = [
    (walk("notes.pdf"), "cannot read notes.pdf; upload a file in .csv"),
    (walk(NAME, b"a,b\n1,2\n"), "expected the spec's channels"),
    (walk(content=b"time_s,total_acc_x\n0,1\n"), "walk.csv"),
    (walk(content=b" "), "walk.csv"),
]


def test_a_file_that_cannot_be_read_is_one_line_and_its_name_no_markup(open_page):
    page = open_page(wrong=True)
    for file, words in BAD_FILES:
        choose(page, walk(NAME))
        assert page.inner_text("#result-title") == f"{NAME}: 9 windows"
        assert page.locator("main img").count() == 0
        assert not page.is_visible("#error")
        page.set_input_files("#file", file)
        page.wait_for_selector("#error:not([hidden])")
        line = page.inner_text("#error")
        assert words in line
        assert len(line) <= 300
        assert not page.is_visible("#result")
        assert page.inner_text("#status") == ""
    assert page.get_attribute("#error", "role") == "alert"
    page.evaluate(DROP, ["walk.csv", "", "more.csv", ""])
    assert page.inner_text("#error") == "2 files were dropped; drop one."


def test_without_the_server_it_says_so_and_goes_on_afterwards(open_page):
    page = open_page(wrong=True)
    choose(page)
    page.context.set_offline(True)
    page.click(f"#suggestions >> text={QUESTION}")
    page.wait_for_selector("#error >> text=The server cannot be reached")
    assert not page.is_visible("#answers")
    page.context.set_offline(False)
    page.click(f"#suggestions >> text={QUESTION}")
    assert answer(page) == "unknown: unlike what the adapter learned from."
    assert not page.is_visible("#error")


def test_another_adapter_labels_the_same_file(open_page):
    page = open_page()
    page.wait_for_selector("#start")
    assert page.locator("#adapter option").all_inner_texts() == [served.ADAPTER, PLAIN]
    assert "It says unknown where more than 5 % of such labels" in page.inner_text("#about")
    choose(page)
    page.select_option("#adapter", PLAIN)
    page.wait_for_selector("#legend:has-text('walking 5')")
    assert page.inner_text("#legend").split("\n") == ["walking 5", "lying 4"]
    assert "It says unknown" not in page.text_content("#about")


def test_a_server_with_keys_asks_for_one(open_page, tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text("right\n")
    with served.running(api_key_file=keys) as address:
        page = open_page(address, wrong=True)
        for key in ("wrong", "right"):
            page.fill("#key-value", key)
            page.click("#key button")
            page.wait_for_selector("#error:visible" if key == "wrong" else "#start")
        choose(page)
        assert page.inner_text("#result-title") == "walk.csv: 9 windows"
        page.close()


@pytest.mark.parametrize(
    ("vendor", "along"), [("Google Inc.", "+x"), ("Apple Computer, Inc.", "-x")]
)
def test_the_devices_own_sensors_are_recorded(open_page, vendor, along):
    page = open_page()
    page.evaluate("vendor => Object.defineProperty(navigator, 'vendor', {value: vendor})", vendor)
    page.click("#record")
    page.wait_for_selector("#record:has-text('Stop (0 s)')")
    page.evaluate(MOVE, 400)
    page.click("#record:has-text('Stop (7 s)')")
    page.wait_for_selector(f"#facts >> text=gravity lies along {along}")
    assert page.inner_text("#result-title") == "device.csv: 3 windows"
    assert page.inner_text("#record") == "Record with this device"
    page.wait_for_selector(f"#facts >> text=/mean x {along[:-1].strip('+')}(0.9|1)/")


def test_a_device_without_sensors_is_one_line(open_page):
    page = open_page()
    page.click("#record")
    page.click("#record:has-text('Stop')")
    page.wait_for_selector("#error >> text=The motion sensors of this device say nothing")


@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)])
def test_nothing_stands_in_the_way_of_a_screen_reader(open_page, scheme, viewport):
    page = open_page(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector("#start")
    faults = serious(page)
    page.click("text=Try a simulated one")
    page.wait_for_selector("#facts li")
    assert page.inner_text("#result-title") == "simulated.csv: 18 windows"
    page.click(f"#suggestions >> text={QUESTION}")
    answer(page)
    page.click("text=All windows as a table")
    page.click("#numbers summary")
    assert faults + serious(page) == []


def serious(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['html'] for node in one['nodes']]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
