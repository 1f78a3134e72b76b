"""One cell: the encoder that is made, and every way in which it is judged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from sensor2llm.evaluation.probe import (
    FeatureSet,
    encoder_features,
    linear_probe,
    mlp_probe,
    probe_metrics,
)
from sensor2llm.pretraining.config import ProbeConfig, probe_loop
from sensor2llm.pretraining.run import finetune, labelled, predict, windows
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split, label_fraction
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.studies.cell import make_encoder, planned, run_cell
from sensor2llm.studies.config import LabelsConfig, MethodConfig, MissingConfig, StoreConfig
from sensor2llm.studies.data import divide, joined_for, open_data
from sensor2llm.studies.grid import cells, digest, loops, missing_subsets
from sensor2llm.training.config import LoopConfig
from tests.studies.toy_study import (
    CROSSL,
    ENCODER,
    LABELS,
    LOOP,
    NAMES,
    make_spec,
    make_study,
    write_store,
)

SITES = ("watch", "watch", "phone")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("cell") / "store", each=12, unlabelled=1)


class Made:
    """A cell that was run, beside its store, split and encoder made again."""

    def __init__(self, study, method="crossl"):
        self.study = study
        self.cell = next(cell for cell in cells(study) if cell.method == method)
        config = study.stores[self.cell.store]
        self.store = open_data(config)
        self.split = divide(config, self.store, self.cell.fold)
        self.made = make_encoder(study, self.cell, self.store, self.split)
        self.result = run_cell(study, self.cell)
        self.lines = self.result.record["results"]

    def said(self, **wanted) -> tuple[dict, np.ndarray]:
        """Find the one line that is about this, and its labels."""
        wanted = {"share": 1.0, "without": [], "missing": [], "draw": 0} | wanted
        found = [
            (line, said)
            for line, said in zip(self.lines, self.result.predicted, strict=True)
            if all(_plain(line[name]) == value for name, value in wanted.items())
        ]
        assert len(found) == 1, (wanted, len(found))
        return found[0]

    def features(self, rows, without=()) -> FeatureSet:
        dataset = WindowDataset(self.store, rows, self.made.normaliser, without)
        return encoder_features(self.made.encoder, dataset)

    def probed(self, teach, test_without=(), without=()):
        """Restate the fixed use: the released head on features of windows that lack modalities."""
        config = ProbeConfig(loop=replace(self.study.probe_loop, seed=self.cell.seed))
        validation = labelled(self.store, self.split.validation)
        classify, _ = mlp_probe(
            self.features(teach, without), self.features(validation, without), len(LABELS), config
        )
        return classify(self.features(self.result.rows, test_without or without).features)

    def tuned(self, teach, test_without=(), without=()):
        """Restate the fine-tuned use with the library's own words."""
        _, loop = loops(self.study, self.cell)
        split = Split(train=teach, validation=self.split.validation, test=self.split.test)
        encoder = make_encoder(self.study, self.cell, self.store, self.split).encoder
        tuned = finetune(
            encoder.requires_grad_(True), self.store, split, self.study.finetune,
            planned(loop, len(teach), self.study.finetune_min_steps),
            normaliser=self.made.normaliser, without=without, progress_bar=False,
        )  # fmt: skip
        gone = test_without or without
        test = WindowDataset(self.store, self.result.rows, self.made.normaliser, gone)
        return predict(tuned.classifier, test)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def all_ways(path, tmp_path_factory):
    """Judge one pretrained encoder in every way at once."""
    study = make_study(
        tmp_path_factory.mktemp("out"), path, methods={"crossl": CROSSL}, folds=(1,), seeds=(4,),
        labels=LabelsConfig(shares=(0.25, 1.0), by=("block", "subject"), draws=2),
        missing=MissingConfig(inference="all", finetuning="each"),
    )  # fmt: skip
    return Made(study)


# What a cell says.


