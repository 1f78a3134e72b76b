"""HeLM's sentence: values as text, a spirogram and a row heard, each of them missing or not."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import roc_auc_score

from benchmarks.quality import asthma
from sensor2llm.adapter.batches import hide_signals
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.classify import main as classify
from sensor2llm.command import read_recipe
from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulated_spec
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.resnet import ResNet
from sensor2llm.encoders.tabular import RowMLP
from sensor2llm.errors import SpecError, TemplateError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.prepare import main as prepare
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.prompt import prompt_of
from sensor2llm.recipes.sources import hide
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

SHORT = LoopConfig(epochs=1, batch_size=8, learning_rate=1e-2, precision="float32", steps=3)
SMALL = EncoderRecipe(
    encoder=EncoderConfig(kind="resnet", width=8, pooled_steps=4, resnet_blocks=1),
    pretrain_loop=SHORT,
    finetune=True,
    finetune_loop=SHORT,
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    shipped = read_recipe(asthma.RECIPE, Recipe)
    return replace(
        shipped,
        simulation=replace(shipped.simulation, subjects=20),
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        new_encoder=SMALL,
        projector=ProjectorConfig(tokens=4, hidden=16, per_modality=True),
        loop=SHORT,
        out=tmp_path_factory.mktemp("asthma") / "adapter",
    )


@pytest.fixture(scope="module")
def trained(recipe):
    return train_adapter(recipe)


@pytest.fixture(scope="module")
def model(trained) -> SensorLanguageModel:
    return trained.model.eval()


@pytest.fixture
def window(trained) -> Window:
    return replace(trained.store[0], label=None)


def without(window: Window, name: str) -> Window:
    return replace(window, signals={k: v for k, v in window.signals.items() if k != name})


def with_value(window: Window, channel: int, value: float) -> Window:
    body = window.signals["body"].copy()
    body[channel] = value
    return replace(window, signals={**window.signals, "body": body})


def prompt(model: SensorLanguageModel, windows: list[Window]) -> list[str]:
    return model.prompting.row_texts(model.features(windows))


def test_the_sentence_holds_values_as_text_and_a_place_for_each_modality(model, window):
    age, male, _, bmi = (f"{value:.3g}" for value in window.signals["body"][:, 0])
    two = model.adapter.signal_tokens // 2 * "<|signal|>"
    said = "male" if male == "1" else "female"
    soft = model.adapter.soft_tokens * "<|soft|>"
    [text] = prompt(model, [window])
    sentence = (
        f"{soft}Given age: {age}, sex: {said}, bmi: {bmi}, and {two}, and {two}, I have asthma:"
    )
    assert sentence in text


def test_both_sexes_are_said(model, trained):
    people = [replace(w, label=None) for w in trained.store]
    said = [" male," in text for text in prompt(model, people)]
    assert said == [bool(w.signals["body"][1, 0]) for w in people]
    assert len(set(said)) == 2


def test_each_place_hears_its_own_modality(model, window):
    other = with_value(window, 0, 79.0)
    first, second = (model.adapter.signal_vectors(model.features([w]))[0] for w in (window, other))
    places = [name == "body" for name in model.adapter.token_owners]
    assert places == [False, False, True, True]
    assert torch.equal(first[:2], second[:2])
    assert not torch.equal(first[2:], second[2:])


def test_the_encoder_is_a_resnet_and_an_mlp(model):
    blow, row = model.adapter.encoder.modalities
    assert isinstance(blow, ResNet)
    assert isinstance(row, RowMLP)


def test_answers_are_yes_and_no(model):
    assert dict(zip(model.adapter.label_names, model.prompting.answer_texts, strict=True)) == {
        "healthy": "no",
        "asthma": "yes",
    }


def test_a_saved_adapter_answers_as_before(recipe, model, trained):
    windows = [trained.store[i] for i in range(4)]
    again = SensorLanguageModel.from_pretrained(recipe.out, llm=model.llm)
    torch.testing.assert_close(again.score(windows), model.score(windows))
    assert again.llm.fingerprint() == trained.fingerprint


def test_a_row_that_is_missing_reads_unknown(model, window):
    [text] = prompt(model, [without(window, "body")])
    assert "Given age: unknown, sex: unknown, bmi: unknown, and " in text


def test_a_value_that_is_missing_makes_the_row_missing(model, window):
    gap, absent = with_value(window, 3, np.nan), without(window, "body")
    assert model.features([gap]).present.tolist() == [[True, False]]
    assert prompt(model, [gap]) == prompt(model, [absent])
    assert torch.equal(model.score([gap]), model.score([absent]))


def test_windows_without_a_modality_are_heard_beside_whole_ones(model, trained):
    first, second = (replace(trained.store[i], label=None) for i in (0, 1))
    given = [first, without(first, "body"), without(second, "spirogram"), second]
    alone = torch.cat([model.score([window]) for window in given])
    torch.testing.assert_close(model.score(given), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("gone", ["spirogram", "body"])
def test_a_modality_hidden_in_features_is_as_one_never_measured(model, trained, gone):
    """What training takes away must not stand in the prompt either."""
    windows = [replace(trained.store[i], label=None) for i in range(4)]
    hidden = torch.tensor([[name == gone for name in trained.store.spec.names]]).expand(4, -1)
    taken = hide(model.features(windows), hidden)
    signals = model.features(hide_signals(model.adapter.collate(windows), hidden))
    absent = model.features([without(window, gone) for window in windows])
    expected = model.prompting.row_texts(absent)
    assert model.prompting.row_texts(taken) == model.prompting.row_texts(signals) == expected
    torch.testing.assert_close(model.score(taken), model.score(absent))


def test_only_what_is_hidden_reads_unknown(model, trained):
    windows = [replace(trained.store[i], label=None) for i in range(2)]
    features = model.features(windows)
    taken = hide(features, torch.tensor([[False, True], [True, False]]))
    before, after = model.prompting.row_texts(features), model.prompting.row_texts(taken)
    assert "age: unknown" in after[0]
    assert after[1] == before[1]


def test_an_impossible_value_is_one_clear_line(model, window):
    expected = (
        r"window has 'body' with age 670 years, the spec expects 20 to 80; "
        "mend the value or its unit, or leave the modality out"
    )
    with pytest.raises(SpecError, match=expected):
        model.score([with_value(window, 0, 670.0)])


def write_row(folder, **values) -> str:
    """Write a person's row as a file that `classify` reads."""
    row = {"age": 30, "male": 1, "height": 1.8, "bmi": 25} | values
    lines = (",".join(map(str, part)) for part in (row, row.values()))
    (folder / "person.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "person.csv")


def test_a_file_with_an_impossible_value_is_refused(recipe, trained, tmp_path, capsys):
    words = [str(recipe.out), write_row(tmp_path, bmi=280), "--llm", recipe.llm]
    assert classify(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "'body' with bmi 280 kg/m^2, the spec expects 10 to 70; mend the value" in line


def described(folder, ages: list[str]) -> str:
    """Write people's rows and the description that says what an age can be."""
    rows = [f"p{i},{age},25" for i, age in enumerate(ages)]
    (folder / "people.csv").write_text("\n".join(["who,age,bmi", *rows]) + "\n")
    columns = [{"column": "age", "unit": "years", "low": 20, "high": 80}]
    columns += [{"column": "bmi", "unit": "kg/m^2"}]
    plain = {"files": "people.csv", "subject": "who"}
    plain |= {"modalities": {"body": {"axis": "none", "columns": columns}}}
    (folder / "people.yaml").write_text(yaml.safe_dump(plain))
    return str(folder / "people.yaml")


def test_a_table_with_an_impossible_value_is_refused(tmp_path, capsys):
    table = described(tmp_path, ["30", "670"])
    assert prepare([table, "--out", str(tmp_path / "store")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "window 1 (subject p1): window has 'body' with age 670 years, the spec expects" in line
    assert not (tmp_path / "store").exists()


def test_bounds_of_a_table_are_numbers(tmp_path, capsys):
    table = described(tmp_path, ["30"])
    (tmp_path / "people.yaml").write_text(
        (tmp_path / "people.yaml").read_text().replace("low: 20", "low: young")
    )
    assert prepare([table, "--out", str(tmp_path / "store")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "low of column 'age' of modality 'body' must be a number, got 'young'" in line


def test_a_store_takes_a_row_with_a_gap_as_missing(window, tmp_path):
    spec = simulated_spec(SimulationConfig(scenario="spirometry"))
    given = [window, with_value(window, 1, np.nan)]
    store = WindowStore.write(tmp_path / "store", spec, given)
    assert np.asarray(store.present).tolist() == [[True, True], [True, False]]
    assert not store.read([1])["body"].any()


def test_a_person_without_a_spirogram_is_classified(recipe, trained, tmp_path, capsys):
    words = [str(recipe.out), write_row(tmp_path), "--llm", recipe.llm, "--json"]
    assert classify(words) == 0
    [found] = json.loads(capsys.readouterr().out)["windows"]
    assert found["label"] in trained.store.label_names


@pytest.mark.parametrize("changes", [{"per_modality": False}, {"encoder": "none"}])
def test_places_need_a_bridge_with_tokens_of_each_modality(recipe, trained, tmp_path, changes):
    own = {"encoder": changes.get("encoder", "new")}
    bridge = replace(recipe.projector, per_modality=changes.get("per_modality", True))
    given = replace(recipe, data=trained.store.path, projector=bridge, out=tmp_path / "x", **own)
    with pytest.raises(TemplateError, match=r"'asthma' has a place for each .*per_modality: true"):
        train_adapter(given)
    assert not (tmp_path / "x-run").exists()


def test_the_prompt_is_shown_before_anything_is_trained(recipe, trained):
    first = replace(trained.store[int(trained.split.train[0])], label=None)
    assert [prompt_of(recipe)] == prompt(trained.model, [first])


def test_a_question_stands_beside_the_values(model, window):
    """The template asks none of its own, so the answer is the one without it."""
    given = [window, without(window, "body")]
    expected = model.generate(given, max_new_tokens=3)
    assert model.generate(given, question="Is it so?", max_new_tokens=3) == expected


def test_positions_are_those_of_the_prompt_without_its_values(model, window):
    answer = max(len(ids) for ids in model.prompting.answers.ids)
    [text] = prompt(model, [window])
    assert model.adapter.signal_tokens < model.tokens_per_window
    assert model.tokens_per_window < len(model.llm.encode(text)) + answer


def test_auroc_counts_the_pairs_in_the_right_order():
    ill = np.array([0, 1, 0, 1, 1])
    scores = {asthma.WHOLE: [0.1, 0.9, 0.4, 0.3, 0.8], asthma.TABULAR: [0, 1, 1, 0, 1]}
    found = asthma.measured(ill, {**scores, asthma.TRUTH: [0.0, 1.0, 0.0, 1.0, 1.0]})
    pairs = [(a, b) for a in (0.9, 0.3, 0.8) for b in (0.1, 0.4)]
    expected = np.mean([a > b for a, b in pairs])
    assert found["rows"][asthma.WHOLE]["auroc"] == pytest.approx(expected)
    assert found["rows"][asthma.TRUTH] == {"auroc": 1.0, "interval": [1.0, 1.0]}
    difference = found["differences"][f"{asthma.WHOLE} - {asthma.TRUTH}"]
    assert difference["difference"] == pytest.approx(expected - 1)
    assert difference["interval"][0] <= difference["difference"] <= difference["interval"][1]


def test_auroc_of_many_draws_is_that_of_each():
    generator = np.random.default_rng(0)
    ill = np.array([generator.permutation([0, 0, 0, 1, 1, 1, 1]) for _ in range(20)])
    scores = generator.integers(4, size=ill.shape).astype(float)  # with ties
    expected = [roc_auc_score(*pair) for pair in zip(ill, scores, strict=True)]
    np.testing.assert_allclose(asthma.aurocs(ill, scores), expected)


def test_the_benchmark_makes_every_part_once(recipe, tmp_path, monkeypatch):
    made = replace(recipe, out=tmp_path / "adapter")
    first = asthma.make(made, tmp_path / "scores.json")
    names = {name for part in first["parts"].values() for name in part["scores"]}
    assert {asthma.WHOLE, asthma.TABULAR, asthma.ROW, asthma.PROBE, asthma.TRUTH} < names
    assert all(
        len(s) == len(first["ill"]) for p in first["parts"].values() for s in p["scores"].values()
    )
    monkeypatch.setattr(asthma, "train_adapter", None)
    monkeypatch.setattr(asthma, "load_model", None)
    again = asthma.make(made, tmp_path / "scores.json")
    assert json.dumps(again["parts"]) == json.dumps(first["parts"])


def test_the_shipped_recipe_is_what_the_figures_say():
    shipped = read_recipe(asthma.RECIPE, Recipe)
    assert shipped.new_encoder.encoder.kind == "resnet"
    assert shipped.projector.per_modality
    assert shipped.modality_dropout > 0
    assert yaml.safe_load(asthma.RECIPE.read_text())["prompt"] == shipped.prompt == "asthma"
