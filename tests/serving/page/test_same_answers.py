"""A browser, the `openai` package and an assistant hear the same of the same window."""

import asyncio
import threading

import mcp
import openai
import pytest

from tests.serving import served
from tests.serving.page.in_browser import QUESTION, answer, choose, downloaded
from tests.serving.served import sensor

NUMBER = 2


def of_openai(address, number):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        part = sensor(values=served.recording(), number=number)
        content = [part, {"type": "text", "text": QUESTION}]
        messages = [{"role": "user", "content": content}]
        result = client.chat.completions.create(model=served.ADAPTER, messages=messages)
    (window,) = result.sensor2llm["windows"]
    return result.choices[0].message.content, window


def of_assistant(path):
    """Ask as an assistant does; in a thread, for the browser's loop runs in this one."""
    from sensor2llm.serving.tools.assistant import make_server
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    toolbox = SensorToolbox([served.ADAPTER], abstain=0.05)
    toolbox._loaded.update(served.abstaining_models(0.05))
    results = []

    async def run():
        async with mcp.Client(make_server(toolbox)) as client:
            words = {"path": str(path), "adapter": served.ADAPTER}
            labels = await client.call_tool("classify_file", words)
            words |= {"question": QUESTION, "number": NUMBER}
            answer = await client.call_tool("ask_about_window", words)
            results.extend((labels.structured_content["labels"], answer.structured_content))

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    thread.join()
    return results


def test_a_window_has_one_label_and_one_probability_by_every_way(open_page, address, tmp_path):
    path = tmp_path / "walk.csv"
    path.write_bytes(served.csv_bytes())
    labels, assistant = of_assistant(path)
    page = open_page()
    choose(page, path)
    rows = downloaded(page)
    windows = [of_openai(address, number)[1] for number in range(1, 10)]
    for row, window, one in zip(rows, windows, labels, strict=True):
        assert row["label"] == window["label"] == one["label"]
        expected = pytest.approx(row["probability"], abs=1e-5)
        assert (window["probability"], one["probability"]) == (expected, expected)
    assert {row["label"] for row in rows} == {"unknown", "walking", "lying"}
    page.focus("#timeline")
    page.keyboard.press("ArrowRight")
    page.click(f"#suggestions >> text={QUESTION}")
    text, _ = of_openai(address, NUMBER)
    assert answer(page) == text == assistant["answer"] == "walking (1.00)."
