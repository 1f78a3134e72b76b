"""Every control and every subset of missing sensors is measured on the same windows."""

import json
import logging

import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.control_probe import ControlProbe, probe_features
from sensor2llm.evaluation.control_run import CONTROL_PASSES
from sensor2llm.evaluation.controls import DISTORTIONS, same_class_windows
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.evaluation.missing import missing_summary
from sensor2llm.evaluation.probe import FeatureSet
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import store_batches
from sensor2llm.training.bar import ProgressBar
from tests.models import LABELS, small_model, text_adapter, tiny_llm
from tests.signals.stores import SPEC, make_windows

SIGNAL_CONTROLS = {*DISTORTIONS, "another_window", "same_class"}
SUBSETS = ["accel", "rr", "person", "accel+rr", "accel+person", "rr+person"]


@pytest.fixture(scope="module")
def model():
    # With the labels' own likelihood taken out, untrained answers follow the signal.
    model = small_model()
    model.measure_prior([list(make_windows(labels=LABELS))])
    return model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    # Label names in another order than the adapter's.
    folder = tmp_path_factory.mktemp("data") / "store"
    return WindowStore.write(folder, SPEC, make_windows(labels=LABELS), label_names=LABELS[::-1])


@pytest.fixture(scope="module")
def split(store):
    return make_split(store, SplitConfig())


@pytest.fixture(scope="module")
def whole(model, store, split):
    return evaluate_adapter(model, store, split, controls=True, missing=True, batch_size=5)


def part_of(folder, names):
    windows = (
        Window({n: w.signals[n] for n in names}, w.subject, w.label, w.start_s)
        for w in make_windows(labels=LABELS, drop=False)
    )
    return WindowStore.write(folder, SPEC.subset(names), windows)


def test_every_control_is_of_the_same_kind(whole):
    controls = whole.metrics["controls"]
    assert set(controls) == {"majority", "probe", "simple_features", *SIGNAL_CONTROLS}
    own = set(whole.metrics) - {"controls", "missing", "missing_summary"}
    own -= {"split", "by", "llm", "data"}
    for found in controls.values():
        assert own <= set(found)
        assert found["windows"] == whole.metrics["windows"]
        assert 0 <= found["flip_rate"] <= 1


def test_without_a_signal_every_window_gets_the_same_answer(whole):
    confusion = np.array(whole.metrics["controls"]["text_only"]["confusion"])
    assert (confusion.sum(0) > 0).sum() == 1


def test_answers_to_another_window_are_that_windows_answers(whole, store):
    real, found = whole.predictions, whole.metrics["controls"]["same_class"]
    assert len(set(real.predicted)) > 1
    partners = same_class_windows(real.true, store.subjects[real.index])
    assert found["flip_rate"] == np.mean(real.predicted[partners] != real.predicted)
    # The only test person has two windows of each label.
    assert (found["from_another_person"], found["unswapped"]) == (0.0, 0.0)
    assert whole.metrics["controls"]["another_window"]["unswapped"] == 0.0


def test_the_same_class_comes_from_other_people_where_there_are_any(model, store, split):
    found = evaluate_adapter(model, store, split, controls=True, rows=np.arange(len(store)))
    assert found.metrics["controls"]["same_class"]["from_another_person"] == 1.0


def test_controls_on_fewer_windows_leave_the_score_as_it_is(model, store, split, whole):
    fewer = evaluate_adapter(
        model, store, split, controls=True, missing=True, control_windows=3
    ).metrics
    assert fewer["macro_f1"] == whole.metrics["macro_f1"]
    for name in ("majority", "probe", "simple_features"):
        assert fewer["controls"][name] == whole.metrics["controls"][name]
    judged = [fewer["controls"][name] for name in SIGNAL_CONTROLS] + [*fewer["missing"].values()]
    assert {row["windows"] for row in judged} == {3}


def test_the_bar_counts_windows_so_that_passes_over_fewer_are_shorter(
    model, store, split, whole, monkeypatch
):
    shares = []
    monkeypatch.setattr(ProgressBar, "update", lambda self, share, text: shares.append(share))
    evaluate_adapter(model, store, split, controls=True, control_windows=3)
    judged = whole.metrics["windows"]
    total = judged + CONTROL_PASSES * 3
    # Each pass is one batch here: the bar says what was done before it.
    expected = [0, *(judged + 3 * done for done in range(CONTROL_PASSES)), total]
    assert shares == pytest.approx([done / total for done in expected])


def encoded(model, store, rows):
    parts = [probe_features(batch) for batch in store_batches(model, store, rows)]
    names = np.array(store.label_names)[np.asarray(store.labels)[rows]]
    labels = np.array([LABELS.index(name) for name in names])
    return FeatureSet(features=np.concatenate(parts), labels=labels)


@pytest.fixture(scope="module")
def probe(model, store, split, whole):
    train, validation = (encoded(model, store, part) for part in (split.train, split.validation))
    evaluated = encoded(model, store, split.test).features
    return ControlProbe.fit(train, validation, whole.predictions, evaluated)


def test_the_probe_judges_the_altered_windows_that_the_llm_judges(
    model, store, split, whole, probe
):
    controls = whole.metrics["controls"]
    probed = {name for name, found in controls.items() if "probe_flip_rate" in found}
    assert probed == SIGNAL_CONTROLS
    assert controls["probe"]["macro_f1"] == pytest.approx(probe.macro_f1)
    partners = same_class_windows(whole.predictions.true, store.subjects[split.test])
    swapped = probe.on(encoded(model, store, split.test[partners]).features)
    assert swapped["probe_flip_rate"] > 0
    silent = probe.on(np.zeros_like(encoded(model, store, split.test).features))
    for name, expected in (("same_class", swapped), ("text_only", silent)):
        assert {key: controls[name][key] for key in expected} == pytest.approx(expected)
    assert all("probe_flip_rate" in found for found in whole.metrics["missing"].values())


