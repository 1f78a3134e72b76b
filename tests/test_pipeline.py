"""The door for people with a table: the same labels, answers and vectors as the parts below."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import sensor2llm
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.archive.labelling import label_file, prediction_row
from sensor2llm.errors import ArtefactError, ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pipeline import SensorPipeline, load
from sensor2llm.signals.window import Window
from tests.models import LABELS, small_model, text_adapter, tiny_llm, windows
from tests.signals.stores import SPEC
from tests.verbs import llm_folder, save_adapter, save_recording


@pytest.fixture(scope="module")
def model() -> SensorPipeline:
    return SensorPipeline(small_model())


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return save_recording(tmp_path_factory.mktemp("door") / "walk.csv")


@pytest.fixture
def frame(file) -> pd.DataFrame:
    return pd.read_csv(file)


def test_a_row_a_window_with_the_labels_of_the_verb(model, file, frame):
    expected = [prediction_row(p) for p in label_file(model.model, file)]
    labels = model.classify(frame)
    assert isinstance(labels, pd.DataFrame)
    assert labels.to_dict("records") == expected
    assert list(labels.columns[:3]) == ["start_s", "label", "probability"]
    assert list(labels.columns[3:]) == [f"p_{name}" for name in LABELS]
    assert model.classify(str(file)).to_dict("records") == expected


def test_the_table_says_what_became_of_rows(model, frame, caplog):
    with caplog.at_level("INFO"):
        labels = model.classify(frame.drop(index=range(20, 24)))
    assert labels.attrs["window_s"] == 2.0
    rows = {"read": 52, "kept": 48, "dropped": {"after the last whole window": 4}, "changed": {}}
    assert labels.attrs["ledger"]["rows"] == rows
    assert [line for line in caplog.messages if line.startswith("the table: windows: 3, 3 kept")]


def test_without_pandas_it_is_an_arrow_table(model, frame, monkeypatch):
    expected = model.classify(frame)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    labels = model.classify(pa.Table.from_pandas(frame))
    assert isinstance(labels, pa.Table)
    assert labels.to_pylist() == expected.to_dict("records")
    ledger = json.loads(labels.schema.metadata[b"ledger"])
    assert ledger == expected.attrs["ledger"]
    assert sensor2llm.label_bouts(labels)["windows"].to_pylist() == [
        bout["windows"] for bout in sensor2llm.label_bouts(expected).to_dict("records")
    ]


def test_labels_of_the_table_are_summed_up(model, frame):
    labels = model.classify(frame, overlap=0.5)
    summary = sensor2llm.summarise_labels(labels)
    assert summary["minutes"].sum() == pytest.approx(7 / 60)
    assert summary["windows"].sum() == len(labels) == 6


def test_a_recording_shorter_than_a_window(model, frame):
    for work in (model.classify, model.embed):
        with pytest.raises(DataError, match="the table holds no whole window of 2 s without gaps; "
                                            "rows: 12 read, 0 in windows, 12 dropped"):  # fmt: skip
            work(frame[:12])


def test_a_question_is_about_one_window(model, frame):
    first = Window({"accel": frame[["accel.x", "accel.y", "accel.z"]].to_numpy()[:16].T})
    expected = model.ask(first, "How fast?", max_new_tokens=5)
    assert model.ask(frame, "How fast?", max_new_tokens=5) == expected
    for number, said in ((4, "the table has 3 windows"), (0, "windows are numbered from 1")):
        with pytest.raises(DataError, match=f"{said}; there is no number {number}"):
            model.ask(frame, "How fast?", number=number)


def test_the_encoders_features_are_the_mean_of_its_steps(model):
    heard = windows(5)
    found = model.embed(heard, batch_size=2)
    unlabelled = [Window(w.signals) for w in heard]
    features = model.model.features(unlabelled)
    assert found.shape == (5, 3 * 8)
    rows = features.steps.mean(2)
    torch.testing.assert_close(torch.from_numpy(found).reshape(rows.shape), rows)
    gone = [name not in heard[1].signals for name in SPEC.names]
    assert (found[1].reshape(3, 8)[gone] == 0).all()


def test_signal_tokens_are_what_the_llm_is_given(model):
    found = model.embed(windows(3), of="signal_tokens")
    media = model.model.adapter.media(model.model.features([Window(w.signals) for w in windows(3)]))
    assert found.shape == (3, 2, tiny_llm().width)
    np.testing.assert_allclose(found, media.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_vectors_that_there_are_not(model):
    with pytest.raises(ConfigError, match="unknown vectors 'mean'; choose from encoder, signal_"):
        model.embed(windows(1), of="mean")
    with pytest.raises(ConfigError, match="batch_size must be positive, got 0"):
        model.embed(windows(1), batch_size=0)
    llm = tiny_llm()
    text = SensorPipeline(SensorLanguageModel(text_adapter(llm), llm))
    with pytest.raises(ConfigError, match="hears windows as text and has no encoder"):
        text.embed(windows(1))


def test_a_model_that_is_saved_loads_with_the_same_labels(model, frame, tmp_path):
    assert model.save_pretrained(tmp_path / "mine") == tmp_path / "mine"
    for again in (
        load(tmp_path / "mine", llm=llm_folder(), device="cpu", dtype="float32"),
        SensorPipeline.from_pretrained(str(tmp_path / "mine"), llm=llm_folder()),
    ):
        assert (again.labels, again.spec) == (LABELS, SPEC)
        pd.testing.assert_frame_equal(again.classify(frame), model.classify(frame), atol=1e-2)


def test_the_number_format_can_be_chosen(tmp_path):
    folder = save_adapter(tmp_path / "mine")
    kinds = [load(folder, llm=llm_folder(), dtype=d).model.llm for d in ("float32", "bfloat16")]
    assert [llm.embed(torch.zeros(1, 1, dtype=torch.long)).dtype for llm in kinds] == [
        torch.float32,
        torch.bfloat16,
    ]


def test_pushing_forwards_to_the_adapter(model, monkeypatch):
    pushed = []
    monkeypatch.setattr(
        SensorAdapter, "push_to_hub", lambda self, *a, **o: pushed.append((self, a, o)) or "address"
    )
    assert model.push_to_hub("me/mine", private=False) == "address"
    assert pushed == [(model.model.adapter, ("me/mine",), {"private": False})]


def test_an_adapter_that_is_not_there():
    with pytest.raises(ArtefactError, match="no adapter 'uci-hra'"):
        sensor2llm.load("uci-hra")


def test_an_adapter_that_says_no_labels(frame):
    model = load("uci-har-questions-bundled", device="cpu")
    with pytest.raises(ConfigError, match="says no labels, its tasks are question_answering; take"):
        model.classify(np.zeros((1, 9, 128)), rate_hz=50)
