"""Every objective trains an encoder on windows of mixed rates with gaps, from a seed alone."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.pretraining import objectives, run
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.objective_config import (
    CocoaConfig,
    CroSSLConfig,
    MaskedAutoencoderConfig,
    MultimodalNCEConfig,
    Objective,
    SimCLRConfig,
)
from sensor2llm.pretraining.objectives import OBJECTIVES, build_objective
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.pretraining.run import pretrain
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import split_by_subject
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.training.config import LoopConfig
from tests.pretraining.mixed import SMALL, SPEC, build_encoder, generator, make_store

CONFIGS = {
    "crossl": CroSSLConfig(mask="temporal"),
    "cocoa": CocoaConfig(form="cross_entropy"),
    "simclr": SimCLRConfig(projection_width=8),
    "masked_autoencoder": MaskedAutoencoderConfig(heads=2, patches=5),
    "multimodal_nce": MultimodalNCEConfig(projection_width=8, temperature=0.2),
}
LOOP = LoopConfig(epochs=7, batch_size=12, learning_rate=2e-2, precision="float32")
every = pytest.mark.parametrize("kind", CONFIGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("mixed"))
    assert not np.asarray(store.present).all(0).any()
    return store


@pytest.fixture(scope="module")
def split(store):
    return split_by_subject(store, seed=0)


@pytest.fixture(scope="module")
def trained(store, split):
    """Give each objective's run, made once."""
    made = {}

    def train(kind):
        if kind not in made:
            made[kind] = go(store, split, kind)
        return made[kind]

    return train


def go(store, split, kind, loop=LOOP, out=None, **options):
    return pretrain(store, split, SMALL, CONFIGS[kind], loop, out, progress_bar=False, **options)


def test_every_objective_has_a_name_options_and_a_class():
    assert set(OBJECTIVES) == set(get_args(Objective)) == set(CONFIGS)
    for kind, config in CONFIGS.items():
        assert config.kind == kind
        assert type(build_objective(build_encoder(), config)) is OBJECTIVES[kind]
        assert type(EncoderRecipe(objective=kind).objective_config) is type(config)


@torch.no_grad()
def untrained_loss(store, split, kind, normaliser) -> float:
    """Give what the validation people cost before the first step."""
    encoder = run.fresh_encoder(store, SMALL, LOOP)
    objective = build_objective(encoder, CONFIGS[kind], normaliser).eval()
    dataset = WindowDataset(store, split.validation, normaliser)
    found = objective(dataset.batch(range(len(dataset))), generator(LOOP.seed))
    return float(found.total) / found.weight


@every
def test_the_loss_on_validation_people_falls(kind, trained, store, split):
    found = trained(kind)
    history = found.result.history
    losses = [line["validation_loss"] for line in history if "validation_loss" in line]
    assert len(losses) == LOOP.epochs
    assert found.result.best_score == -min(losses)
    assert min(losses) < 0.95 * untrained_loss(store, split, kind, found.normaliser)


@every
def test_the_encoder_moved_and_is_given_with_its_objective(kind, trained, store):
    found = trained(kind)
    assert found.objective.encoder is found.encoder
    assert not found.encoder.training
    assert not found.objective.training
    fresh = run.fresh_encoder(store, SMALL, LOOP).state_dict()
    for name, values in found.encoder.state_dict().items():
        stays = name.startswith("aggregator") and kind != "crossl"
        assert torch.equal(values, fresh[name]) == stays, name


