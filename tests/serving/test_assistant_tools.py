"""The tools through the SDK's own client: typed results, the answers of `ask` and `classify`."""

import asyncio
import os
import sys

import mcp
import pytest

from sensor2llm.errors import ArtefactError
from tests.conftest import REPOSITORY
from tests.serving import served

QUESTION = "What is the person doing?"


@pytest.fixture(scope="module")
def server():
    from sensor2llm.serving.tools.assistant import make_server
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    toolbox = SensorToolbox([served.ADAPTER, "af-rhythm"])
    toolbox._loaded.update(served.models())
    return make_server(toolbox)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "walk.csv"
    path.write_bytes(served.csv_bytes())
    return path


def call(server, tool, **arguments):
    """Call a tool, and give what it returned or the text of its error."""

    async def run():
        async with mcp.Client(server) as client:
            return await client.call_tool(tool, arguments)

    result = asyncio.run(run())
    return result.content[0].text if result.is_error else result.structured_content


def test_every_tool_says_what_it_takes_and_gives(server):
    async def run():
        async with mcp.Client(server) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(run())}
    assert list(tools) == [
        "list_adapters", "look_at_file", "classify_file", "classify_stream", "ask_about_window",
    ]  # fmt: skip
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema["properties"]
        assert tool.annotations.read_only_hint
    wanted = tools["ask_about_window"]
    assert wanted.input_schema["required"] == ["path", "adapter", "question"]
    assert {"probability", "label", "limits", "measured"} <= set(wanted.output_schema["properties"])


def test_adapters_are_listed_with_what_they_hear_and_their_limits(server):
    first, second = call(server, "list_adapters")["result"]
    assert (first["name"], second["name"]) == (served.ADAPTER, "af-rhythm")
    assert first["labels"] == list(served.pipeline().labels)
    assert first["sensors"][2]["channels"] == ["total_acc_x", "total_acc_y", "total_acc_z"]
    assert first["measured"].startswith("measured on unseen people, right: labels")
    assert first["limits"].startswith("not a medical device")


def test_a_file_is_looked_at(server, recording):
    result = call(server, "look_at_file", path=str(recording))
    assert (result["file"], result["size_bytes"]) == ("walk.csv", recording.stat().st_size)
    assert result["columns"] == list(served.recording())
    hears, deaf = result["adapters"]
    assert (hears["windows"], hears["missing"], hears["why"]) == (9, [], "")
    assert any(note.startswith("rows: 1200 read") for note in hears["notes"])
    assert deaf["windows"] == 0
    assert "expected the spec's channels" in deaf["why"]


def test_a_file_is_labelled_as_classify_does(server, recording):
    result = call(server, "classify_file", path=str(recording), adapter=served.ADAPTER)
    reference = served.pipeline().classify(recording)
    table = reference.to_dict("records") if hasattr(reference, "attrs") else reference.to_pylist()
    assert [one["label"] for one in result["labels"]] == [row["label"] for row in table]
    shares = [one["probability"] for one in result["labels"]]
    assert shares == pytest.approx([row["probability"] for row in table], abs=1e-4)
    assert [one["number"] for one in result["labels"]] == list(range(1, 10))
    assert result["counts"] == {"walking": 5, "lying": 4}
    assert (result["windows"], result["left_off"]) == (9, 0)
    assert [one["unlike"] for one in result["labels"]] == [row["unlike"] for row in table]
    assert result["unlike"] == sum(bool(row["unlike"]) for row in table)
    assert result["mean_probability"] == pytest.approx(sum(shares) / 9)


def test_of_many_windows_the_first_are_listed(server, recording, monkeypatch):
    from sensor2llm.serving.tools import toolbox

    monkeypatch.setattr(toolbox, "MOST_LABELS", 4)
    wanted = {"path": str(recording), "adapter": served.ADAPTER, "overlap": 0.5}
    result = call(server, "classify_file", **wanted)
    assert (result["windows"], len(result["labels"]), result["left_off"]) == (17, 4, 13)
    assert sum(result["counts"].values()) == 17