def test_every_subset_of_the_modalities_is_taken_away(whole):
    missing = whole.metrics["missing"]
    assert list(missing) == SUBSETS
    assert [found["taken_away"] for found in missing.values()] == [k.split("+") for k in SUBSETS]
    reached = whole.metrics["controls"]["probe"]["macro_f1"]
    expected = missing_summary(missing, count=3, probe_macro_f1=reached)
    found = whole.metrics["missing_summary"]
    assert [line["worst"] for line in found["by_number"]] == [
        line["worst"] for line in expected["by_number"]
    ]
    assert found["by_number"][1] == pytest.approx(expected["by_number"][1])
    assert found["by_number"][0]["mean_loss"] == pytest.approx(
        100 * np.mean([whole.metrics["macro_f1"] - missing[n]["macro_f1"] for n in SPEC.names])
    )


def test_taken_away_is_as_if_the_store_never_had_it(model, tmp_path):
    full = part_of(tmp_path / "full", SPEC.names)
    split = make_split(full, SplitConfig())
    missing = evaluate_adapter(model, full, split, missing=True).metrics["missing"]
    person = part_of(tmp_path / "person", ("person",))
    alone = evaluate_adapter(model, person, split).metrics
    assert missing["accel+rr"]["confusion"] == alone["confusion"]
    assert missing["accel+rr"]["brier"] == pytest.approx(alone["brier"], abs=1e-6)


def test_windows_are_encoded_once_for_the_llm_and_the_probe(model, store, split, monkeypatch):
    heard, features = [], model.adapter.features

    def counted(batch):
        heard.append(len(batch))
        return features(batch)

    monkeypatch.setattr(model.adapter, "features", counted)
    evaluate_adapter(model, store, split, controls=True, missing=True)
    # As they are, and a pass a control and a subset.
    passes = 1 + len(SIGNAL_CONTROLS) + len(SUBSETS)
    learnt = len(split.train) + len(split.validation)
    assert sum(heard) == passes * len(split.test) + learnt


def test_without_training_labels_missing_sensors_are_measured_without_a_probe(
    model, tmp_path, caplog
):
    known = ("s1", "s2")
    windows = [
        w if w.subject in known else Window(w.signals, w.subject, None, w.start_s)
        for w in make_windows(labels=LABELS, drop=False)
    ]
    people = {"train": ["s3", "s4", "s5"], "validation": ["s2"], "test": ["s1"]}
    store = WindowStore.write(tmp_path / "s", SPEC, windows, label_names=LABELS, published=people)
    split = make_split(store, SplitConfig(kind="published"))
    with caplog.at_level(logging.INFO):
        found = evaluate_adapter(model, store, split, missing=True).metrics
    assert "needs labelled training and validation windows" in caplog.text
    assert list(found["missing"]) == SUBSETS
    assert "probe_macro_f1" not in found["missing_summary"]
    with pytest.raises(DataError, match="needs labelled training and validation windows"):
        evaluate_adapter(model, store, split, controls=True)


def test_a_device_out_of_memory_halves_the_batch_and_loses_nothing(
    model, store, split, whole, monkeypatch, caplog
):
    score, sizes = model.score, []

    def tight(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return score(batch)

    monkeypatch.setattr(model, "score", tight)
    with caplog.at_level(logging.WARNING):
        found = evaluate_adapter(model, store, split, controls=True, missing=True, batch_size=5)
    assert sizes[:4] == [5, 3, 2, 3]
    assert max(sizes[1:]) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "the device ran out of memory with 5 windows at a time; going on with 3"
    ]
    assert found.predictions.predicted.tolist() == whole.predictions.predicted.tolist()
    for group in ("controls", "missing"):
        for name, before in whole.metrics[group].items():
            after = found.metrics[group][name]
            assert after["confusion"] == before["confusion"]
            assert after.get("probe_flip_rate") == before.get("probe_flip_rate")


def test_a_device_that_is_out_of_memory_again_is_an_error(model, store, split, monkeypatch):
    def full(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "score", full)
    with pytest.raises(ConfigError, match="choose a batch_size below 4"):
        evaluate_adapter(model, store, split)


def test_an_evaluation_is_deterministic(model, store, split, whole):
    again = evaluate_adapter(model, store, split, controls=True, batch_size=5)
    drop = {"windows_per_s"}
    for name, found in again.metrics["controls"].items():
        before = whole.metrics["controls"][name]
        assert {k: v for k, v in found.items() if k not in drop} == {
            k: v for k, v in before.items() if k not in drop
        }


def test_an_adapter_without_an_encoder_has_no_probe(store, split):
    llm = tiny_llm()
    model = SensorLanguageModel(text_adapter(llm), llm).eval()
    found = evaluate_adapter(model, store, split, controls=True, missing=True).metrics
    controls = found["controls"]
    assert "probe" not in controls
    assert set(controls) >= SIGNAL_CONTROLS
    assert list(found["missing"]) == SUBSETS
    everything = json.dumps(found)
    assert "probe_flip_rate" not in everything
    assert "probe_macro_f1" not in everything
