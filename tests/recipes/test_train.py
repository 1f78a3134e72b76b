"""The recipe, end to end on small things."""

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.artefacts import manifest
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError, DataError, TemplateError
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning import compilation
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import Recipe, to_plain
from sensor2llm.recipes.encoder import get_encoder
from sensor2llm.recipes.evaluate import evaluate
from sensor2llm.recipes.prompt import prompt_of
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.tasks.config import EvaluationConfig
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder
from tests.toy_store import LABELS, SPEC, make_store, windows

SHORT = LoopConfig(epochs=2, batch_size=8, learning_rate=1e-2, precision="float32", log_every=1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("recipe")
    make_store(folder)
    return Recipe(
        data=folder / "store",
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        projector=ProjectorConfig(tokens=2, hidden=16),
        new_encoder=EncoderRecipe(
            encoder=EncoderConfig(width=8, pooled_steps=4),
            finetune=True,
            pretrain_loop=replace(SHORT, epochs=1),
            finetune_loop=replace(SHORT, epochs=1),
        ),
        loop=SHORT,
        out=folder / "adapter",
    )


@pytest.fixture(scope="module")
def trained(recipe):
    return train_adapter(recipe)


def test_a_run_leaves_an_adapter_that_loads_and_scores(recipe, trained):
    model = SensorLanguageModel.from_pretrained(recipe.out, llm=trained.model.llm)
    windows = [trained.store[i] for i in range(4)]
    torch.testing.assert_close(model.score(windows).sum(1), torch.ones(4))
    figures = json.loads((recipe.out / "training.json").read_text())
    assert figures["llm_unchanged"]
    assert figures["llm_fingerprint"] == trained.model.llm.fingerprint()


def test_a_run_keeps_check_windows_of_validation_people(recipe, trained):
    check = SensorAdapter.load(recipe.out).check_windows
    rows = trained.split.validation
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), 64)).astype(int)]
    assert check.features.labels.tolist() == np.asarray(trained.store.labels)[chosen].tolist()
    scores = trained.model.eval().score(check.features)
    torch.testing.assert_close(check.probabilities, scores)


def test_a_run_keeps_what_its_windows_look_like_and_how_sure_its_labels_are(recipe, trained):
    trust = SensorAdapter.load(recipe.out).trust
    assert len(trust.calibration.true) == len(trained.split.validation)
    assert trust.profile.people == len(trained.split.subjects(trained.store)["train"]) + len(
        trained.split.subjects(trained.store)["validation"]
    )
    assert tuple(trained.store.spec.names) in trust.profile.thresholds