@pytest.mark.parametrize("question", [QUESTION, "isn't he sitting?", "how fast are the steps?"])
def test_a_question_is_answered_as_ask_does(server, recording, question):
    reference = served.pipeline().ask(recording, question, number=8)
    wanted = {"path": str(recording), "adapter": served.ADAPTER, "question": question, "number": 8}
    result = call(server, "ask_about_window", **wanted)
    assert (result["answer"], result["kind"], result["source"]) == (
        reference.said, reference.kind, reference.source,
    )  # fmt: skip
    assert result["probability"] == pytest.approx(reference.probability, abs=1e-4)
    assert result["from_signal"] == reference.measured
    assert (result["label"]["label"], result["label"]["number"]) == ("lying", 8)
    assert result["label"]["start_s"] == pytest.approx(7 * 2.56)


@pytest.mark.parametrize(
    ("tool", "changes", "words"),
    [
        ("look_at_file", {"path": "nowhere.csv"}, "nowhere.csv does not exist"),
        ("classify_file", {"adapter": "gpt"}, "there is no adapter 'gpt'; choose from uci-har-"),
        ("classify_file", {"overlap": 1.0}, "overlap must be at least 0 and below 1"),
        ("ask_about_window", {"number": 99}, "9 windows of 2.56 s; there is no number 99"),
        ("ask_about_window", {"number": 0}, "there is no number 0"),
        ("ask_about_window", {"question": "<|signal|>"}, "stands for learned vectors"),
    ],
)
def test_what_cannot_be_is_the_tools_error(server, recording, tool, changes, words):
    wanted = {"path": str(recording), "adapter": served.ADAPTER, "question": QUESTION} | changes
    names = {"look_at_file": ["path"], "classify_file": ["path", "adapter", "overlap"],
             "ask_about_window": ["path", "adapter", "question", "number"]}[tool]  # fmt: skip
    text = call(server, tool, **{name: wanted[name] for name in names if name in wanted})
    assert words in text
    assert len(text) < 400


def test_what_is_no_adapter_is_refused_before_anybody_asks(tmp_path):
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    with pytest.raises(ArtefactError, match=f"'{tmp_path}' is no adapter"):
        SensorToolbox([served.ADAPTER, str(tmp_path)])


def test_no_more_than_two_adapters_stay_loaded(monkeypatch):
    from sensor2llm.serving.tools import toolbox as module

    loaded = []
    monkeypatch.setattr(module, "find_adapter", lambda name: module.Path(name))
    monkeypatch.setattr(module, "read_manifest", lambda *words: {})
    monkeypatch.setattr(
        module,
        "load_models",
        lambda names, llm, abstain: loaded.append(names[0]) or {names[0]: names[0]},
    )
    toolbox = module.SensorToolbox(["a", "b", "c"])
    for name in ("a", "b", "a", "c", "a", "b"):
        toolbox._load(name)
    assert loaded == ["a", "b", "c", "b"]


def test_the_verb_speaks_the_protocol_and_nothing_else(recording):
    from mcp.client.stdio import StdioServerParameters, stdio_client

    words = ["-m", "sensor2llm", "mcp", served.ADAPTER]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    start = StdioServerParameters(command=sys.executable, args=words, env=environment)

    async def run():
        async with mcp.Client(stdio_client(start)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            wanted = {"path": str(recording), "adapter": served.ADAPTER, "question": QUESTION}
            return names, await client.call_tool("ask_about_window", wanted)

    names, result = asyncio.run(run())
    assert len(names) == 5
    assert result.structured_content["answer"] == "walking (1.00)."


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    import builtins

    from sensor2llm.mcp import main

    real = builtins.__import__

    def without(name, *words, **settings):
        if name.partition(".")[0] == "mcp":
            raise ModuleNotFoundError("No module named 'mcp'", name="mcp")
        return real(name, *words, **settings)

    monkeypatch.delitem(sys.modules, "sensor2llm.serving.tools.assistant", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert main([served.ADAPTER]) == 2
    assert capsys.readouterr().err == "error: mcp needs mcp: pip install 'sensor2llm[mcp]'\n"