def test_a_cell_says_what_was_done_on_whom(all_ways):
    record, cell = all_ways.result.record, all_ways.cell
    assert (record["store"], record["method"], record["fold"], record["seed"]) == (
        "toy", "crossl", 1, 4,
    )  # fmt: skip
    assert record["digest"] == digest(all_ways.study, cell)
    assert list(record["data"]) == ["toy"]
    split = all_ways.split
    assert record["windows"] == {p: len(split[p]) for p in ("train", "validation", "test")}
    assert record["test_people"] == list(split.subjects(all_ways.store)["test"])
    assert record["pretraining"]["steps"] == 2 * (len(split.train) // LOOP.batch_size)
    assert len(record["pretraining"]["validation_loss"]) == LOOP.epochs
    assert record["seconds"] >= record["pretraining_s"] > 0


def test_labelled_test_windows_alone_are_judged_and_measured(all_ways):
    rows, store = all_ways.result.rows, all_ways.store
    np.testing.assert_array_equal(rows, labelled(store, all_ways.split.test))
    assert len(rows) < len(all_ways.split.test)
    assert all_ways.result.predicted.shape == (len(all_ways.lines), len(rows))
    true = np.asarray(store.labels)[rows]
    for line, said in zip(all_ways.lines, all_ways.result.predicted, strict=True):
        expected = f1_score(true, said, average="macro", zero_division=0)
        assert line["macro_f1"] == pytest.approx(expected)
        assert line["accuracy"] == pytest.approx(np.mean(true == said))


def test_the_ways_are_uses_by_shares_by_sets_of_missing_modalities(all_ways):
    every = len(missing_subsets(NAMES, SITES, "all"))
    each = len(missing_subsets(NAMES, SITES, "each"))
    assert (every, each) == (6, 4)
    # Two uses; a quarter of the labels by two ways in two draws, and all of them once.
    assert len(all_ways.lines) == 2 * (2 * 2 + 1) * (1 + every + each)


# Each way, restated.


def test_a_fixed_encoder_is_judged_by_the_released_head_on_its_features(all_ways):
    train = labelled(all_ways.store, all_ways.split.train)
    probabilities = all_ways.probed(train)
    line, said = all_ways.said(use="fixed")
    np.testing.assert_array_equal(said, probabilities.argmax(1))
    true = np.asarray(all_ways.store.labels)[all_ways.result.rows]
    expected = probe_metrics(true, probabilities)
    assert {name: line[name] for name in expected} == pytest.approx(expected)
    assert line["labelled"] == len(train)


def test_a_finetuned_encoder_is_judged_by_its_own_head(all_ways):
    probabilities = all_ways.tuned(labelled(all_ways.store, all_ways.split.train))
    line, said = all_ways.said(use="finetuned")
    np.testing.assert_array_equal(said, probabilities.argmax(1))
    true = np.asarray(all_ways.store.labels)[all_ways.result.rows]
    expected = probe_metrics(true, probabilities)["f1_crossl_released"]
    assert line["f1_crossl_released"] == pytest.approx(expected)


@pytest.mark.parametrize("use", ["fixed", "finetuned"])
@pytest.mark.parametrize("missing", [("watch_gyro",), ("watch_acc", "watch_gyro")])
def test_missing_when_judged_is_as_if_windows_were_encoded_without_it(all_ways, use, missing):
    restated = all_ways.probed if use == "fixed" else all_ways.tuned
    train = labelled(all_ways.store, all_ways.split.train)
    _, said = all_ways.said(use=use, missing=list(missing))
    np.testing.assert_array_equal(said, restated(train, test_without=missing).argmax(1))


@pytest.mark.parametrize("use", ["fixed", "finetuned"])
def test_missing_when_labels_are_learnt_is_missing_from_all_windows(all_ways, use):
    restated = all_ways.probed if use == "fixed" else all_ways.tuned
    train = labelled(all_ways.store, all_ways.split.train)
    gone = ("watch_acc", "watch_gyro")
    _, said = all_ways.said(use=use, without=list(gone), missing=list(gone))
    np.testing.assert_array_equal(said, restated(train, without=gone).argmax(1))


@pytest.mark.parametrize("by", ["block", "subject"])
@pytest.mark.parametrize("draw", [0, 1])
def test_a_share_of_labels_is_that_of_label_fraction(all_ways, by, draw):
    rows = labelled(all_ways.store, all_ways.split.train)
    teach = label_fraction(all_ways.store, rows, 0.25, draw, by=by)
    line, said = all_ways.said(use="fixed", share=0.25, by=by, draw=draw)
    assert line["labelled"] == len(teach) < len(rows)
    np.testing.assert_array_equal(said, all_ways.probed(teach).argmax(1))
    tuned, _ = all_ways.said(use="finetuned", share=0.25, by=by, draw=draw)
    assert tuned["labelled"] == len(teach)


def test_the_aggregators_output_can_be_what_the_head_reads(path, tmp_path):
    method = replace(CROSSL, use=("fixed",))
    study = make_study(tmp_path, path, features="aggregator", methods={"crossl": method})
    one = Made(study)

    @torch.no_grad()
    def joint(rows) -> FeatureSet:
        data = WindowDataset(one.store, rows, one.made.normaliser)
        parts = [one.made.encoder(batch).joint for batch in windows(data, torch.device("cpu"))]
        return FeatureSet(features=torch.cat(parts).numpy(), labels=data.labels)

    train, validation = (labelled(one.store, one.split[p]) for p in ("train", "validation"))
    config = ProbeConfig(loop=study.probe_loop)
    classify, _ = mlp_probe(joint(train), joint(validation), len(LABELS), config)
    _, said = one.said(use="fixed")
    assert joint(train).features.shape[1] == ENCODER.aggregator_width
    np.testing.assert_array_equal(said, classify(joint(one.result.rows).features).argmax(1))


def test_the_studys_probe_reads_a_fixed_encoder(path, tmp_path):
    method = replace(CROSSL, use=("fixed",))
    one = Made(make_study(tmp_path, path, probe="linear", methods={"crossl": method}))

    def features(rows) -> FeatureSet:
        return encoder_features(
            one.made.encoder, WindowDataset(one.store, rows, one.made.normaliser)
        )

    train, validation = (labelled(one.store, one.split[p]) for p in ("train", "validation"))
    classify, chosen = linear_probe(
        features(train), features(validation), len(LABELS), ProbeConfig()
    )
    line, said = one.said(use="fixed")
    np.testing.assert_array_equal(said, classify(features(one.result.rows).features).argmax(1))
    assert line["chosen"] == chosen


# Learning.


def test_labels_teach_an_encoder_what_a_random_one_does_not_know(path, tmp_path):
    long = LoopConfig(epochs=60, batch_size=16, learning_rate=1e-2, precision="float32")
    short = replace(long, epochs=1, steps=1, learning_rate=1e-8)

    def score(loop):
        study = make_study(tmp_path, path, finetune_loop=loop, finetune_min_steps=1)
        return run_cell(study, cells(study)[0]).record["results"][0]["macro_f1"]

    assert score(long) > 0.8 > score(short) + 0.3


def test_a_cell_is_a_function_of_its_seed(path, tmp_path):
    study = make_study(tmp_path, path, seeds=(0, 1), folds=(0,))
    first, again = (run_cell(study, cells(study)[1]) for _ in range(2))
    np.testing.assert_array_equal(first.predicted, again.predicted)
    losses = "validation_loss"
    assert first.record["pretraining"][losses] == again.record["pretraining"][losses]
    other = run_cell(study, cells(study)[3])
    assert (other.record["seed"], other.record["fold"]) == (1, 0)
    assert first.record["pretraining"][losses] != other.record["pretraining"][losses]


def test_a_cell_of_some_people_and_modalities_knows_no_others(path, tmp_path):
    store = StoreConfig(
        path=path, people=("p1", "p2", "p3", "p4"), modalities=NAMES[:2],
        split=SplitConfig(kind="loso"), validation="previous",
    )  # fmt: skip
    missing = MissingConfig(inference="each")
    study = make_study(tmp_path, path, stores={"toy": store}, missing=missing)
    result = run_cell(study, cells(study)[1])
    assert result.record["test_people"] == ["p1"]
    assert {tuple(line["missing"]) for line in result.record["results"]} == {
        (), ("watch_acc",), ("watch_gyro",),
    }  # fmt: skip
    assert sum(result.record["windows"].values()) <= 4 * 12


def test_test_people_may_lack_labels_that_others_have(path, tmp_path):
    lacking = [
        w for w in open_data(StoreConfig(path=path)) if w.subject != "p1" or w.label != "run"
    ]
    store = WindowStore.write(tmp_path / "store", make_spec(), lacking, label_names=LABELS)
    alone = StoreConfig(path=store.path, split=SplitConfig(kind="loso"))
    result = run_cell(*_first(make_study(tmp_path, path, stores={"toy": alone}, folds=(0,))))
    assert result.record["test_people"] == ["p1"]
    assert 2 not in np.asarray(store.labels)[result.rows]


def _first(study):
    return study, cells(study)[0]


def test_few_labels_get_more_epochs_and_are_validated_as_often():
    loop = LoopConfig(epochs=4, batch_size=16)
    assert planned(loop, 160, 40) is loop
    few = planned(loop, 20, 40)
    assert (few.epochs, few.validate_every) == (40, 10)
    assert planned(loop, 3, 0) is loop


def test_the_fixed_heads_loop_is_the_probes_by_default():
    from sensor2llm.studies.config import StudyConfig

    study = StudyConfig(
        name="x", stores={"a": StoreConfig(path=Path("a"))}, methods={"supervised": MethodConfig()}
    )
    assert study.probe_loop == probe_loop() == ProbeConfig().loop


# Pretraining on several stores.


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Give a judged store and one of other people with one sensor under another name."""
    base = tmp_path_factory.mktemp("two")
    judged = write_store(base / "a" / "store", source="A")
    other = write_store(
        base / "b" / "store", source="B", names=("wrist",), steps=24, people=4, seed=9
    )
    return judged, other


def make_two(out, judged, other, **changes):
    method = MethodConfig(
        objective="crossl", pretrain_on={"other": {"wrist": "watch_acc"}}, **changes
    )
    stores = {"toy": StoreConfig(path=judged), "other": StoreConfig(path=other, folds=())}
    return make_study(out, judged, stores=stores, methods={"crossl": method}, folds=(0,))


def taught(study):
    cell = cells(study)[0]
    store = open_data(study.stores["toy"])
    split = divide(study.stores["toy"], store, 0)
    joined, found = joined_for(study, cell, store, split)
    return store, split, joined, found


def test_another_stores_people_teach_beside_the_training_people(two, tmp_path):
    store, split, joined, found = taught(make_two(tmp_path, *two))
    people = found.subjects(joined)
    own = split.subjects(store)
    others = {f"other/p{i}" for i in range(1, 5)}
    assert set(people["train"]) == {f"judged toy/{p}" for p in own["train"]} | others
    for part in ("validation", "test"):
        assert set(people[part]) == {f"judged toy/{p}" for p in own[part]}
        np.testing.assert_array_equal(found[part], split[part])
    assert joined.spec == store.spec
    assert (np.asarray(joined.labels) == -1).all()
    row = len(store) + 5
    assert list(joined[row].signals) == ["watch_acc"]
    middle = WindowStore.open(two[1]).read([5])["wrist"][0, :, 4:20]
    np.testing.assert_allclose(joined[row].signals["watch_acc"], middle, rtol=1e-6)


def test_another_stores_people_can_teach_alone(two, tmp_path):
    _, _, joined, found = taught(make_two(tmp_path, *two, pretrain_too=False))
    assert set(found.subjects(joined)["train"]) == {f"other/p{i}" for i in range(1, 5)}


@pytest.mark.parametrize("too", [True, False])
def test_test_people_are_not_seen_in_pretraining_on_several_stores(two, tmp_path, too):
    study = make_two(tmp_path / "out", *two, pretrain_too=too)
    cell = cells(study)[0]
    store = open_data(study.stores["toy"])
    split = divide(study.stores["toy"], store, 0)
    one = make_encoder(study, cell, store, split)
    changed = list(store)
    for row in split.test:
        changed[row] = replace(
            changed[row], signals={k: v + 50 for k, v in changed[row].signals.items()}, label=None
        )
    other = WindowStore.write(tmp_path / "store", store.spec, changed, label_names=LABELS)
    again = make_encoder(study, cell, other, split)
    assert again.encoder.fingerprint() == one.encoder.fingerprint()
    assert run_cell(study, cell).record["data"].keys() == {"toy", "other"}


@pytest.mark.parametrize("source", ["A", "a: 3 files"])
def test_held_out_people_do_not_teach_through_another_store_of_the_same_data_set(
    two, tmp_path, source
):
    same = write_store(tmp_path / "same", source=source, names=("wrist",))
    store, split, joined, found = taught(make_two(tmp_path, two[0], same))
    own = split.subjects(store)
    held_out = {f"other/{p}" for p in (*own["validation"], *own["test"])}
    assert not held_out & set(found.subjects(joined)["train"])
    assert {f"other/{p}" for p in own["train"]} <= set(found.subjects(joined)["train"])
