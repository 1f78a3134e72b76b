"""An adapter that starts from another: its weights, one's own labels."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.command import read_recipe
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError, DataError, SpecError
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.pipeline import load
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.prompt import prompt_of
from sensor2llm.recipes.start import start_recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.train_adapter import main
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder
from tests.models import normaliser
from tests.toy_store import LABELS, SPEC, make_store, windows

SHORT = LoopConfig(epochs=1, batch_size=8, learning_rate=1e-2, precision="float32", min_steps=0)
HARDLY = replace(SHORT, learning_rate=1e-12, weight_decay=0.0, ema_decay=0.0, steps=1)
OWN = {"rest": "at the desk", "walk": "on the way", "run": "on the treadmill"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Recipe:
    """Give the recipe of the adapter that is started from, trained."""
    folder = tmp_path_factory.mktemp("theirs")
    make_store(folder)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(folder / "encoder", {"normaliser": normaliser(SPEC).to_dict()})
    recipe = Recipe(
        data=folder / "store",
        encoder=str(folder / "encoder"),
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        projector=ProjectorConfig(tokens=3, hidden=16),
        soft_prompt=SoftPromptConfig(tokens=2),
        loop=SHORT,
        out=folder / "adapter",
    )
    train_adapter(recipe)
    return recipe


def own_windows(names=SPEC.names, prefix="q"):
    for window in windows(people=6, seed=3):
        signals = {name: window.signals[name] for name in names}
        person = f"{prefix}{window.subject[1:]}"
        yield replace(window, signals=signals, subject=person, label=OWN[window.label])


def own_store(path: Path, names=SPEC.names, prefix="q") -> Path:
    made = own_windows(names, prefix)
    WindowStore.write(path, SPEC.subset(names), made, tuple(OWN.values()), source="mine")
    return path


@pytest.fixture(scope="module")
def mine(theirs, tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("mine")
    store = own_store(folder / "store")
    return Recipe(
        data=store, start_from=str(theirs.out), llm_dtype="float32", loop=SHORT, out=folder / "out"
    )


@pytest.fixture(scope="module")
def trained(mine) -> SensorAdapter:
    train_adapter(mine)
    return SensorAdapter.load(mine.out)


def test_it_says_ones_own_labels_and_hears_as_the_first_did(theirs, mine, trained):
    first = SensorAdapter.load(theirs.out)
    assert trained.label_names == tuple(OWN.values())
    assert trained.encoder.fingerprint() == first.encoder.fingerprint()
    assert trained.normaliser.to_dict() == first.normaliser.to_dict()
    assert (trained.signal_tokens, trained.soft_tokens) == (3, 2)
    labels = load(mine.out, dtype="float32").classify(list(own_windows()))
    assert set(labels["label"]) <= set(OWN.values())
    assert len(labels) == 72


def test_the_recipe_says_what_it_started_from_and_makes_it_again(theirs, mine, trained, tmp_path):
    assert trained.recipe["start_from"] == str(theirs.out)
    stored = read_recipe(mine.out / "recipe.yaml", Recipe)
    assert start_recipe(stored) == stored
    train_adapter(replace(stored, out=tmp_path / "again"))
    for name in ("bridge.safetensors", "adapter_model.safetensors"):
        one, other = load_file(mine.out / name), load_file(tmp_path / "again" / name)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_training_begins_with_the_weights_of_the_first(theirs, mine, tmp_path):
    train_adapter(replace(mine, loop=HARDLY, out=tmp_path / "out"))
    for name in ("bridge.safetensors", "adapter_model.safetensors"):
        first, second = load_file(theirs.out / name), load_file(tmp_path / "out" / name)
        assert first.keys() == second.keys()
        for key in first:
            torch.testing.assert_close(second[key], first[key], rtol=0, atol=1e-6)


def test_it_says_who_taught_the_first_and_who_teaches_now(theirs, trained):
    first = SensorAdapter.load(theirs.out)
    own, *others = trained.taught
    assert all(person.startswith("q") for person in own.people)
    assert all(taught in others for taught in first.taught)


def test_the_label_prior_is_measured_anew(theirs, mine, tmp_path):
    train_adapter(replace(mine, loop=HARDLY, objective="labels", out=tmp_path / "out"))
    prior = SensorAdapter.load(tmp_path / "out").label_prior
    assert len(prior) == 3
    assert max(prior) < 0


def test_people_who_taught_the_first_are_not_tested(theirs, mine, tmp_path):
    """The same windows under other names are known again, too."""
    store = WindowStore.open(theirs.data)
    renamed = [replace(window, subject=f"q{window.subject[1:]}") for window in store]
    WindowStore.write(tmp_path / "store", SPEC, renamed, LABELS, source="mine")
    for data in (theirs.data, tmp_path / "store"):
        split = replace(mine.split, seed=3)
        line = r"leak: the adapter '.*adapter' was made with people .*, its own: --split.seed 0$"
        with pytest.raises(DataError, match=line):
            train_adapter(replace(mine, data=data, split=split, out=tmp_path / "out"))


def test_data_may_lack_sensors(mine, tmp_path):
    data = own_store(tmp_path / "store", names=("watch_accel",))
    adapter = train_adapter(replace(mine, data=data, loop=HARDLY, out=tmp_path / "out")).model
    assert adapter.adapter.spec.names == SPEC.names


def test_data_with_other_sensors_are_refused(mine, tmp_path):
    other = replace(SPEC["watch_accel"], name="phone_accel")
    spec = replace(SPEC, modalities=(other,))
    made = (
        replace(window, signals={"phone_accel": window.signals["watch_accel"]})
        for window in own_windows()
    )
    WindowStore.write(tmp_path / "store", spec, made)
    line = "the data do not fit the adapter '.*adapter': .* unknown modality 'phone_accel'"
    with pytest.raises(SpecError, match=line):
        train_adapter(replace(mine, data=tmp_path / "store", out=tmp_path / "out"))


def test_another_llm_is_refused(mine, tmp_path):
    with pytest.raises(ArtefactError, match=r"is trained for the LLM 'llama.*, not for 'qwen2"):
        train_adapter(replace(mine, llm=str(tiny_folder("qwen2")), out=tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"projector": ProjectorConfig(tokens=4)}, "projector"),
        ({"soft_prompt": SoftPromptConfig(tokens=5)}, "soft_prompt"),
        ({"encoder": "uci-har-encoder"}, "encoder"),
        ({"encoder": "none"}, "encoder"),
    ],
)
def test_what_the_first_is_made_of_cannot_be_changed(mine, change, name):
    with pytest.raises(ConfigError, match=f"{name} is that of the adapter '.*adapter' that is st"):
        train_adapter(replace(mine, **change))


def test_an_adapter_that_is_not_there(mine):
    with pytest.raises(ArtefactError, match="no adapter 'uci-hra'"):
        train_adapter(replace(mine, start_from="uci-hra"))


def test_an_adapter_that_its_recipe_does_not_tell_of(theirs, mine, tmp_path):
    """Those of the first releases keep no hash of the recipe, which somebody has edited here."""
    folder = Path(shutil.copytree(theirs.out, tmp_path / "edited"))
    recipe, manifest = (folder / name for name in ("recipe.yaml", "sensor2llm.json"))
    recipe.write_text(recipe.read_text().replace("hidden: 16", "hidden: 24"))
    content = json.loads(manifest.read_text())
    del content["files"]["recipe.yaml"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match=r"edited' is not made as its recipe says \(.*; train"):
        train_adapter(replace(mine, start_from=str(folder), out=tmp_path / "out"))


def test_an_adapter_without_an_encoder_gives_its_learned_prompt(
    theirs, mine, tmp_path, monkeypatch
):
    monkeypatch.setattr(FrozenLLM, "context", 1024)  # rotary positions know no limit
    train_adapter(replace(theirs, encoder="none", loop=HARDLY, out=tmp_path / "text"))
    start = replace(mine, start_from=str(tmp_path / "text"), loop=HARDLY, out=tmp_path / "out")
    train_adapter(start)
    first, second = (SensorAdapter.load(tmp_path / name) for name in ("text", "out"))
    assert second.encoder is None
    torch.testing.assert_close(first.soft_vectors(), second.soft_vectors(), rtol=0, atol=1e-6)
    assert second.taught[1:] == first.taught


def test_the_prompt_that_is_shown_has_the_places_of_the_first(mine):
    shown = prompt_of(mine)
    assert (shown.count("<|signal|>"), shown.count("<|soft|>")) == (3, 2)


def test_the_verb_takes_the_adapters_name(theirs, mine, tmp_path, capsys):
    words = ["--from", str(theirs.out), "--data", str(mine.data), "--llm_dtype=float32"]
    words += ["--loop.steps=1", "--loop.min_steps=0", "--loop.precision=float32"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert f"adapter: {tmp_path / 'out'}" in capsys.readouterr().out
    adapter = SensorAdapter.load(tmp_path / "out")
    assert adapter.label_names == tuple(OWN.values())
    assert adapter.recipe["start_from"] == str(theirs.out)
    assert main([*words, "--projector.tokens=9", "--out", str(tmp_path / "no")]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert line.endswith("leave projector out, or start from nothing")
