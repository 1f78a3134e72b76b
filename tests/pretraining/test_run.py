import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError, DataError, SpecError
from sensor2llm.pretraining.config import (
    AugmentConfig,
    CroSSLConfig,
    EncoderRecipe,
    FinetuneConfig,
    HeadConfig,
)
from sensor2llm.pretraining.heads import SignalClassifier, build_head
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.pretraining.run import finetune, labelled, predict, pretrain
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split, split_by_subject
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.signals.window import Window
from sensor2llm.training.config import LoopConfig
from tests.toy_store import LABELS, SPEC, make_batch, make_store, windows

SMALL = EncoderConfig(width=16, kernels=(8, 4, 4), aggregator_width=8)
LOOP = LoopConfig(epochs=3, batch_size=16, learning_rate=3e-3, precision="float32")
QUIET = {"progress_bar": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("toy"), missing=0.2)


@pytest.fixture(scope="module")
def split(store):
    return split_by_subject(store, seed=0)


@pytest.fixture(scope="module")
def pretrained(store, split):
    return pretrain(store, split, SMALL, CroSSLConfig(), LOOP, **QUIET)


def test_pretraining_keeps_the_lowest_loss_on_validation_people(store, split):
    loop = LoopConfig(
        epochs=12, batch_size=16, learning_rate=1e-2, precision="float32", log_every=1
    )
    history = pretrain(store, split, SMALL, loop_config=loop, **QUIET).result
    losses = [x["validation_loss"] for x in history.history if "validation_loss" in x]
    assert len(losses) == loop.epochs
    assert history.best_score == -min(losses)
    taught = [x["loss"] for x in history.history if "loss" in x]
    assert max(taught[-5:]) < min(taught[:5])


def test_pretraining_is_a_function_of_its_seed(store, split, pretrained):
    again = pretrain(store, split, SMALL, CroSSLConfig(), LOOP, **QUIET)
    assert again.encoder.fingerprint() == pretrained.encoder.fingerprint()


def test_pretraining_sees_training_people_alone_and_no_label(store, split, pretrained, tmp_path):
    changed = [Window(w.signals, w.subject, None, w.start_s) for w in store]
    for i in split.test:
        far = {k: v + 100 for k, v in changed[i].signals.items()}
        changed[i] = Window(far, changed[i].subject)
    other = WindowStore.write(tmp_path / "other", SPEC, changed, label_names=LABELS)
    again = pretrain(other, split, SMALL, CroSSLConfig(), LOOP, **QUIET)
    assert again.encoder.fingerprint() == pretrained.encoder.fingerprint()


def test_a_leaking_split_is_refused(store, split):
    leaking = Split(train=split.train, validation=split.train[:3], test=split.test)
    with pytest.raises(DataError, match="leak"):
        pretrain(store, leaking, SMALL, CroSSLConfig(), LOOP, **QUIET)
    with pytest.raises(DataError, match="leak"):
        finetune(SignalEncoder(SPEC, SMALL), store, leaking, **QUIET)


def test_finetuning_learns_the_labels_and_moves_the_encoder(store, split):
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, SMALL)
    before = encoder.fingerprint()
    loop = LoopConfig(epochs=8, batch_size=8, learning_rate=3e-3, precision="float32")
    tuned = finetune(encoder, store, split, FinetuneConfig(), loop, **QUIET)
    data = WindowDataset(store, split.test, tuned.normaliser)
    probabilities = predict(tuned.classifier, data)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == data.labels).mean() > 0.8
    assert encoder.fingerprint() != before


def test_a_fixed_encoder_stays_as_it_was_and_in_eval_mode(store, split, pretrained):
    before = pretrained.encoder.fingerprint()
    tuned = finetune(
        pretrained.encoder, store, split, FinetuneConfig(freeze_encoder=True), LOOP,
        normaliser=pretrained.normaliser, **QUIET,
    )  # fmt: skip
    assert tuned.encoder.fingerprint() == before
    assert not tuned.classifier.train().encoder.training
    pretrained.encoder.requires_grad_(True)


