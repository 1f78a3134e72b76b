"""`serve --abstain` and `mcp --abstain`: the same windows are unknown by every way in."""

import asyncio
from dataclasses import replace

import mcp
import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.serve import main
from sensor2llm.serving.served_models import load_models
from tests.serving import served
from tests.serving.served import ask, sensor

QUESTION = "What is the person doing?"
UNLIKE = "unknown: unlike what the adapter learned from."


@pytest.fixture(scope="module")
def server():
    with served.client(abstain=0.05) as client:
        yield client


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "walk.csv"
    path.write_bytes(served.csv_bytes())
    return str(path)


@pytest.fixture(scope="module")
def expected():
    """Give the rows of `classify --abstain 0.05`; windows 1 and 5 are unlike training."""
    table = served.pipeline().classify(served.recording(), abstain=0.05)
    return table.to_dict("records") if hasattr(table, "attrs") else table.to_pylist()


def tools(path, abstain=0.05):
    """Label a file and ask about its first window, as an assistant does."""
    from sensor2llm.serving.tools.assistant import make_server
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    toolbox = SensorToolbox([served.ADAPTER], abstain=abstain)
    toolbox._loaded.update(served.abstaining_models(abstain))

    async def run():
        async with mcp.Client(make_server(toolbox)) as client:
            words = {"path": path, "adapter": served.ADAPTER}
            labels = await client.call_tool("classify_file", words)
            answer = await client.call_tool("ask_about_window", words | {"question": QUESTION})
            return labels.structured_content, answer.structured_content

    return asyncio.run(run())


def test_labels_are_those_of_classify(server, expected):
    rows = server.post("/classify", json={"values": served.recording()}).json()["windows"]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    assert [row["label"] == "unknown" for row in rows] == [bool(row["unlike"]) for row in rows]
    assert {row["label"] for row in rows} == {"unknown", "walking", "lying"}
    shares = [row["probability"] for row in rows]
    assert shares == pytest.approx([row["probability"] for row in expected], abs=1e-4)


@pytest.mark.parametrize(("number", "label"), [(1, "unknown"), (2, "walking"), (5, "unknown")])
def test_a_window_is_unknown_in_chat_as_in_classify(server, expected, number, label):
    part = sensor(values=served.recording(), number=number)
    body = ask(server, QUESTION, part).json()
    (window,) = body["sensor2llm"]["windows"]
    assert (window["label"], expected[number - 1]["label"]) == (label, label)
    assert window["probability"] == pytest.approx(expected[number - 1]["probability"], abs=1e-4)
    text = body["choices"][0]["message"]["content"]
    assert text == (UNLIKE if label == "unknown" else "walking (1.00).")
    assert (body["sensor2llm"]["probability"] is None) == (label == "unknown")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("isn't he sitting?", UNLIKE),
        ("Why do you say so?", UNLIKE),
        ("Describe the window.", UNLIKE),
        ("Which sensors are missing?", "nothing is missing"),
    ],
)
def test_no_label_is_said_by_another_question(server, question, text):
    body = ask(server, question, sensor(values=served.recording())).json()
    details = body["sensor2llm"]
    assert text in (body["choices"][0]["message"]["content"], details["measured"])


def test_labels_of_two_windows_are_not_compared(server):
    parts = [sensor(values=served.recording(), number=number) for number in (2, 5)]
    body = ask(server, "Are both windows the same activity?", *parts).json()
    assert body["choices"][0]["message"]["content"] == UNLIKE


def test_assistants_get_the_same(recording, expected):
    labels, answer = tools(recording)
    assert [one["label"] for one in labels["labels"]] == [row["label"] for row in expected]
    assert labels["counts"] == {"unknown": 2, "walking": 3, "lying": 4}
    assert answer["answer"] == UNLIKE
    assert (answer["label"]["label"], answer["probability"]) == ("unknown", None)
    assert answer["label"]["probability"] == pytest.approx(expected[0]["probability"], abs=1e-4)


def test_what_is_not_sure_enough_is_unknown(monkeypatch, recording):
    adapter = served.models()[served.ADAPTER].model.adapter
    wrong = np.zeros_like(adapter.trust.calibration.right)
    unsure = replace(adapter.trust, calibration=replace(adapter.trust.calibration, right=wrong))
    monkeypatch.setattr(adapter, "trust", unsure)
    with served.client(abstain=0.2) as server:
        rows = server.post("/classify", json={"values": served.recording()}).json()["windows"]
        body = ask(server, QUESTION, sensor(values=served.recording(), number=2)).json()
    labels, _ = tools(recording, 0.2)
    assert {row["label"] for row in rows} == {"unknown"}
    assert body["choices"][0]["message"]["content"] == "unknown: not sure enough."
    assert labels["counts"] == {"unknown": 9}


def test_models_say_whether_they_abstain(server):
    (model,) = server.get("/v1/models").json()["data"]
    assert model["sensor2llm"]["abstain"] == 0.05


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["uci-har-questions-bundled", "--abstain"], "uci-har-questions-bundled: this adapter is "
         "not calibrated and cannot abstain; calibrate it first"),
        ([served.ADAPTER, "--abstain", "3"], "abstain is a share of wrong labels, from 0 to below "
         "1, got 3"),
    ],
)  # fmt: skip
def test_what_cannot_abstain_is_not_served(words, message, capsys):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_an_assistant_is_refused_an_adapter_that_cannot_abstain(recording, monkeypatch):
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    adapter = served.models()[served.ADAPTER].model.adapter
    monkeypatch.setattr(adapter, "trust", replace(adapter.trust, calibration=None))
    monkeypatch.setattr(
        "sensor2llm.serving.served_models.load_model",
        lambda *words, **how: served.models()[served.ADAPTER].model,
    )
    toolbox = SensorToolbox([served.ADAPTER], abstain=0.05)
    with pytest.raises(ConfigError, match="not calibrated and cannot abstain"):
        toolbox.classify_file(recording, served.ADAPTER)
    with pytest.raises(ConfigError, match="got 1"):
        SensorToolbox([served.ADAPTER], abstain=1.0)
    assert load_models([served.ADAPTER])[served.ADAPTER].abstain is None