@every
def test_a_run_broken_off_and_resumed_is_the_run_of_that_seed(
    kind, trained, store, split, tmp_path, monkeypatch
):
    """Equality to a run in one go says both: the seed decides everything, and resuming is exact."""
    read, batches = run.WindowTask.collate, []

    def interrupted(task, rows):
        batches.append(rows)
        if len(batches) > 11:
            raise KeyboardInterrupt
        return read(task, rows)

    with monkeypatch.context() as patch:
        patch.setattr(run.WindowTask, "collate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(store, split, kind, out=tmp_path / "run")
    again = go(store, split, kind, out=tmp_path / "run", resume=True)
    whole = trained(kind)
    assert again.result.steps == whole.result.steps > 11
    assert again.encoder.fingerprint() == whole.encoder.fingerprint()
    for name, values in whole.objective.state_dict().items():
        assert torch.equal(again.objective.state_dict()[name], values), name
    identity = json.loads((tmp_path / "run" / "run.json").read_text())
    assert identity["objective"] == kind


@every
def test_another_seed_gives_another_encoder(kind, trained, store, split):
    other = go(store, split, kind, replace(LOOP, seed=1, epochs=1))
    assert other.encoder.fingerprint() != trained(kind).encoder.fingerprint()


def test_a_checkpoint_of_another_objective_is_refused(store, split, tmp_path):
    loop = replace(LOOP, epochs=1)
    go(store, split, "cocoa", loop, tmp_path)
    with pytest.raises(ArtefactError, match=r"another configuration \(objective, stage differ\)"):
        go(store, split, "simclr", loop, tmp_path, resume=True)
    with pytest.raises(ArtefactError, match=r"another configuration \(stage differ\)"):
        pretrain(
            store, split, SMALL, CocoaConfig(form="distance"), loop, tmp_path,
            progress_bar=False, resume=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def made(store, tmp_path_factory):
    """Give the summary and the folder of each objective's recipe, made once."""
    done = {}

    def make(kind):
        if kind not in done:
            out = tmp_path_factory.mktemp(kind) / "encoder"
            recipe = EncoderRecipe(
                split=SplitConfig(kind="subject"), encoder=SMALL, objective=kind,
                pretrain_loop=replace(LOOP, epochs=1), **{kind: CONFIGS[kind]},
            )  # fmt: skip
            done[kind] = make_encoder(recipe, store.path, out), out
        return done[kind]

    return make


@every
def test_a_recipe_names_its_objective_and_makes_an_encoder(kind, made):
    summary, out = made(kind)
    json.dumps(summary)
    manifest = read_manifest(out)
    encoder = SignalEncoder.from_pretrained(out)
    assert summary["fingerprint"] == encoder.fingerprint() == manifest["fingerprint"]
    assert manifest["recipe"]["objective"] == kind
    written = json.loads((out.with_name("encoder-run") / "pretrain" / "run.json").read_text())
    assert written["objective"] == kind
    assert written["stage"] == manifest["recipe"][kind]
    assert summary["stages"]["pretrain"]["validation_loss"] is not None


def test_a_recipe_of_multimodal_nce_says_what_is_found_across_modalities(made, store, split):
    summary, _ = made("multimodal_nce")
    both = np.asarray(store.present)[split.validation][:, :2].all(1).sum()
    found = summary["stages"]["pretrain"]["recall"]["accel, ecg"]
    assert found["windows"] == both
    assert found["chance_at_1"] == pytest.approx(1 / both)
    assert 0 <= found["at_1"] <= found["at_5"] <= found["at_10"] <= 1


def test_a_recipe_of_the_masked_autoencoder_keeps_its_attention(made):
    summary, _ = made("masked_autoencoder")
    attention = np.load(summary["stages"]["pretrain"]["attention"])
    assert attention.shape == (1, 2, 20, 20)
    np.testing.assert_allclose(attention.sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", objectives.CONTRASTS_MODALITIES)
def test_one_modality_has_nothing_to_be_contrasted_with(kind):
    encoder = build_encoder(spec=SPEC.subset(["ecg"]))
    with pytest.raises(ConfigError, match=f"{kind} contrasts modalities and 'ecg' is the only one"):
        build_objective(encoder, CONFIGS[kind])


def test_the_others_take_one_modality():
    alone = build_encoder(spec=SPEC.subset(["ecg"]))
    for kind in set(CONFIGS) - set(objectives.CONTRASTS_MODALITIES):
        assert build_objective(alone, CONFIGS[kind]).encoder is alone


def test_simclr_is_told_what_windows_are_normalised_with():
    normaliser = Normaliser(
        mean={m.name: np.full(len(m.channels), 3.0) for m in SPEC.modalities},
        scale={m.name: np.full(len(m.channels), 5.0) for m in SPEC.modalities},
    )
    objective = build_objective(build_encoder(), SimCLRConfig(), normaliser)
    mean, scale = objective.augmenter.statistics["accel"]
    assert (mean.tolist(), scale.tolist()) == ([3.0] * 3, [5.0] * 3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: EncoderRecipe(objective="clip"),
            "unknown objective 'clip'; choose from "
            "crossl, cocoa, simclr, masked_autoencoder, multimodal_nce",
        ),
        (
            lambda: CocoaConfig(form="infonce"),
            "unknown form 'infonce'; choose from cross_entropy, distance",
        ),
        (lambda: CocoaConfig(temperature=0), "temperature must be at least 0.05, got 0"),
        (lambda: SimCLRConfig(temperature=-1), "temperature must be positive, got -1"),
        (lambda: SimCLRConfig(projection_width=0), "projection_width must be positive, got 0"),
        (lambda: MultimodalNCEConfig(temperature=0), "temperature must be positive, got 0"),
        (lambda: MultimodalNCEConfig(projection_width=-2), "projection_width must be positive"),
        (lambda: MultimodalNCEConfig(token_drop=1), "token_drop must be at least 0 and below 1"),
        (lambda: MaskedAutoencoderConfig(masking_ratio=1), "masking_ratio must be at least 0"),
        (lambda: MaskedAutoencoderConfig(modality_dropout=-1), "modality_dropout must be at least"),
        (lambda: MaskedAutoencoderConfig(patches=0), "patches must be positive, got 0"),
        (lambda: MaskedAutoencoderConfig(decoder_layers=0), "decoder_layers must be positive"),
        (lambda: MaskedAutoencoderConfig(heads=0), "heads must be positive, got 0"),
        (
            lambda: MaskedAutoencoderConfig(masking_ratio=0, modality_dropout=0),
            "nothing is hidden: masking_ratio and modality_dropout are both 0",
        ),
        (
            lambda: MaskedAutoencoderConfig(masking_ratio=0, cross_modal=False),
            "a dropped modality cannot be reconstructed with cross_modal false",
        ),
    ],
)
def test_options_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