def test_what_was_measured_on_an_accepted_llm_says_so(recipe, trained, tmp_path):
    other = shutil.copytree(recipe.llm, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * (1 + 1e-6)
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    adapter = str(shutil.copytree(recipe.out, tmp_path / "adapter"))
    config = EvaluationConfig(adapter=adapter, data=recipe.data, llm=str(other))
    with pytest.raises(ArtefactError, match="or try --llm-accept"):
        evaluate(config, "typed")
    metrics = evaluate(replace(config, llm_accept=True), "typed")
    assert metrics["llm_accepted"]["same_labels"] == 1.0
    stored = json.loads((tmp_path / "adapter" / "metrics.json").read_text())
    assert stored["llm_accepted"] == metrics["llm_accepted"]
    card = (tmp_path / "adapter" / "README.md").read_text()
    assert "`other` (sha256:" in card
    assert "check windows the same label" in card


def test_the_stored_recipe_makes_the_same_adapter_again(recipe, trained, tmp_path):
    from sensor2llm.command import read_recipe

    stored = read_recipe(recipe.out / "recipe.yaml", Recipe)
    assert to_plain(stored) == to_plain(recipe)
    assert yaml.safe_load((recipe.out / "resolved.yaml").read_text()) == to_plain(recipe)
    assert trained.model.adapter.recipe == to_plain(recipe)
    train_adapter(replace(stored, out=tmp_path / "again"))
    first = load_file(recipe.out / "bridge.safetensors")
    second = load_file(tmp_path / "again" / "bridge.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_interrupted_run_resumes_to_the_same_adapter(recipe, trained, tmp_path, monkeypatch):
    from sensor2llm.recipes.task import AdapterTask

    broken = replace(recipe, out=tmp_path / "broken")
    read, calls = AdapterTask.collate, []

    def interrupted(self, rows):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return read(self, rows)

    monkeypatch.setattr(AdapterTask, "collate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(broken)
    assert not broken.out.exists()
    train_adapter(broken, resume=True)
    first = load_file(recipe.out / "bridge.safetensors")
    second = load_file(broken.out / "bridge.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def replaced(recipe, trained, tmp_path):
    """Give the recipe of a finished run whose store's folder now holds other signals."""
    folder = Path(shutil.copytree(recipe.data, tmp_path / "store"))
    encoder = shutil.copytree(recipe.run / "encoder", tmp_path / "ready")
    mine = replace(recipe, data=folder, encoder=str(encoder), out=tmp_path / "adapter")
    train_adapter(mine)
    make_store(tmp_path, seed=5)
    return mine


def test_other_data_in_the_same_folder_are_not_taken_for_the_old(replaced, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    again = train_adapter(replaced)
    fresh = train_adapter(replace(replaced, out=tmp_path / "fresh"))
    for part in ("train", "validation"):
        folder = replaced.run / "features" / part
        assert caplog.messages.count(f"features in {folder}: made anew, as data differ") == 1
        kept, wanted = folder / "steps.bf16", tmp_path / "fresh-run" / "features" / part
        assert kept.read_bytes() == (wanted / "steps.bf16").read_bytes()
    first = load_file(replaced.out / "bridge.safetensors")
    second = load_file(tmp_path / "fresh" / "bridge.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.result.best_score == fresh.result.best_score


def test_a_run_on_other_data_is_not_gone_on_with(replaced):
    with pytest.raises(ArtefactError, match=r"another configuration \(data differ\); use the same"):
        train_adapter(replaced, resume=True)


def test_a_new_encoder_is_made_anew_for_other_data(recipe, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    make_store(tmp_path)
    mine = replace(recipe, data=tmp_path / "store", out=tmp_path / "adapter")
    store = WindowStore.open(mine.data)
    made = get_encoder(mine, store, make_split(store, mine.split), resume=False)
    kept = get_encoder(mine, store, make_split(store, mine.split), resume=True)
    assert kept.encoder.fingerprint() == made.encoder.fingerprint()
    assert not [line for line in caplog.messages if "made anew" in line]
    store = make_store(tmp_path, seed=5)
    shutil.rmtree(mine.run / "encoder-run")
    other = get_encoder(mine, store, make_split(store, mine.split), resume=True)
    assert other.encoder.fingerprint() != made.encoder.fingerprint()
    line = f"the encoder in {mine.run / 'encoder'}: made anew, as data differ"
    assert line in caplog.messages


def test_an_encoders_stage_on_other_data_is_not_gone_on_with(recipe, tmp_path):
    make_store(tmp_path)
    make_encoder(recipe.new_encoder, tmp_path / "store", tmp_path / "encoder")
    make_store(tmp_path, seed=5)
    with pytest.raises(ArtefactError, match=r"another configuration \(data differ\)"):
        make_encoder(recipe.new_encoder, tmp_path / "store", tmp_path / "encoder", resume=True)


def test_only_labels_trained_against_each_other_have_a_prior(recipe, trained, tmp_path):
    assert recipe.objective == "both"
    assert set(trained.model.adapter.label_prior) == {0.0}
    alone = replace(
        recipe,
        encoder=str(recipe.run / "encoder"),
        objective="labels",
        loop=replace(SHORT, epochs=1),
        out=tmp_path / "labels",
    )
    assert max(train_adapter(alone).model.adapter.label_prior) < 0


def test_the_encoder_can_be_trained_with_the_bridge(recipe, trained, tmp_path):
    encoder = recipe.run / "encoder"
    changed = replace(recipe, encoder=str(encoder), train_encoder=True, out=tmp_path / "joint")
    train_adapter(changed)
    before = SensorAdapter.load(recipe.out).encoder.fingerprint()
    assert SensorAdapter.load(changed.out).encoder.fingerprint() != before


def test_a_soft_prompt_alone_works_on_a_text_prompt(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(FrozenLLM, "context", 1024)  # rotary positions know no limit
    trained = train_adapter(replace(recipe, encoder="none", out=tmp_path / "text"))
    adapter = SensorAdapter.load(tmp_path / "text")
    assert adapter.encoder is None
    assert adapter.soft_tokens == recipe.soft_prompt.tokens
    assert trained.result.steps > 0


def test_the_prompt_can_be_seen_before_training(recipe):
    assert prompt_of(recipe).count("<|signal|>") == recipe.projector.tokens


def test_untrained_forms_show_numbers_and_solved_windows_of_training_people(recipe):
    zero, few = (prompt_of(recipe, form) for form in ("zero_shot", "few_shot"))
    for text in (zero, few):
        assert "<|" not in text
        assert "watch_accel x (g): " in text
        assert all(label in text for label in ("rest", "walk", "run"))
    solved = [line for line in few.splitlines() if line.startswith("Activity: ")]
    assert solved[:-1] == ["Activity: rest", "Activity: walk", "Activity: run"]
    assert solved[-1] == "Activity: [/INST]"
    assert zero.count("watch_accel x (g): ") == 1
    assert few.count("watch_accel x (g): ") == 4
    with pytest.raises(TemplateError, match="has no form 'two_shot'; choose from zero_shot"):
        prompt_of(recipe, "two_shot")


@pytest.mark.parametrize("prompt", ["atrial_fibrillation", "stress"])
def test_every_tasks_forms_can_be_seen_on_a_store(recipe, prompt):
    for form in ("zero_shot", "few_shot", "encoded"):
        assert "rest" in prompt_of(replace(recipe, prompt=prompt), form) or form == "encoded"


def test_an_encoder_that_saw_the_test_people_is_refused(recipe, trained):
    store = WindowStore.open(recipe.data)
    split = make_split(store, SplitConfig(kind="subject", seed=3))
    changed = replace(recipe, encoder=str(recipe.run / "encoder"))
    with pytest.raises(DataError, match="leak: the encoder"):
        get_encoder(changed, store, split, resume=False)


@pytest.fixture
def grown(recipe, tmp_path) -> Path:
    """Give the recipe's store with one person's file more, which splits otherwise."""
    more = windows(people=7)
    source = "table.yaml: 7 files"
    return WindowStore.write(tmp_path / "grown", SPEC, more, LABELS, source=source).path


def test_a_store_that_grew_does_not_test_those_who_taught(recipe, trained, grown, monkeypatch):
    """Neither the adapter, nor its encoder alone, nor in another adapter."""
    store = WindowStore.open(grown)
    split = make_split(store, recipe.split)
    taught = trained.split.subjects(trained.store)
    assert set(split.subjects(store)["test"]) & {*taught["train"], *taught["validation"]}
    for folder in (recipe.out, recipe.run / "encoder"):
        with pytest.raises(DataError, match=f"leak: '{folder}' was made with people who are test"):
            evaluate(EvaluationConfig(adapter=str(folder), data=grown, llm=recipe.llm), "")
    with pytest.raises(DataError, match=r"leak: the encoder .*; use the same split for both$"):
        get_encoder(replace(recipe, encoder=str(recipe.run / "encoder")), store, split, False)


def test_of_an_encoder_that_heard_the_test_people_the_split_that_tests_others_is_named(tmp_path):
    people = {"train": ["p1", "p2", "p3", "p4"], "test": ["p0", "p5"]}
    store = WindowStore.write(tmp_path / "store", SPEC, windows(), LABELS, published=people)
    published = SplitConfig(kind="published", seed=1)
    split, taught = (make_split(store, kind) for kind in (SplitConfig(), published))
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    heard = Taught.of(store, np.concatenate([taught.train, taught.validation]))
    stated = {"recipe": {"split": asdict(published)}, "taught": heard.to_dict()}
    encoder.save_pretrained(tmp_path / "encoder", stated)
    mine = Recipe(data=store.path, encoder=str(tmp_path / "encoder"))
    assert set(split.subjects(store)["test"]) & set(people["train"])
    line = r"tested here \(.*\); use the same split for both, its own: --split.kind published "
    with pytest.raises(DataError, match=line + "--split.seed 1$"):
        get_encoder(mine, store, split, resume=False)
    get_encoder(replace(mine, split=published), store, taught, resume=False)


def test_an_adapter_says_who_taught_it_and_its_encoder(recipe, trained, tmp_path):
    store, split = trained.store, trained.split
    own = Taught.of(store, np.concatenate([split.train, split.validation]))
    assert SensorAdapter.load(recipe.out).taught == (own,)
    people = split.subjects(store)
    assert set(own.people) == {*people["train"], *people["validation"]}
    make_store(tmp_path, seed=9)
    other = replace(
        recipe, data=tmp_path / "store", encoder=str(recipe.run / "encoder"), out=tmp_path / "out"
    )
    second = train_adapter(other).model.adapter.taught
    assert [taught == own for taught in second] == [False, True]


def test_a_released_encoder_is_taken_by_name(recipe, trained, monkeypatch):
    monkeypatch.setattr(manifest, "released_folder", lambda: recipe.run)
    store = WindowStore.open(recipe.data)
    heard = get_encoder(
        replace(recipe, encoder="encoder"), store, make_split(store, recipe.split), resume=False
    )
    made = SignalEncoder.from_pretrained(recipe.run / "encoder")
    assert heard.encoder.fingerprint() == made.fingerprint()
    assert heard.normaliser.to_dict() == trained.model.adapter.normaliser.to_dict()


def test_an_encoder_is_vouched_for_by_none_that_was_there_before(recipe, tmp_path, monkeypatch):
    """Made with other settings and killed, then resumed with the first ones."""
    first = replace(recipe, out=tmp_path / "adapter")
    store = WindowStore.open(first.data)
    split = make_split(store, first.split)
    get_encoder(first, store, split, resume=False)
    loop = replace(SHORT, epochs=1, seed=1)
    other = replace(first, new_encoder=replace(first.new_encoder, pretrain_loop=loop))

    def killed(*args, **options):
        make_encoder(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("sensor2llm.recipes.encoder.make_encoder", killed)
    with pytest.raises(KeyboardInterrupt):
        get_encoder(other, store, split, resume=False)
    monkeypatch.undo()
    with pytest.raises(ArtefactError, match="written with another configuration"):
        get_encoder(first, store, split, resume=True)


def test_an_unknown_encoder_is_named(recipe):
    with pytest.raises(ArtefactError, match="no encoder 'nothing'"):
        train_adapter(replace(recipe, encoder="nothing"))


def test_a_recipe_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="label_fraction"):
        Recipe(label_fraction=0.0)
    with pytest.raises(ConfigError, match="needs an encoder"):
        Recipe(encoder="none", train_encoder=True)


def test_a_ready_encoder_hears_a_store_in_other_units_and_rates(recipe, trained, tmp_path):
    """The bridge learns of the same features, so that the adapter is the same."""
    store = WindowStore.open(recipe.data)
    accel = store.spec["watch_accel"]
    fine = replace(accel, steps=80, rate_hz=40.0)
    other = replace(fine, channels=tuple(replace(c, unit="mg") for c in accel.channels))
    spec = replace(
        store.spec,
        modalities=tuple(other if m.name == accel.name else m for m in store.spec.modalities),
    )
    view = ConvertedView(store, {name: name for name in spec.names}, spec)
    WindowStore.write(tmp_path / "mg", spec, view, store.label_names, source=store.source)
    encoder = str(recipe.run / "encoder")
    # Two steps: after more, what differs by resampling has grown, on some processors a lot.
    few = replace(recipe, encoder=encoder, loop=replace(SHORT, steps=2))
    ours = train_adapter(replace(few, out=tmp_path / "ours"))
    theirs = train_adapter(replace(few, data=tmp_path / "mg", out=tmp_path / "theirs"))
    assert theirs.model.adapter.spec == ours.model.adapter.spec
    rows = ours.split.test
    assert theirs.split.test.tolist() == rows.tolist()
    said, heard = [], []
    for run, path in ((ours, recipe.data), (theirs, tmp_path / "mg")):
        view = WindowStore.open(path)
        said.append(evaluate_adapter(run.model, view, run.split).predictions.probabilities)
        same = convert_store(view, run.model.adapter.spec, quiet=True)
        heard.append(run.model.features(list(same.windows(rows))).steps)
    assert (heard[1] - heard[0]).abs().mean() < 0.1 * heard[0].std(0).mean()
    np.testing.assert_allclose(said[1], said[0], atol=0.02)


@pytest.mark.parametrize("train_encoder", [False, True])
def test_a_ready_encoder_hears_sensors_in_any_order(recipe, trained, tmp_path, train_encoder):
    """And the same windows of a store that says nothing of a sensor that none of them has."""
    lacking = windows(missing=0.5)
    for window in lacking:
        window.signals.pop("values", None)
    orders = {
        "whole": SPEC,
        "turned": replace(SPEC, modalities=SPEC.modalities[::-1]),
        "fewer": SPEC.subset(SPEC.names[:-1]),
    }
    weights = []
    for name, spec in orders.items():
        heard = [window for window in lacking if window.signals]
        WindowStore.write(tmp_path / name / "store", spec, heard, LABELS, source="the same")
        changed = replace(
            recipe,
            data=tmp_path / name / "store",
            encoder=str(recipe.run / "encoder"),
            train_encoder=train_encoder,
            loop=replace(SHORT, steps=2),
            out=tmp_path / name / "out",
        )
        assert train_adapter(changed).model.adapter.spec.names == SPEC.names
        weights.append(load_file(changed.out / "bridge.safetensors"))
    for other in weights[1:]:
        for name in other:
            torch.testing.assert_close(other[name], weights[0][name], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_an_adapter_is_the_same_with_the_llms_layers_compiled(
    recipe, trained, tmp_path, monkeypatch
):
    """Traced, not compiled: that takes a compiler and half a minute."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    few = replace(recipe, encoder=str(recipe.run / "encoder"), loop=replace(SHORT, steps=3))
    plain = train_adapter(replace(few, out=tmp_path / "plain"))
    fast = train_adapter(replace(few, out=tmp_path / "fast", llm_compile=True))
    torch.compiler.reset()
    losses = [[line["loss"] for line in t.result.history if "loss" in line] for t in (plain, fast)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert fast.fingerprint == fast.model.llm.fingerprint()
    assert "llm_compile" not in (tmp_path / "fast" / "recipe.yaml").read_text()
    assert SensorAdapter.load(tmp_path / "fast").recipe["llm_compile"] is False


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"llm_checkpointing": True}, "llm_checkpointing"),
        ({"llm_quantization": "4bit", "lora": LowRankConfig(rank=2)}, "lora, llm_quantization"),
        ({"llm_device_map": "auto"}, "llm_device_map"),
    ],
)
def test_layers_that_something_else_changes_are_not_compiled(recipe, changes, names):
    with pytest.raises(ConfigError) as caught:
        replace(recipe, llm_compile=True, **changes)
    assert str(caught.value) == (
        f"llm_compile takes the language model's layers as they are, and {names} changes them; "
        "leave one of both out"
    )