def test_everyone_teaches_without_a_validation(store, split):
    tuned = finetune(
        SignalEncoder(SPEC, SMALL), store, split, FinetuneConfig(), LOOP, everyone=True, **QUIET
    )
    assert tuned.result.best_score is None
    assert tuned.result.ended == "finished"
    rows = len(split.train) + len(split.validation)
    assert tuned.result.rows == LOOP.epochs * (rows // 16) * 16


def test_finetuning_without_modalities_is_as_if_they_had_never_been_recorded(tmp_path):
    """Same seed, same predictions as with a store that lacks them: values, masks, variations."""
    gone = ("watch_gyro", "beats")
    full = windows(missing=0.2)
    full = [w for w in full if set(w.signals) - set(gone)]
    bare = [
        Window({k: v for k, v in w.signals.items() if k not in gone}, w.subject, w.label, w.start_s)
        for w in full
    ]
    found = []
    for name, recorded, without in (("full", full, gone), ("bare", bare, ()), ("all", full, ())):
        store = WindowStore.write(tmp_path / name, SPEC, recorded, label_names=LABELS)
        split = split_by_subject(store, seed=0)
        torch.manual_seed(0)
        tuned = finetune(
            SignalEncoder(SPEC, SMALL), store, split, FinetuneConfig(), LOOP, without=without,
            **QUIET,
        )  # fmt: skip
        data = WindowDataset(store, split.test, tuned.normaliser, without)
        found.append((predict(tuned.classifier, data), tuned.result.best_score))
    (expected, score), others = found[1], found[0::2]
    np.testing.assert_array_equal(others[0][0], expected)
    assert others[0][1] == score
    assert not np.allclose(others[1][0], expected, atol=0.01)


def test_a_finetuning_without_other_modalities_is_not_gone_on_from(store, split, tmp_path):
    def go(without, resume=False):
        torch.manual_seed(0)
        loop = replace(LOOP, epochs=1)
        return finetune(
            SignalEncoder(SPEC, SMALL), store, split, FinetuneConfig(), loop, tmp_path,
            without=without, resume=resume, **QUIET,
        )  # fmt: skip

    go(["beats", "values"])
    with pytest.raises(ArtefactError, match=r"another configuration \(without differ\)"):
        go([], resume=True)
    assert go(("values", "beats"), resume=True).result.steps == len(split.train) // 16
    assert json.loads((tmp_path / "run.json").read_text())["without"] == ["beats", "values"]
    with pytest.raises(SpecError, match="unknown modality 'heart'"):
        go(["heart"])


def test_a_finetuning_of_another_encoder_is_not_gone_on_from(store, split, tmp_path):
    """As after a pretraining that was made longer: its finished fine-tuning is of the old one."""

    def go(seed, resume=False):
        torch.manual_seed(seed)
        encoder, loop = SignalEncoder(SPEC, SMALL), replace(LOOP, epochs=1)
        finetune(encoder, store, split, None, loop, tmp_path, resume=resume, **QUIET)

    go(0)
    with pytest.raises(ArtefactError, match=r"another configuration \(start differ\)"):
        go(1, resume=True)
    go(0, resume=True)


def test_label_smoothing_and_augmentation_are_for_training_alone():
    torch.manual_seed(0)
    calls = []

    def augmenter(batch, generator):
        calls.append(generator)
        return batch

    classifier = SignalClassifier(
        SignalEncoder(SPEC, SMALL), 3, FinetuneConfig(label_smoothing=0.5), augmenter
    )
    batch = make_batch(4)
    classifier.eval()
    loss = classifier(batch).total
    logits = classifier.logits(batch)
    expected = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum")
    torch.testing.assert_close(loss, expected)
    assert not calls
    classifier.train()
    classifier(batch, torch.Generator())
    assert len(calls) == 1


def test_heads_are_linear_or_have_one_hidden_layer():
    assert len(build_head(8, 3, HeadConfig(width=0))) == 1
    kinds = [type(layer).__name__ for layer in build_head(8, 3, HeadConfig())]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear"]


def test_windows_without_labels_are_left_out_or_refused(tmp_path):
    unlabelled = [Window(w.signals, w.subject) for w in windows(people=3)]
    store = WindowStore.write(tmp_path / "store", SPEC, unlabelled, label_names=LABELS)
    with pytest.raises(DataError, match="none of the 36 windows has a label"):
        labelled(store, np.arange(len(store)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FinetuneConfig(label_smoothing=1), "label_smoothing must be"),
        (lambda: HeadConfig(width=-1), "width must not be negative"),
        (lambda: HeadConfig(dropout=1), "dropout must be at least 0"),
        (lambda: EncoderRecipe(pretrain=False), "set pretrain or finetune to true"),
    ],
)
def test_options_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_a_recipe_makes_a_folder_with_everything_to_go_on_from(store, tmp_path):
    recipe = EncoderRecipe(
        split=SplitConfig(kind="subject"), encoder=SMALL, pretrain_loop=LOOP, finetune=True,
        finetune_loop=LOOP, supervised=FinetuneConfig(augment=AugmentConfig(shift=0.1)), seed=3,
    )  # fmt: skip
    summary = make_encoder(recipe, store.path, tmp_path / "encoder")
    json.dumps(summary)
    manifest = read_manifest(tmp_path / "encoder")
    encoder = SignalEncoder.from_pretrained(tmp_path / "encoder")
    assert summary["fingerprint"] == encoder.fingerprint() == manifest["fingerprint"]
    assert set(summary["stages"]) == {"pretrain", "finetune"}
    assert manifest["label_names"] == list(LABELS)
    assert manifest["recipe"]["finetune_loop"]["seed"] == 3
    assert set(manifest["recipe"]["people"]) == {"train", "validation", "test"}
    assert set(Normaliser.from_dict(manifest["normaliser"]).mean) == set(SPEC.names)


def test_something_must_be_left_to_learn_from(store, split):
    names = store.spec.names
    with pytest.raises(DataError, match="there is no modality left; leave one in"):
        finetune(SignalEncoder(SPEC, SMALL), store, split, without=names, **QUIET)
