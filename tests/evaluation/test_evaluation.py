"""An evaluation judges the people of one part, and its controls the same windows."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.evaluation.encoder_evaluation import (
    embedding_text,
    evaluate_encoder,
    measure_encoder,
    read_encoder,
)
from sensor2llm.evaluation.evaluation import by_data_set, evaluate_adapter, recipe_split
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import classify_store
from sensor2llm.tasks.metrics import Predictions
from tests.models import LABELS, normaliser, small_model, text_adapter, tiny_llm
from tests.signals.stores import FOREIGN, SPEC, make_foreign, make_windows


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    # Label names in another order than the adapter's.
    return WindowStore.write(
        tmp_path_factory.mktemp("data") / "store",
        SPEC,
        make_windows(labels=LABELS),
        label_names=LABELS[::-1],
        source="made up",
    )


@pytest.fixture(scope="module")
def split(store):
    return make_split(store, SplitConfig())


@pytest.fixture(scope="module")
def whole(model, store, split):
    return evaluate_adapter(model, store, split, batch_size=5)


def test_metrics_are_those_of_the_parts_windows(model, store, split, whole):
    rows = split.test
    said = classify_store(model, store, rows)
    names = np.array(store.label_names)[store.labels[rows]]
    right = np.array(LABELS)[said.predicted] == names
    assert whole.metrics["accuracy"] == pytest.approx(right.mean())
    assert whole.metrics["windows"] == len(rows)
    assert whole.metrics["llm_fingerprint"] == model.llm.fingerprint()
    assert whole.metrics["tokens_per_window"] == model.tokens_per_window
    assert whole.metrics["windows_per_s"] > 0
    assert whole.metrics["data"]["people"] == {"train": 4, "validation": 1, "test": 1}


def test_saved_files(whole, store, split, tmp_path):
    whole.save(tmp_path / "new")
    assert json.loads((tmp_path / "new" / "metrics.json").read_text()) == whole.metrics
    table = pq.read_table(tmp_path / "new" / "predictions.parquet").to_pylist()
    assert [row["index"] for row in table] == split.test.tolist()
    row, window = table[0], store[int(split.test[0])]
    assert (row["subject"], row["start_s"], row["true"]) == (
        window.subject,
        window.start_s,
        window.label,
    )
    assert row["probability"] == row[f"p_{row['predicted']}"]
    assert sum(row[f"p_{name}"] for name in LABELS) == pytest.approx(1, abs=1e-5)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "metrics.json",
        "predictions.parquet",
    }


def test_a_label_that_a_data_set_lacks_is_a_wrong_answer_there_and_none_of_its_mean():
    said = Predictions(
        labels=("walk", "rest", "row"),
        true=np.array([0, 0, 1, 1, 2]),
        predicted=np.array([0, 2, 1, 1, 2]),
        subjects=np.array(["home/a", "home/a", "home/b", "home/b", "sea/a"]),
    )
    parts = by_data_set(said)
    assert parts["home"]["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert parts["home"]["accuracy"] == pytest.approx(3 / 4)
    assert parts["sea"]["macro_f1"] == pytest.approx(1.0)


def test_read_from_text_has_no_probabilities(model, store, split, tmp_path):
    found = evaluate_adapter(model, store, split, by="text", part="validation")
    assert found.metrics["unparsed_rate"] > 0
    assert found.metrics["brier"] is None
    table = pq.read_table(found.save(tmp_path) / "predictions_text.parquet")
    assert json.loads((tmp_path / "metrics_text.json").read_text()) == found.metrics
    assert "probability" not in table.column_names
    assert table["predicted"].null_count > 0


def part_of(tmp_path, names, labels=LABELS, spec=SPEC):
    windows = (
        Window({n: w.signals[n] for n in names}, w.subject, w.label, w.start_s)
        for w in make_windows(labels=labels, drop=False)
    )
    return WindowStore.write(tmp_path / "part", spec.subset(names), windows)


def test_a_store_with_some_modalities_only(model, tmp_path):
    store = part_of(tmp_path, ("rr",))
    found = evaluate_adapter(model, store, make_split(store, SplitConfig()), missing=True)
    assert found.metrics["windows"] == 8
    assert list(found.metrics["missing"]) == ["rr"]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    windows = make_foreign(labels=LABELS)
    return WindowStore.write(folder / "raw", FOREIGN, windows, label_names=LABELS[::-1])


def test_a_store_of_another_spec_is_judged_as_one_that_was_converted(model, foreign, tmp_path):
    view = convert_store(foreign, SPEC)
    written = WindowStore.write(tmp_path / "s", view.spec, view, label_names=LABELS[::-1])
    split = make_split(foreign, SplitConfig())
    found = evaluate_adapter(model, foreign, split, missing=True)
    expected = evaluate_adapter(model, written, split, missing=True)
    assert found.metrics["windows"] == len(split.test)
    assert found.metrics["data"].pop("converted") == (
        "accel: m/s^2 to g, 16 Hz to 8 Hz, 3 s to the 2 s at the centre; "
        "rr: 7 steps to the 5 at the centre"
    )
    assert found.metrics["data"]["people"] == expected.metrics["data"]["people"]
    for name in ("macro_f1", "confusion", "subjects", "missing_summary"):
        assert found.metrics[name] == expected.metrics[name]
    for name in ("subjects", "true", "starts", "index"):
        ours, theirs = getattr(found.predictions, name), getattr(expected.predictions, name)
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        found.predictions.probabilities, expected.predictions.probabilities, atol=1e-6
    )


def test_an_encoder_is_judged_on_a_store_of_another_spec(foreign, tmp_path, caplog):
    spec = SPEC.subset(["accel", "rr"])
    encoder = SignalEncoder(spec, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(tmp_path / "e", {"normaliser": normaliser(spec).to_dict()})
    with caplog.at_level("INFO"):
        given = read_encoder(tmp_path / "e", foreign)
        read_encoder(tmp_path / "e", foreign, quiet=True)
    assert sum("is converted" in text for text in caplog.messages) == 1
    assert given.store.spec == spec
    assert len(given.store) == len(foreign)
    assert "converted" in measure_encoder(given)["data"]


def test_an_unknown_label(model, tmp_path):
    store = part_of(tmp_path, ("rr",), labels=("rest", "swim"))
    with pytest.raises(DataError, match=r"unknown label 'swim' .* the adapter's labels are rest"):
        evaluate_adapter(model, store, make_split(store, SplitConfig()))


def test_unknown_units(model, tmp_path):
    changed = SPEC.to_dict()
    changed["modalities"][1]["channels"][0]["unit"] = "bpm"
    store = part_of(tmp_path, ("rr",), spec=type(SPEC).from_dict(changed))
    with pytest.raises(SpecError, match="in bpm, the spec expects ms"):
        evaluate_adapter(model, store, make_split(store, SplitConfig()))


def test_an_unknown_way(model, store, split):
    with pytest.raises(ConfigError, match="choose from score, text"):
        evaluate_adapter(model, store, split, by="guess")


def test_no_labelled_window(model, tmp_path):
    store = part_of(tmp_path, ("rr",), labels=None)
    with pytest.raises(DataError, match="no labelled window"):
        evaluate_adapter(model, store, make_split(store, SplitConfig()))


def test_the_recipes_split_is_made_again(store):
    chosen = {"kind": "fold", "fold": 2, "folds": 3, "seed": 4}
    again = recipe_split({"split": chosen}, store)
    assert np.array_equal(again.test, make_split(store, SplitConfig(**chosen)).test)
    assert np.array_equal(recipe_split({}, store).test, make_split(store, SplitConfig()).test)


def test_a_published_split_is_the_default_where_there_is_one(tmp_path):
    people = {"train": ["s1", "s2", "s4"], "test": ["s3", "s5", "s6"]}
    store = WindowStore.write(tmp_path / "s", SPEC, make_windows(), published=people)
    assert recipe_split({}, store).subjects(store)["test"] == ("s3", "s5", "s6")


def test_a_recipe_of_another_format(store):
    with pytest.raises(ConfigError, match="the recipe's split cannot be read"):
        recipe_split({"split": {"people": 3}}, store)


def test_an_encoder_is_judged_by_probes(store, tmp_path):
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(tmp_path / "e", {"normaliser": normaliser(SPEC).to_dict()})
    found = evaluate_encoder(tmp_path / "e", store)
    assert set(found["probes"]) == {"linear", "mlp"}
    assert found["macro_f1"] == found["probes"]["linear"]["macro_f1"]
    assert found["encoder"] == encoder.fingerprint()
    assert "f1_crossl_released" in found
    json.dumps(found)


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    windows = make_windows(each=24, labels=LABELS)
    return WindowStore.write(tmp_path_factory.mktemp("long") / "store", SPEC, windows)


def encoder_folder(folder):
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(folder, {"normaliser": normaliser(SPEC).to_dict()})
    return folder


def test_an_encoders_neighbours_people_and_units_are_measured(long_store, tmp_path):
    found = evaluate_encoder(encoder_folder(tmp_path / "e"), long_store)
    linear, knn = found["probes"]["linear"], found["knn"]
    assert set(knn) == set(linear)
    assert knn["windows"] == linear["windows"]
    assert knn["chosen"]["k"] in (1, 5, 15, 45)
    # One test person cannot be told from others; four training people can.
    assert found["subject_probe"]["test"] is None
    read = found["subject_probe"]["train"]
    assert (read["people"], read["chance"]) == (4, 0.25)
    units = found["selectivity"]["units"]
    assert list(units) == list(SPEC.names)
    assert sum(units.values()) == EncoderConfig().aggregator_width
    told = embedding_text(found)
    assert f"k-NN probe         {knn['macro_f1']:.3f}  (k = {knn['chosen']['k']})" in told
    assert f"person told        {read['accuracy']:.3f}  (4 train people, chance 0.250" in told
    assert "test people" not in told
    assert f"selectivity        {found['selectivity']['mean_index']:.3f}  (accel 0." in told


def test_an_adapters_encoder_is_read_as_it_is_used(model, store, tmp_path):
    adapter = model.adapter
    given = read_encoder(adapter.save(tmp_path / "a"), store)
    assert given.encoder.fingerprint() == adapter.encoder.fingerprint()
    assert given.normaliser.to_dict() == adapter.normaliser.to_dict()
    assert np.array_equal(given.split.test, recipe_split(adapter.recipe, store).test)
    found = measure_encoder(given)
    assert set(found["probes"]) == {"linear"}


def test_an_encoder_without_normalisation_reads_values_as_they_are(store, tmp_path):
    adapter = small_model().adapter
    adapter.normaliser = None
    given = read_encoder(adapter.save(tmp_path / "a"), store)
    values = store.read([0])["accel"]
    assert np.array_equal(given.normaliser.apply("accel", values), values)
    assert embedding_text({"macro_f1": 0.5}) == ""


def test_an_adapter_without_an_encoder_has_no_embedding(store, tmp_path):
    folder = text_adapter(tiny_llm()).save(tmp_path / "a")
    with pytest.raises(ConfigError, match="reads windows as text; it has no encoder to draw or"):
        read_encoder(folder, store)


def test_a_store_without_one_of_the_encoders_modalities(tmp_path):
    folder = encoder_folder(tmp_path / "e")
    with pytest.raises(SpecError, match=r"holds rr; probes of this encoder need accel, rr, person"):
        read_encoder(folder, part_of(tmp_path, ("rr",)))
